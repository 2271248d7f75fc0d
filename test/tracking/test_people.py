"""Each person is counted once, by their last certain label, within a time window."""

import math

import pytest
from tracking.people_seen import face, GENDERS

from face_classification_ros.tracking import people
from face_classification_ros.tracking.people import PeopleCount, PeopleCounter


def count(counter: PeopleCounter, window: float) -> tuple[int, int, int]:
    """Return the numbers of women, men and unknown people."""
    result = counter.count(window, 'gender', GENDERS)
    return result.counts['woman'], result.counts['man'], result.unknown


def test_each_track_is_one_person() -> None:
    """The count does not grow with the number of images."""
    counter = PeopleCounter()
    for stamp in range(5):
        counter.add([face('1', 0.9), face('2', 0.1)], stamp)
    assert counter.count(10, 'gender', GENDERS) == PeopleCount({'woman': 1, 'man': 1}, 0)


def test_short_tracks_do_not_count() -> None:
    """Neither those of few images nor those of a short time, as of false detections."""
    counter = PeopleCounter(min_frames=3, min_duration=0.5)
    for number in range(10):
        faces = [face('long', 0.9)]
        faces += [face('few', 0.9)] if number in (0, 9) else []
        faces += [face('brief', 0.9)] if 4 <= number <= 7 else []
        counter.add(faces, number / 10)
    assert count(counter, 10) == (1, 0, 0)
    counter.min_frames, counter.min_duration = 1, 0.0
    assert count(counter, 10) == (3, 0, 0)


def test_last_certain_label_counts() -> None:
    """An uncertain image changes nothing; another certain one does."""
    counter = PeopleCounter()
    for stamp, woman in enumerate((0.6, 0.9, 0.5)):
        counter.add([face('1', woman)], stamp)
    assert count(counter, 10) == (1, 0, 0)
    counter.add([face('1', 0.1)], 3)
    assert count(counter, 10) == (0, 1, 0)


@pytest.mark.parametrize('woman', [0.6, None])
def test_person_without_certain_label_is_unknown(woman: float | None) -> None:
    """Below the threshold, and with the attribute switched off, a person still counts."""
    counter = PeopleCounter()
    counter.add([face('1', woman)], 0)
    assert count(counter, 10) == (0, 0, 1)
    assert counter.count(10, 'gender', GENDERS).total == 1


def test_other_attribute_is_unknown() -> None:
    """Labels belong to their attribute."""
    counter = PeopleCounter()
    counter.add([face('1', 0.9)], 0)
    assert counter.count(10, 'headwear', ('none', 'hat')) == PeopleCount({'none': 0, 'hat': 0}, 1)


@pytest.mark.parametrize(
    'window, total', [(2.0, 2), (1.9, 1), (100.0, 3), (math.inf, 3), (0.0, 1)]
)
def test_window_ends_with_the_newest_image(window: float, total: int) -> None:
    """A window of 0 is the newest image alone."""
    counter = PeopleCounter()
    for stamp, track in ((0.0, '1'), (18.0, '2'), (20.0, '3')):
        counter.add([face(track)], stamp)
    assert count(counter, window) == (total, 0, 0)


def test_newest_image_without_faces_moves_the_window() -> None:
    """People who left are not counted as present if nobody came after them."""
    counter = PeopleCounter()
    counter.add([face('1')], 0.0)
    counter.add([], 5.0)
    assert count(counter, 4.0) == (0, 0, 0)
    assert count(counter, 5.0) == (1, 0, 0)


def test_memory_is_bounded_in_time_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that runs for days does not remember all people."""
    counter = PeopleCounter()
    counter.add([face('1')], 0.0)
    counter.add([face('2')], people.MAX_SECONDS + 1)
    assert count(counter, math.inf) == (1, 0, 0)
    monkeypatch.setattr(people, 'MAX_PEOPLE', 3)
    for number in range(10):
        counter.add([face(f'new {number}')], people.MAX_SECONDS + 2)
    assert count(counter, math.inf) == (3, 0, 0)


def test_reset_forgets_everybody_and_the_time() -> None:
    """After a reset, the stamps may be earlier than before."""
    counter = PeopleCounter()
    counter.add([face('1')], 100.0)
    counter.reset()
    assert count(counter, math.inf) == (0, 0, 0)
    counter.add([face('2')], 5.0)
    assert count(counter, 1.0) == (1, 0, 0)
