"""Run the node as a process."""

from __future__ import annotations

import argparse
import sys

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.utilities import remove_ros_args

from face_classification_ros.memory import is_out_of_memory, memory_error_text
from face_classification_ros.ros.node.node import FaceClassificationNode, NODE_NAME
from face_classification_ros.ros.node.parameters.node_config import UnknownParameterError
from face_classification_ros.ros.node.parameters.sources import addressed_parameters
from face_classification_ros.ros.node.watchdog import Watchdog
from face_classification_ros.ros.runtime import ros_running, RosStartError, signals_as_interrupt


def run_node(args: list[str] | None = None) -> int:
    """Run the node until a signal ends it.

    Returns:
        0, 1 if it has no memory left while it works, or 2 if it cannot start. The process also
        ends with 1 if it is stuck, see `Watchdog`.
    """
    parser = argparse.ArgumentParser(
        prog='face_classification_node',
        description='Detect faces in the images of a camera, and publish their attributes.',
        epilog='--ros-args -p NAME:=VALUE sets a parameter, and -r image:=TOPIC selects a camera.',
        allow_abbrev=False,
    )
    arguments = sys.argv[1:] if args is None else args
    # For --help only: the others are checked after ROS has checked its own.
    parser.parse_known_args(arguments)
    watchdog = Watchdog()
    try:
        with ros_running(args), watchdog.running():
            return _run(watchdog, arguments)
    except RosStartError as error:
        print(f'{NODE_NAME}: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        # A signal arrived before ROS was started.
        return 0


def _run(watchdog: Watchdog, arguments: list[str]) -> int:
    if others := remove_ros_args(arguments):
        print(f'{NODE_NAME}: unknown argument {others[0]!r}', file=sys.stderr)
        return 2
    try:
        with signals_as_interrupt():
            try:
                node = FaceClassificationNode()
                _check_parameters(node, arguments)
            except (ValueError, ParameterException) as error:
                print(f'{NODE_NAME}: {error}', file=sys.stderr)
                return 2
            except RuntimeError as error:
                # DDS rejects the node, as SROS2 does without keys, or a signal arrived.
                if not rclpy.ok():
                    return 0
                print(f'{NODE_NAME}: {" ".join(str(error).split())}', file=sys.stderr)
                return 2
            if node.get_parameter('autostart').value:
                if node.trigger_configure() != TransitionCallbackReturn.SUCCESS:
                    # The reason is in the log, or a signal arrived.
                    return 2 if rclpy.ok() else 0
                node.trigger_activate()
            watchdog.watch(node)
            return _spin(node)
    except KeyboardInterrupt:
        pass
    return 0


def _spin(node: FaceClassificationNode) -> int:
    try:
        rclpy.spin(node)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        # Unlike a node that cannot start, it may work when launch has started it again.
        print(f'{NODE_NAME}: {memory_error_text(error)}', file=sys.stderr)
        return 1
    return 0


def _check_parameters(node: FaceClassificationNode, arguments: list[str]) -> None:
    """Reject parameters that the node does not have, or warn if they may be of other nodes.

    Raises:
        UnknownParameterError: the node does not have a parameter.
    """
    if not node.unknown_parameters:
        return
    addressed = addressed_parameters(arguments, node.get_fully_qualified_name())
    for name in node.unknown_parameters:
        error = UnknownParameterError(name)
        if name in addressed:
            raise error
        node.get_logger().warning(str(error))
