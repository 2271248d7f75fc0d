"""Show a running node in the browser: images, faces, diagnostics and parameters, live.

Ctrl+C ends the page; the node continues.
"""

from __future__ import annotations

import argparse

from face_classification_ros.commands.common import DONE, needs_extra
from face_classification_ros.commands.options import add_page_address


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `view`."""
    parser.add_argument(
        '--node',
        default='/face_classification',
        metavar='NAME',
        help='show the node of this full name (default: /face_classification)',
    )
    add_page_address(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve the page until it is interrupted."""
    from face_classification_ros.ros.runtime import ros_running

    with needs_extra('view', 'view'):
        from face_classification_ros.ros.view.server import run_view, ViewOptions

    options = ViewOptions(arguments.host, arguments.port, arguments.opens_browser)
    with ros_running([], ends_at_signal=False):
        run_view(arguments.node, options)
    return DONE
