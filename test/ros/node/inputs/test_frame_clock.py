"""Images have a time if their stamps move, are constant, continue, or go back."""

from __future__ import annotations

from itertools import pairwise

import pytest

from face_classification_ros.ros.node.inputs.frame_clock import FrameClock, TimeSource

FRAME = 0.1
"""Seconds between the arrival of two images."""


def times(*stamps: float) -> list[float]:
    """Return the times of images that arrive one after the other."""
    clock = FrameClock()
    return [
        clock.time_of(stamp, 50.0 + number * FRAME).seconds for number, stamp in enumerate(stamps)
    ]


def test_moving_stamps_are_the_time() -> None:
    """Whatever the speed of their arrival, with disorder and a repeated image."""
    stamps = [100.0, 100.5, 100.5, 100.45, 103.0, 103.01]
    assert times(*stamps) == stamps


def test_zero_stamps_are_replaced_by_the_arrival() -> None:
    """From the first image on."""
    assert times(*[0.0] * 30) == pytest.approx([number * FRAME for number in range(30)])


def test_time_continues_smoothly_when_stamps_become_constant() -> None:
    """Without a jump, which would end all tracks; for a second it may be a repeated image."""
    found = times(*[100.0] * 31)
    assert found[:11] == pytest.approx([100.0] * 11)
    assert max(after - before for before, after in pairwise(found)) < 0.11
    assert found[-1] == pytest.approx(102.0)


@pytest.mark.parametrize('step', [0.001, 0.05, 0.1, 1.5, 3.1, 7.0])
def test_time_does_not_go_back_when_constant_stamps_continue(step: float) -> None:
    """Whether they continue by less than the time that passed, by as much, or by more."""
    found = times(*[100.0] * 31, *(100.0 + step + number * FRAME for number in range(20)))
    assert found == sorted(found)
    # No gap is larger than that of the stamps, and time does not stay behind them.
    assert found[31] - found[30] <= step + 1e-6
    assert found[-1] >= 100.0 + step + 19 * FRAME - 1e-6
    assert found[-1] - found[31] == pytest.approx(19 * FRAME, abs=0.01)


def test_stamps_that_catch_up_are_the_time_again() -> None:
    """Immediately, as of a camera that was frozen, or gradually."""
    assert times(*[100.0] * 31, 103.1, 103.2)[-2:] == pytest.approx([103.1, 103.2])
    faster = [100.0 + number * 2 * FRAME for number in range(1, 40)]
    assert times(*[100.0] * 31, *faster)[-1] == pytest.approx(faster[-1])


def test_stamps_that_go_back_set_time_back() -> None:
    """Also after any time of constant stamps; reordered images do not."""
    assert times(*[100.0] * 31, 99.5, 99.6)[-2:] == [99.5, 99.6]
    assert times(*[100.0] * 31, 99.95)[-1] == pytest.approx(101.95)


def test_clock_of_arrivals_may_jump_back() -> None:
    """No time passes at the jump, and it continues afterwards."""
    clock = FrameClock()
    arrivals = (50.0, 51.0, 52.0, 20.0, 21.0)
    found = [clock.time_of(0.0, arrival).seconds for arrival in arrivals]
    assert found == pytest.approx([0.0, 1.0, 2.0, 2.0, 3.0])
    clock = FrameClock()
    found = [clock.time_of(100.0, arrival).seconds for arrival in arrivals]
    assert found == pytest.approx([100.0, 100.0, 101.0, 101.0, 102.0])


def test_source_of_the_time_is_returned() -> None:
    """Zero is no stamp, and others are not used once they have been constant for a second."""
    clock = FrameClock()
    arrivals = ((0.0, 10.0), (0.0, 11.5), (7.0, 12.0), (7.0, 13.5), (7.1, 14.0))
    assert [clock.time_of(*each).source for each in arrivals] == [
        TimeSource.ARRIVAL_ZERO_STAMP,
        TimeSource.ARRIVAL_CONSTANT_STAMP,
        TimeSource.STAMP,
        TimeSource.ARRIVAL_CONSTANT_STAMP,
        TimeSource.STAMP,
    ]
