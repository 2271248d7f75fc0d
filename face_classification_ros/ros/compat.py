"""What differs between the ROS 2 distributions that this package runs on, in one place.

Tried with rclpy 7.1 (Jazzy) and 9.1 (Kilted); for Lyrical and Rolling by what their sources and
pull requests say. What is the same in all of them needs no function here:

- the sequence numbers of a message are None if the middleware counts none, see `SequenceGaps`;
- `uint8[]` arrives as an `array.array` unless a subscription accepts the buffers of a vendor,
  which none of ours does;
- lifecycle, parameters, events, actions and the graph have the names that this package uses.
"""

from __future__ import annotations

import functools
from xml.etree import ElementTree

from ament_index_python.packages import get_package_share_path
from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.task import Future

from face_classification_ros.doctor.dds import profile_variable

RCLPY_MAJORS = {3: 'humble', 4: 'iron', 7: 'jazzy', 9: 'kilted', 10: 'lyrical'}
"""Major version of rclpy -> the distribution that has it; Rolling has a later one."""


@functools.cache
def distribution() -> str:
    """Return the name of the ROS distribution in use, such as `jazzy`.

    By the version of rclpy: wheels set no ROS_DISTRO, and a sourced workspace may set that of
    another one.
    """
    return distribution_of(installed_version('rclpy'))


def installed_version(package: str) -> str:
    """Return the version of an installed ROS package, such as `7.1.6`.

    Raises:
        PackageNotFoundError: the package is not in the ament index.
    """
    manifest = ElementTree.parse(get_package_share_path(package) / 'package.xml')
    return manifest.findtext('version', '')


def distribution_of(rclpy_version: str) -> str:
    """Return the name of the distribution with a version of rclpy; `rolling` if none has it."""
    return RCLPY_MAJORS.get(int(rclpy_version.partition('.')[0]), 'rolling')


def dds_profile_variable() -> str:
    """Return the environment variable with the profile that the installed Fast DDS reads."""
    return profile_variable(distribution())


def create_future(node: Node) -> Future:
    """Return a future that a callback of a node awaits.

    Since rclpy 7.1.9 the executor resumes a task when its future is done, so the future has to
    know the executor. This is what `Executor.create_future` does, which older versions lack.

    Args:
        node: spins, so that it has an executor.
    """
    return Future(executor=node.executor)


def refuse_impossible_transitions(node: LifecycleNode) -> None:
    """Respond to requests for a transition that the present state of a node does not have.

    The rclpy of Jazzy raises an error instead, which ends the node (ros2/rclpy issue 1209); later
    ones respond by themselves.
    """
    if distribution() != 'jazzy':
        return
    (service,) = (each for each in node.services if each.srv_type is ChangeState)
    change_state = service.callback

    def change_state_if_possible(
        request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        try:
            return change_state(request, response)
        except RuntimeError as error:
            node.get_logger().error(f'no transition: {error}')
            response.success = False
            return response

    service.callback = change_state_if_possible
