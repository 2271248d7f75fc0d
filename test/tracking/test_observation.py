"""One person, or all, watched until enough was seen; the answer is the mean of all pictures."""

from dataclasses import replace
import math

import numpy as np
import pytest
from tracking.people_seen import face, gender

from face_classification_ros.tracking.attribute_mean import AttributeMean
from face_classification_ros.tracking.observation import Ending, Observation, Outcome
from face_classification_ros.types import AttributeEstimate

THRESHOLDS = {'gender': 0.7, 'emotion': 0.5}


def observation(whom: str = '', *, frames: int = 0, duration: float = 0.0) -> Observation:
    """Make an observation whose people leave after one second."""
    return Observation(
        whom,
        frames=frames,
        duration=duration,
        track_timeout=1.0,
        thresholds=THRESHOLDS,
    )


def outcome(ending: Ending | None) -> Outcome | None:
    """Give the outcome, None where it goes on."""
    return ending.outcome if ending else None


# The aggregate


def test_every_picture_counts_the_same() -> None:
    """The mean is that of the pictures, not of what was smoothed along the track."""
    aggregate = AttributeMean(THRESHOLDS)
    for woman in (0.95, 0.85, 0.6):
        seen = face('1', woman)
        assert seen.gender is not None
        smoothed = np.array([0.0, 1.0], np.float32)
        aggregate.add(replace(seen, gender=replace(seen.gender, probabilities=smoothed)))
    estimate = aggregate.face.gender
    assert estimate is not None
    assert estimate.probabilities == pytest.approx([0.8, 0.2], abs=1e-6)
    assert estimate.frame_probabilities == pytest.approx([0.6, 0.4])
    assert (estimate.frame_count, estimate.label) == (3, 'woman')


def test_aggregate_below_the_threshold_is_unknown() -> None:
    """Certain pictures that contradict each other make nothing certain."""
    aggregate = AttributeMean(THRESHOLDS)
    for woman in (0.95, 0.05):
        aggregate.add(face('1', woman))
    assert aggregate.face.gender is not None
    assert aggregate.face.gender.label == 'unknown'


def test_attribute_that_is_off_is_none() -> None:
    """Pictures are counted all the same."""
    aggregate = AttributeMean(THRESHOLDS)
    aggregate.add(face('1', None))
    assert (aggregate.face.gender, aggregate.pictures) == (None, 1)


def test_other_labels_start_the_mean_anew() -> None:
    """Another model was loaded meanwhile: its answers do not mix with those before."""
    aggregate = AttributeMean(THRESHOLDS)
    aggregate.add(face('1', 0.9))
    other = AttributeEstimate(('man', 'woman'), *(np.array([0.8, 0.2], np.float32),) * 2, 1, 0.7)
    aggregate.add(replace(face('1'), gender=other))
    estimate = aggregate.face.gender
    assert estimate is not None
    assert (estimate.label, estimate.frame_count) == ('man', 1)


# Whom


def test_largest_face_of_the_first_picture_is_followed() -> None:
    """Who comes nearer later is another person."""
    watch = observation(frames=3)
    assert watch.add([], 0.0) is None
    assert watch.add([face('1', size=40), face('2', size=60)], 0.1) is None
    assert watch.add([face('1', size=90), face('2', size=60)], 0.2) is None
    ending = watch.add([face('2'), face('1')], 0.3)
    assert outcome(ending) is Outcome.COMPLETED
    assert [each.track_id for each in watch.faces] == ['2']
    assert watch.frames == 3
    assert watch.is_watched('2')
    assert not watch.is_watched('1')


def test_picture_that_comes_twice_counts_once() -> None:
    """A camera that repeats itself does not make up for pictures that are still wanted."""
    watch = observation(frames=2)
    assert watch.add([face('1')], 0.0) is None
    assert watch.add([face('1')], 0.0) is None
    assert watch.frames == 1
    assert outcome(watch.add([face('1')], 0.1)) is Outcome.COMPLETED


def test_nearest_is_the_one_at_the_smallest_distance() -> None:
    """A small face may be nearer than a large one; a face without a position is not nearest."""
    watch = observation('nearest', frames=1)
    faces = [
        face('1', size=90, position=(0.0, 0.0, 2.0)),
        face('2', size=50, position=(0.3, 0.0, 1.0)),
        face('3', size=99),
    ]
    ending = watch.add(faces, 0.0)
    assert [each.track_id for each in watch.faces] == ['2']
    assert ending is not None
    assert 'largest' not in ending.reason


def test_nearest_without_positions_is_the_largest_and_says_so() -> None:
    """A camera without depth still gets an answer."""
    watch = observation('nearest', frames=1)
    ending = watch.add([face('1', size=40), face('2', size=60)], 0.0)
    assert [each.track_id for each in watch.faces] == ['2']
    assert ending is not None
    assert 'no face had a position, so the largest was watched' in ending.reason


def test_one_track_is_watched_by_its_id() -> None:
    """It may be out of sight at first."""
    watch = observation('7', frames=2)
    assert watch.add([face('1', size=90)], 0.0) is None
    assert watch.add([face('1', size=90), face('7')], 0.9) is None
    assert outcome(watch.add([face('7')], 1.0)) is Outcome.COMPLETED
    assert [each.track_id for each in watch.faces] == ['7']


def test_of_all_each_present_face_is_seen_often_enough() -> None:
    """Who has left holds up nobody, and is told with what was seen."""
    watch = observation('all', frames=3)
    assert watch.add([face('1'), face('2', size=60)], 0.0) is None
    assert watch.frames == 1
    assert watch.add([face('1')], 0.5) is None
    assert watch.add([face('1')], 1.0) is None
    assert outcome(watch.add([face('1')], 1.5)) is Outcome.COMPLETED
    assert [(each.track_id, each.gender.frame_count) for each in watch.faces if each.gender] == [
        ('2', 1),
        ('1', 4),
    ]


# How it ends


def test_time_is_that_of_the_stamps() -> None:
    """It begins with the first picture, whether somebody is seen or not."""
    watch = observation(duration=2.0)
    assert watch.add([], 100.0) is None
    assert watch.add([face('1')], 101.9) is None
    ending = watch.add([face('1')], 102.0)
    assert outcome(ending) is Outcome.COMPLETED
    assert watch.frames == 2


def test_nobody_was_seen() -> None:
    """The time is over, and there is no face to tell of."""
    watch = observation(duration=1.0)
    watch.add([], 0.0)
    assert outcome(watch.add([], 1.0)) is Outcome.NO_FACE
    assert watch.faces == []
    assert watch.frames == 0


def test_person_who_leaves_ends_it_with_what_was_seen() -> None:
    """A missed picture is none; the time-out of tracks decides."""
    watch = observation(frames=9)
    watch.add([face('1')], 0.0)
    assert watch.add([face('2')], 1.0) is None
    ending = watch.add([face('2')], 1.1)
    assert outcome(ending) is Outcome.LOST
    assert [each.track_id for each in watch.faces] == ['1']


@pytest.mark.parametrize('duration', [0.5, 30.0])
def test_track_that_is_not_there_is_told(duration: float) -> None:
    """Whichever is over first, the time-out of tracks or the time."""
    watch = observation('7', duration=duration)
    watch.add([face('1')], 0.0)
    ending = watch.add([face('1')], 1.1)
    assert ending == Ending(Outcome.LOST, 'there is no track 7')


def test_all_end_when_everybody_left_unless_there_is_time() -> None:
    """Within a given time somebody else may come."""
    watch = observation('all', frames=9)
    watch.add([], 0.0)
    assert watch.add([], 5.0) is None
    watch.add([face('1')], 5.1)
    assert outcome(watch.add([], 6.2)) is Outcome.LOST
    watch = observation('all', frames=9, duration=10.0)
    watch.add([face('1')], 0.0)
    assert watch.add([], 5.0) is None
    assert outcome(watch.add([face('2')], 10.0)) is Outcome.COMPLETED
    assert {each.track_id for each in watch.faces} == {'1', '2'}


@pytest.mark.parametrize(
    'seen, expected', [([], Outcome.NO_FACE), ([face('1')], Outcome.COMPLETED)]
)
def test_time_can_be_over_without_another_picture(seen: list, expected: Outcome) -> None:
    """The pictures stopped coming; what was seen counts."""
    watch = observation(duration=5.0)
    watch.add(seen, 0.0)
    assert watch.time_over().outcome is expected


@pytest.mark.parametrize('duration', [math.nan, math.inf, -1.0, 0.0])
def test_goal_without_an_end_is_refused(duration: float) -> None:
    """One of the two limits is needed, and a time has to be one."""
    with pytest.raises(ValueError, match='duration'):
        observation(duration=duration)


def test_estimates_of_the_faces_are_left_as_they_are() -> None:
    """Others tell of the same faces."""
    seen = face('1', 0.9)
    watch = observation(frames=5)
    watch.add([seen], 0.0)
    watch.add([face('1', 0.1)], 0.1)
    assert seen.gender is not None
    assert seen.gender.probabilities == pytest.approx(gender(0.9).probabilities)
