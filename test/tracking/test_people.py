"""Each person is counted once, by what was certain of them, within the time that is asked."""

import math

import pytest
from tracking.people_seen import face

from face_classification_ros.tracking import people
from face_classification_ros.tracking.people import PeopleCount, PeopleCounter


def test_each_track_is_one_person() -> None:
    """However often somebody is seen, the count stays."""
    counter = PeopleCounter()
    for stamp in range(5):
        counter.add([face('1', 0.9), face('2', 0.1)], stamp)
    assert counter.count(10) == PeopleCount(1, 1, 0)


def test_last_certain_answer_decides() -> None:
    """A doubtful picture takes back nothing; another certain one does."""
    counter = PeopleCounter()
    for stamp, woman in enumerate((0.6, 0.9, 0.5)):
        counter.add([face('1', woman)], stamp)
    assert counter.count(10) == PeopleCount(1, 0, 0)
    counter.add([face('1', 0.1)], 3)
    assert counter.count(10) == PeopleCount(0, 1, 0)


@pytest.mark.parametrize('woman', [0.6, None])
def test_who_was_never_certain_is_unknown(woman: float | None) -> None:
    """Below the threshold, and with gender switched off, a person is a person all the same."""
    counter = PeopleCounter()
    counter.add([face('1', woman)], 0)
    assert counter.count(10) == PeopleCount(0, 0, 1)


@pytest.mark.parametrize(
    'window, total',
    [
        (2.0, 2),
        (1.9, 1),
        (100.0, 3),
        (math.inf, 3),
        (0.0, 1),
        (-5.0, 1),
        (math.nan, 1),
    ],
)
def test_window_ends_at_the_newest_picture(window: float, total: int) -> None:
    """Whatever is no window at all is the newest picture alone."""
    counter = PeopleCounter()
    for stamp, track in ((0.0, '1'), (18.0, '2'), (20.0, '3')):
        counter.add([face(track)], stamp)
    assert counter.count(window).women == total


def test_newest_picture_without_faces_moves_the_window() -> None:
    """Who has gone is not there any more, though nobody came instead."""
    counter = PeopleCounter()
    counter.add([face('1')], 0.0)
    counter.add([], 5.0)
    assert counter.count(4.0) == PeopleCount(0, 0, 0)
    assert counter.count(5.0) == PeopleCount(1, 0, 0)


def test_memory_is_bounded_in_time_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that runs for days does not remember everybody it ever saw."""
    counter = PeopleCounter()
    counter.add([face('1')], 0.0)
    counter.add([face('2')], people.KEPT_SECONDS + 1)
    assert counter.count(math.inf) == PeopleCount(1, 0, 0)
    monkeypatch.setattr(people, 'KEPT_PEOPLE', 3)
    for number in range(10):
        counter.add([face(f'new {number}')], people.KEPT_SECONDS + 2)
    assert counter.count(math.inf) == PeopleCount(3, 0, 0)


def test_who_is_forgotten_is_not_counted() -> None:
    """After that an earlier time is as good as any."""
    counter = PeopleCounter()
    counter.add([face('1')], 100.0)
    counter.forget()
    assert counter.count(math.inf) == PeopleCount(0, 0, 0)
    counter.add([face('2')], 5.0)
    assert counter.count(1.0) == PeopleCount(1, 0, 0)
