"""Time of pictures whose stamps move, stand still, go on from there, or go back."""

from __future__ import annotations

from itertools import pairwise

import pytest

from face_classification_ros.ros.node.frame_clock import FrameClock

FRAME = 0.1
"""Seconds from the arrival of one picture to that of the next."""


def times(*stamps: float) -> list[float]:
    """Give the times of pictures that arrive one after the other."""
    time = FrameClock()
    return [time.of(stamp, 50.0 + number * FRAME) for number, stamp in enumerate(stamps)]


def test_stamps_that_move_are_the_time() -> None:
    """Whatever the pace of their arrival, with disorder and a picture that comes again."""
    stamps = [100.0, 100.5, 100.5, 100.45, 103.0, 103.01]
    assert times(*stamps) == stamps


def test_stamps_of_zero_are_none() -> None:
    """Time is that of the arrival, from the first picture on."""
    assert times(*[0.0] * 30) == pytest.approx([number * FRAME for number in range(30)])


def test_time_goes_on_smoothly_where_stamps_begin_to_stand_still() -> None:
    """Not by a leap, which would end all tracks; the first second may be a repeated picture."""
    found = times(*[100.0] * 31)
    assert found[:11] == pytest.approx([100.0] * 11)
    assert max(after - before for before, after in pairwise(found)) < 0.11
    assert found[-1] == pytest.approx(102.0)


@pytest.mark.parametrize('step', [0.001, 0.05, 0.1, 1.5, 3.1, 7.0])
def test_time_never_goes_back_where_stamps_stood_still_and_go_on(step: float) -> None:
    """By less than they stood, by as much, or by more."""
    found = times(*[100.0] * 31, *(100.0 + step + number * FRAME for number in range(20)))
    assert found == sorted(found)
    # Neither is there a gap that the stamps do not have, nor is it kept for longer than they ask.
    assert found[31] - found[30] <= step + 1e-6
    assert found[-1] >= 100.0 + step + 19 * FRAME - 1e-6
    assert found[-1] - found[31] == pytest.approx(19 * FRAME, abs=0.01)


def test_stamps_that_make_up_for_a_standstill_are_the_time_again() -> None:
    """As of a camera that was frozen and is by its clock again, at once or bit by bit."""
    assert times(*[100.0] * 31, 103.1, 103.2)[-2:] == pytest.approx([103.1, 103.2])
    faster = [100.0 + number * 2 * FRAME for number in range(1, 40)]
    assert times(*[100.0] * 31, *faster)[-1] == pytest.approx(faster[-1])


def test_stamps_that_go_back_set_time_back() -> None:
    """Also after a standstill, however long; disorder after it does not."""
    assert times(*[100.0] * 31, 99.5, 99.6)[-2:] == [99.5, 99.6]
    assert times(*[100.0] * 31, 99.95)[-1] == pytest.approx(101.95)


def test_it_is_told_whether_stamps_tell_the_time() -> None:
    """Zero at once, others once they have stood still for a second, until they move."""
    time = FrameClock()
    found = []
    for stamp, arrival in ((0.0, 10.0), (0.0, 11.5), (7.0, 12.0), (7.0, 13.5), (7.1, 14.0)):
        time.of(stamp, arrival)
        found.append((time.is_by_arrival, time.is_still))
    assert found == [(True, False), (True, True), (False, False), (True, True), (False, False)]
