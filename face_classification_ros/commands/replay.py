"""Play a recording or a video through the node, and compare the faces with expectations."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

from face_classification_ros.commands.common import DONE, needs_extra, NO
from face_classification_ros.commands.options import add_node_parameter
from face_classification_ros.memory import check_address_space, NODE_SPACE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `replay`."""
    parser.add_argument(
        'source', type=Path, metavar='BAG', help='a rosbag2 folder, one of its files, or a video'
    )
    parser.add_argument(
        '--topic',
        default='',
        metavar='NAME',
        help='image topic, if the recording has several',
    )
    parser.add_argument(
        '--depth', default='', metavar='NAME', help='also play the depth images of this topic'
    )
    parser.add_argument(
        '--camera-info',
        default='',
        metavar='NAME',
        help='also play the camera calibration of this topic',
    )
    parser.add_argument(
        '--rate',
        type=float,
        default=1.0,
        metavar='X',
        help='play this many times as fast as recorded (default: 1)',
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        '--offline',
        action='store_true',
        help='process the frames in this process without DDS, as fast as possible and with '
        'reproducible results',
    )
    how.add_argument(
        '--node', default='', metavar='NAME', help='use this running node instead of starting one'
    )
    add_node_parameter(parser)
    parser.add_argument(
        '--params-file', type=Path, metavar='FILE', help='use this parameter file of the node'
    )
    parser.add_argument(
        '--record',
        type=Path,
        action='append',
        default=[],
        metavar='PATH',
        help='write the faces to this .json or .jsonl file, or to a new recording; may be '
        'repeated',
    )
    parser.add_argument(
        '--expect',
        type=Path,
        metavar='FILE',
        help='compare the faces with the expectations in this file; the exit code is 1 if one is '
        'not met',
    )
    parser.add_argument(
        '--write-expectation',
        type=Path,
        metavar='FILE',
        help='write expectations that these faces meet to this file, as a starting point',
    )


def run(arguments: argparse.Namespace) -> int:
    """Replay a recording; returns 1 if an expectation is not met."""
    import yaml

    if not arguments.offline:
        check_address_space(NODE_SPACE)
    with needs_extra('replay', 'replay'):
        from face_classification_ros.ros.replay.expectation import (
            propose_expectation,
            read_expectation,
        )
        from face_classification_ros.ros.replay.replay import (
            check_expectation,
            replay,
            ReplayOptions,
        )
    expectation = read_expectation(arguments.expect) if arguments.expect else None
    options = ReplayOptions(
        source=arguments.source,
        topic=arguments.topic,
        depth=arguments.depth,
        camera_info=arguments.camera_info,
        parameters=arguments.parameter,
        parameter_file=arguments.params_file,
        rate=arguments.rate,
        node=arguments.node,
        offline=arguments.offline,
    )
    if expectation is not None:
        check_expectation(expectation, options, arguments.expect)
    result = replay(options, *arguments.record)
    print(result.summary())
    for number, error in result.invalid.items():
        print(f'invalid image {number}: {error}', file=sys.stderr)
    if arguments.write_expectation:
        proposal = propose_expectation(result.frames)
        text = yaml.safe_dump(proposal, sort_keys=False)
        arguments.write_expectation.parent.mkdir(parents=True, exist_ok=True)
        arguments.write_expectation.write_text(text, encoding='utf-8')
    if expectation is None:
        return DONE
    differences = expectation.differences(result.frames)
    for difference in differences:
        print(difference)
    met = len(expectation.entries) - len({each.place for each in differences})
    print(f'{arguments.expect}: {met} of {len(expectation.entries)} expectations met')
    return NO if differences else DONE
