"""A signal ends a program with KeyboardInterrupt, regardless of what rclpy raises."""

from collections.abc import Iterator
import os
import signal
import time

import pytest
import rclpy
from rclpy.executors import ExternalShutdownException

from face_classification_ros.ros.runtime import ros_running, SIGNALS, signals_as_interrupt


@pytest.fixture
def ros(domain: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start ROS in this process, which afterwards does not ignore signals."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    before = {each: signal.getsignal(each) for each in SIGNALS}
    with ros_running([]):
        yield
    for each, handler in before.items():
        signal.signal(each, handler)


def test_interrupted_call_is_a_keyboard_interrupt(ros: None) -> None:
    """A RuntimeError is raised if ROS ends while a message is taken."""
    with pytest.raises(KeyboardInterrupt), signals_as_interrupt():
        rclpy.shutdown()
        raise RuntimeError('Unable to convert call argument')


def test_signal_ends_ros_without_an_interrupt(ros: None) -> None:
    """Objects that rclpy is creating are completed, so that they can be deleted."""
    os.kill(os.getpid(), signal.SIGINT)
    end = time.monotonic() + 10
    while rclpy.ok() and time.monotonic() < end:
        time.sleep(0.001)
    assert not rclpy.ok()


def test_signal_handlers_are_restored(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends what a program does after ROS."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    with ros_running([]):
        pass
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)


def test_signals_after_one_that_ended_ros_are_ignored(
    domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the program, such as writing results, is not interrupted."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    before = {each: signal.getsignal(each) for each in SIGNALS}
    with ros_running([]):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert {signal.getsignal(each) for each in SIGNALS} == {signal.SIG_IGN}
    for each, handler in before.items():
        signal.signal(each, handler)


def test_signal_handlers_can_be_kept(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C then ends a program that does not call ROS."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    with ros_running([], ends_at_signal=False), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)


def test_end_of_an_executor_is_a_keyboard_interrupt() -> None:
    """An executor raises ExternalShutdownException."""
    with pytest.raises(KeyboardInterrupt), signals_as_interrupt():
        raise ExternalShutdownException


def test_other_errors_are_passed_on(ros: None) -> None:
    """While ROS runs, a RuntimeError does not come from a signal."""
    with pytest.raises(RuntimeError, match='a defect'), signals_as_interrupt():
        raise RuntimeError('a defect')
