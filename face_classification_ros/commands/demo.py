"""Run the node on a sample, a video, a camera or a topic, and show the faces.

The results are an annotated video, a contact sheet and the faces as JSON; with --view they are a
live page in the browser instead.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from face_classification_ros.commands.common import needs_extra
from face_classification_ros.commands.options import (
    add_node_parameter,
    add_page_address,
    positive_float,
)
from face_classification_ros.memory import check_address_space, NODE_SPACE

CAMERA_SECONDS = 20.0
"""After which a camera or a topic is stopped unless the user says otherwise."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `demo`."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument('--video', metavar='FILE', help='play this video instead of the sample')
    source.add_argument('--camera', metavar='NUMBER', help='use this camera of the machine')
    source.add_argument('--topic', metavar='NAME', help='use the images of this topic')
    parser.add_argument(
        '--output',
        type=Path,
        metavar='DIR',
        help='write the results to this folder (default: demo); not with --view',
    )
    parser.add_argument(
        '--seconds',
        type=positive_float,
        metavar='X',
        help='stop after this many seconds, not counting the start (default: 20 for a camera or '
        'a topic; a sample or a video plays to its end; --view runs until Ctrl+C)',
    )
    parser.add_argument(
        '--view',
        action='store_true',
        help='open a live page instead of recording; a sample or a video repeats',
    )
    add_page_address(parser)
    add_node_parameter(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; returns 1 if no face was found."""
    if arguments.view and arguments.output:
        raise ValueError('--output cannot be used with --view, which writes no results')
    check_address_space(NODE_SPACE)
    from face_classification_ros.ros.demo.demo import DemoOptions, run_demo
    from face_classification_ros.ros.demo.sample_camera import SAMPLE

    options = DemoOptions(
        source=arguments.video or arguments.camera or SAMPLE,
        topic=arguments.topic or '',
        output=arguments.output or Path('demo'),
        seconds=arguments.seconds or _default_seconds(arguments),
        parameters=arguments.parameter,
    )
    if not arguments.view:
        return run_demo(options)
    with needs_extra('view', 'demo --view'):
        from face_classification_ros.ros.demo.live import run_live_demo
        from face_classification_ros.ros.view.server import ViewOptions
    page = ViewOptions(arguments.host, arguments.port, arguments.opens_browser)
    return run_live_demo(options, page)


def _default_seconds(arguments: argparse.Namespace) -> float:
    is_endless = arguments.camera or arguments.topic
    return CAMERA_SECONDS if is_endless and not arguments.view else math.inf
