"""Whatever rclpy makes of a signal, a program ends as by Ctrl-C; a defect stays one."""

from collections.abc import Iterator
import os
import signal
import time

import pytest
import rclpy
from rclpy.executors import ExternalShutdownException

from face_classification_ros.ros.runtime import ros_running, signals_as_interrupt


@pytest.fixture
def ros(domain: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run ROS in this process, as a program does."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    with ros_running([]):
        yield


def test_a_call_that_a_signal_broke_off_is_an_interrupt(ros: None) -> None:
    """A message could not be taken because ROS was ended."""
    with pytest.raises(KeyboardInterrupt), signals_as_interrupt():
        rclpy.shutdown()
        raise RuntimeError('Unable to convert call argument')


def test_a_signal_ends_ros_and_interrupts_nothing_else(ros: None) -> None:
    """What rclpy is in the midst of making at Ctrl-C is made, so that it can be deleted, too."""
    os.kill(os.getpid(), signal.SIGINT)
    end = time.monotonic() + 10
    while rclpy.ok() and time.monotonic() < end:
        time.sleep(0.001)
    assert not rclpy.ok()


def test_python_has_its_signals_back_afterwards(
    domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that Ctrl-C ends what a program does after ROS."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    with ros_running([]):
        pass
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)


def test_python_may_keep_its_signals(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a program that Ctrl-C shall end while it asks nothing of ROS."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    with ros_running([], ends_at_signal=False), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)


def test_an_executor_that_a_signal_ended_is_an_interrupt() -> None:
    """So is what rclpy raises from spinning."""
    with pytest.raises(KeyboardInterrupt), signals_as_interrupt():
        raise ExternalShutdownException


def test_a_defect_stays_what_it_is(ros: None) -> None:
    """While ROS runs, an error is no signal."""
    with pytest.raises(RuntimeError, match='a defect'), signals_as_interrupt():
        raise RuntimeError('a defect')
