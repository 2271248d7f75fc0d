"""New reasons of a problem are logged immediately, the same ones rarely."""

from __future__ import annotations

from face_classification_ros.ros.node.reason_log import MAX_REASONS, ReasonLog


def test_new_reason_is_logged_and_the_same_one_once_in_a_period() -> None:
    """A second reason does not wait for the period of the first one."""
    log = ReasonLog(5.0)
    reasons = [('step', 0.0), ('step', 1.0), ('encoding', 2.0), ('step', 4.9), ('step', 5.0)]
    assert [log.admit(*each) for each in reasons] == [True, False, True, False, True]


def test_reasons_with_numbers_do_not_flood_the_log() -> None:
    """Only the first of many different ones are logged within a period."""
    log = ReasonLog(5.0)
    admitted = [log.admit(f'{number} bytes are missing', number / 100) for number in range(100)]
    assert sum(admitted) == MAX_REASONS
    assert log.admit('another', 6.0)
