"""Whatever rclpy makes of a signal, a program ends as by Ctrl-C; a defect stays one."""

from collections.abc import Iterator

import pytest
import rclpy
from rclpy.executors import ExternalShutdownException

from face_classification_ros.ros.context import ros_running, signals_as_interrupt


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


def test_a_call_into_rclpy_that_python_broke_off_is_an_interrupt(ros: None) -> None:
    """A request was taken, but Python's own handler had raised KeyboardInterrupt meanwhile."""
    with pytest.raises(KeyboardInterrupt), signals_as_interrupt():
        rclpy.shutdown()
        raise SystemError('returned a result with an exception set') from KeyboardInterrupt()


def test_an_executor_that_a_signal_ended_is_an_interrupt() -> None:
    """So is what rclpy raises from spinning."""
    with pytest.raises(KeyboardInterrupt), signals_as_interrupt():
        raise ExternalShutdownException


def test_a_defect_stays_what_it_is(ros: None) -> None:
    """While ROS runs, an error is no signal."""
    with pytest.raises(RuntimeError, match='a defect'), signals_as_interrupt():
        raise RuntimeError('a defect')
