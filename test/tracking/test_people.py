"""Each person is counted once, by their last certain label, within a time window."""

import math
from typing import Any

import pytest
from tracking.people_seen import face, GENDERS

from face_classification_ros.tracking import people
from face_classification_ros.tracking.people import PeopleCount, PeopleCounter
from face_classification_ros.types import Face


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
    monkeypatch.setattr(people, 'MAX_TRACKS', 3)
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


# People who come back


def show(counter: PeopleCounter, start: float, *faces: Face, images: int = 10) -> None:
    """Add images of these faces at 10 Hz."""
    for number in range(images):
        counter.add(faces, start + number / 10)


def returning(track_id: str, **changes: Any) -> Face:
    """Return a face with a known appearance."""
    return face(track_id, **{'color': 0.5, **changes})


def test_person_who_comes_back_is_counted_once() -> None:
    """Also after several absences, by the last certain label, as soon as they are recognized."""
    counter = PeopleCounter(min_frames=3, min_duration=0.3, return_time=60.0)
    for number in range(4):
        show(counter, 50.0 * number, returning(str(number)))
    assert count(counter, math.inf) == (1, 0, 0)
    show(counter, 200.0, returning('uncertain', woman=0.5), images=1)
    assert count(counter, 0.0) == (1, 0, 0)
    show(counter, 200.1, returning('uncertain', woman=0.1), images=1)
    assert count(counter, math.inf) == (0, 1, 0)


@pytest.mark.parametrize(
    'start, changes',
    [
        (20.0, {'color': 0.9}),
        (20.0, {'color': None}),
        (20.0, {'x': 150.0}),
        (20.0, {'size': 100.0}),
        (62.0, {}),
    ],
    ids=['other appearance', 'unknown appearance', 'other place', 'other size', 'too late'],
)
def test_somebody_else_counts(start: float, changes: dict[str, float | None]) -> None:
    """Whoever differs in appearance, place or size is another person, as after a minute."""
    counter = PeopleCounter(return_time=60.0)
    show(counter, 0.0, returning('1'))
    show(counter, start, returning('2', **changes))
    assert count(counter, math.inf) == (2, 0, 0)


def test_every_track_counts_without_a_time_to_return() -> None:
    """A time of 0 recognizes nobody."""
    counter = PeopleCounter()
    show(counter, 0.0, returning('1'))
    show(counter, 2.0, returning('2'))
    assert count(counter, math.inf) == (2, 0, 0)


def test_people_of_one_image_are_different() -> None:
    """Of two people of the same appearance, only one can be the person who left."""
    counter = PeopleCounter(return_time=60.0)
    show(counter, 0.0, returning('1'))
    show(counter, 20.0, returning('2'), returning('3', x=40.0))
    assert count(counter, math.inf) == (2, 0, 0)
    show(counter, 40.0, returning('4'), returning('5', x=40.0))
    assert count(counter, math.inf) == (2, 0, 0)


@pytest.mark.parametrize('images', [5, 30])
def test_person_was_not_away(images: int) -> None:
    """Who was taken for a person counts when that person's own track goes on."""
    counter = PeopleCounter(return_time=60.0)
    show(counter, 0.0, returning('1'))
    show(counter, 2.0, returning('2'), images=images)
    assert count(counter, math.inf) == (1, 0, 0)
    show(counter, 5.0, returning('1'), returning('2'), images=1)
    assert count(counter, math.inf) == (2, 0, 0)
    show(counter, 5.1, returning('2'), images=1)
    assert count(counter, math.inf) == (2, 0, 0)


def test_appearance_of_the_first_second_decides() -> None:
    """Only hair may be visible of a person who enters; later changes are those of light."""
    counter = PeopleCounter(return_time=60.0)
    show(counter, 0.0, returning('1'))
    show(counter, 20.0, returning('2'), images=2)
    assert count(counter, math.inf) == (1, 0, 0)
    show(counter, 20.2, returning('2', color=0.9))
    assert count(counter, math.inf) == (2, 0, 0)
    show(counter, 22.0, returning('2'))
    assert count(counter, math.inf) == (2, 0, 0)


def test_flashes_at_one_place_do_not_add_up_to_a_person() -> None:
    """A lamp that is taken for a face again and again never counts."""
    counter = PeopleCounter(min_frames=3, min_duration=0.3, return_time=60.0)
    for number in range(20):
        show(counter, 2.0 * number, returning(str(number)), images=2)
    assert count(counter, math.inf) == (0, 0, 0)


def test_best_match_is_recognized() -> None:
    """Two people who left next to each other come back one after the other."""
    counter = PeopleCounter(return_time=60.0)
    show(counter, 0.0, returning('1', woman=0.9), returning('2', woman=0.1, x=40.0, color=0.6))
    show(counter, 10.0, returning('3', woman=None, x=20.0, color=0.61))
    assert count(counter, 5.0) == (0, 1, 0)
    show(counter, 20.0, returning('4', woman=None, x=20.0, color=0.49))
    assert count(counter, 5.0) == (1, 0, 0)
    assert count(counter, math.inf) == (1, 1, 0)


def test_comparisons_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the most recent tracks are compared, since many may have ended within a minute."""
    monkeypatch.setattr(people, 'MAX_COMPARED', 2)
    counter = PeopleCounter(return_time=60.0)
    show(counter, 0.0, returning('1'))
    for number in range(2):
        show(counter, 2.0 + number, returning(f'passing {number}', x=500.0, color=number))
    show(counter, 10.0, returning('2'))
    assert count(counter, math.inf) == (4, 0, 0)
