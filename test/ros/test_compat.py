"""What differs between ROS distributions is handled on the one that runs the tests."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import distributions
import os
import re

import pytest
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.task import Future
from ros_peers import TIMEOUT

from face_classification_ros.doctor.dds import PROFILE_VARIABLES
from face_classification_ros.ros import compat
from face_classification_ros.ros.processes import ros_environment


@pytest.fixture
def executor(domain: int) -> Iterator[SingleThreadedExecutor]:
    """Return an executor with a lifecycle node."""
    context = Context()
    context.init(domain_id=domain)
    node = LifecycleNode('compat', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield executor
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()


def node_of(executor: SingleThreadedExecutor) -> LifecycleNode:
    """Return the node of an executor."""
    (node,) = executor.get_nodes()
    assert isinstance(node, LifecycleNode)
    return node


@pytest.mark.parametrize(
    ('version', 'name'),
    [
        ('3.3.16', 'humble'),
        ('7.1.6', 'jazzy'),
        ('7.1.11', 'jazzy'),
        ('9.1.2', 'kilted'),
        ('10.0.8', 'lyrical'),
        ('11.0.0', 'rolling'),
    ],
)
def test_distribution_follows_from_the_version_of_rclpy(version: str, name: str) -> None:
    """The versions that the distributions have; a later one is that of Rolling."""
    assert compat.distribution_of(version) == name


def test_distribution_is_the_installed_one() -> None:
    """Wheels have its name in theirs, a sourced workspace in ROS_DISTRO."""
    names = [each.metadata['Name'] for each in distributions()]
    wheels = [match[1] for each in names if (match := re.fullmatch('ros-([a-z]+)-rclpy', each))]
    assert [compat.distribution()] == (wheels or [os.environ['ROS_DISTRO']])


@pytest.mark.parametrize(
    ('own', 'given'),
    [({}, 1), *(({name: '/tmp/own.xml'}, 0) for name in PROFILE_VARIABLES)],
    ids=['none', *PROFILE_VARIABLES],
)
def test_programs_get_one_profile(
    monkeypatch: pytest.MonkeyPatch, own: dict[str, str], given: int
) -> None:
    """Kilted reads both variables; a profile of the user in either of them is kept."""
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    variables = ros_environment('7')
    assert len(variables.keys() & set(PROFILE_VARIABLES)) == given
    assert variables['ROS_DOMAIN_ID'] == '7'


def test_task_resumes_when_its_future_is_done(executor: SingleThreadedExecutor) -> None:
    """A callback awaits a future that another callback ends."""
    future = compat.create_future(node_of(executor))

    async def wait() -> int:
        return await future

    task = executor.create_task(wait)
    executor.spin_once(timeout_sec=0)
    assert not task.done()
    executor.create_task(future.set_result, 7)
    executor.spin_until_future_complete(task, timeout_sec=TIMEOUT)
    assert task.result() == 7


def test_future_belongs_to_the_executor_of_its_node(executor: SingleThreadedExecutor) -> None:
    """The executor calls what waits for it; that of a bare future is called where it ends."""
    future, called = compat.create_future(node_of(executor)), Future()
    future.add_done_callback(called.set_result)
    future.set_result(None)
    assert not called.done()
    executor.spin_until_future_complete(called, timeout_sec=TIMEOUT)
    assert called.result() is future


@pytest.mark.parametrize(
    ('name', 'is_replaced'), [('jazzy', True), ('kilted', False), ('rolling', False)]
)
def test_only_jazzy_needs_another_response_to_impossible_transitions(
    executor: SingleThreadedExecutor, monkeypatch: pytest.MonkeyPatch, name: str, is_replaced: bool
) -> None:
    """Later versions respond by themselves, and may change how a service is called."""
    node = node_of(executor)
    before = [service.callback for service in node.services]
    monkeypatch.setattr(compat, 'distribution', lambda: name)
    compat.refuse_impossible_transitions(node)
    after = [service.callback for service in node.services]
    assert sum(one != other for one, other in zip(before, after, strict=True)) == is_replaced
