"""One person, or everybody, is observed until there are enough images; the result is the mean."""

from dataclasses import replace
import math

import numpy as np
import pytest
from tracking.people_seen import face, gender

from face_classification_ros.tracking.attribute_mean import AttributeMean
from face_classification_ros.tracking.observation import Ending, Observation, Outcome
from face_classification_ros.types import AttributeEstimate


def observation(target: str = '', *, frames: int = 0, duration: float = 0.0) -> Observation:
    """Return an observation with a track timeout of one second."""
    return Observation(target, frames=frames, duration=duration, track_timeout=1.0)


def outcome(ending: Ending | None) -> Outcome | None:
    """Return the outcome, None while the observation continues."""
    return ending.outcome if ending else None


# Mean of the estimates


def test_all_images_have_the_same_weight() -> None:
    """The mean is that of the images, not of the filtered distributions of the track."""
    mean = AttributeMean()
    for woman in (0.95, 0.85, 0.6):
        seen = face('1', woman)
        filtered = np.array([0.0, 1.0], np.float32)
        estimate = replace(seen.attributes['gender'], probabilities=filtered)
        mean.add(replace(seen, attributes={'gender': estimate}))
    estimate = mean.face.attributes['gender']
    assert estimate.probabilities == pytest.approx([0.8, 0.2], abs=1e-6)
    assert estimate.frame_probabilities == pytest.approx([0.6, 0.4])
    assert (estimate.frame_count, estimate.label) == (3, 'woman')


def test_mean_below_the_threshold_is_unknown() -> None:
    """Certain images that contradict each other make an uncertain mean."""
    mean = AttributeMean()
    for woman in (0.95, 0.05):
        mean.add(face('1', woman))
    assert mean.face.attributes['gender'].label == 'unknown'


def test_attribute_that_is_off_is_absent() -> None:
    """Images still count."""
    mean = AttributeMean()
    mean.add(face('1', None))
    assert (mean.face.attributes, mean.frame_count) == ({}, 1)


def test_other_labels_start_the_mean_again() -> None:
    """After a change of models, their predictions do not mix with earlier ones."""
    mean = AttributeMean()
    mean.add(face('1', 0.9))
    other = AttributeEstimate(('man', 'woman'), *(np.array([0.8, 0.2], np.float32),) * 2, 1, 0.7)
    mean.add(replace(face('1'), attributes={'gender': other}))
    estimate = mean.face.attributes['gender']
    assert (estimate.label, estimate.frame_count) == ('man', 1)


# Target


def test_largest_face_of_the_first_image_is_observed() -> None:
    """A face that becomes larger later is another person."""
    watch = observation(frames=3)
    assert watch.add([], 0.0) is None
    assert watch.add([face('1', size=40), face('2', size=60)], 0.1) is None
    assert watch.add([face('1', size=90), face('2', size=60)], 0.2) is None
    ending = watch.add([face('2'), face('1')], 0.3)
    assert outcome(ending) is Outcome.COMPLETED
    assert [each.track_id for each in watch.faces] == ['2']
    assert watch.frames == 3
    assert watch.is_observed('2')
    assert not watch.is_observed('1')


def test_repeated_image_counts_once() -> None:
    """A camera that repeats an image does not replace those that are still missing."""
    watch = observation(frames=2)
    assert watch.add([face('1')], 0.0) is None
    assert watch.add([face('1')], 0.0) is None
    assert watch.frames == 1
    assert outcome(watch.add([face('1')], 0.1)) is Outcome.COMPLETED


def test_nearest_is_the_one_at_the_smallest_distance() -> None:
    """A small face may be nearer than a large one, and only one with a position can be."""
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


def test_nearest_without_positions_is_the_largest() -> None:
    """A camera without depth still gets a result, whose reason says so."""
    watch = observation('nearest', frames=1)
    ending = watch.add([face('1', size=40), face('2', size=60)], 0.0)
    assert [each.track_id for each in watch.faces] == ['2']
    assert ending is not None
    assert 'no face had a position' in ending.reason


def test_looking_is_the_largest_that_looks_at_the_camera() -> None:
    """It is waited for, and observed from then on, also when it looks away."""
    watch = observation('looking', frames=2)
    assert watch.add([face('1', size=90, looking=0.4)], 0.0) is None
    assert watch.faces == []
    looking = [face('2', size=40, looking=0.9), face('3', looking=0.6)]
    assert watch.add([face('1', size=90), *looking], 0.1) is None
    ending = watch.add([face('1', size=90, looking=1.0), face('3', looking=0.1)], 0.2)
    assert outcome(ending) is Outcome.COMPLETED
    assert [each.track_id for each in watch.faces] == ['3']


def test_nobody_who_looks_at_the_camera_is_nobody() -> None:
    """Time is up although faces were seen."""
    watch = observation('looking', duration=1.0)
    assert watch.add([face('1', looking=0.2), face('2')], 0.0) is None
    ending = watch.add([face('1', looking=0.2)], 1.0)
    assert ending is not None and ending.outcome is Outcome.NO_FACE
    assert 'orientation' not in ending.reason
    assert watch.faces == []


def test_faces_without_an_orientation_may_have_looked() -> None:
    """The reason says that it is not known; without faces nobody looked."""
    watch = observation('looking', duration=1.0)
    assert watch.add([face('1')], 0.0) is None
    ending = watch.add([], 1.0)
    assert ending is not None and ending.outcome is Outcome.NO_FACE
    assert 'orientation' in ending.reason
    watch = observation('looking', duration=1.0)
    assert watch.add([], 0.0) is None
    ending = watch.add([], 1.0)
    assert ending is not None and 'orientation' not in ending.reason


def test_track_is_observed_by_its_id() -> None:
    """It may be out of view at first."""
    watch = observation('7', frames=2)
    assert watch.add([face('1', size=90)], 0.0) is None
    assert watch.add([face('1', size=90), face('7')], 0.9) is None
    assert outcome(watch.add([face('7')], 1.0)) is Outcome.COMPLETED
    assert [each.track_id for each in watch.faces] == ['7']


def test_all_waits_for_every_face_that_is_present() -> None:
    """A person who left does not block the others, and is part of the result."""
    watch = observation('all', frames=3)
    assert watch.add([face('1'), face('2', size=60)], 0.0) is None
    assert watch.frames == 1
    assert watch.add([face('1')], 0.5) is None
    assert watch.add([face('1')], 1.0) is None
    assert outcome(watch.add([face('1')], 1.5)) is Outcome.COMPLETED
    assert [(each.track_id, each.attributes['gender'].frame_count) for each in watch.faces] == [
        ('2', 1),
        ('1', 4),
    ]


# End


def test_duration_is_measured_by_the_stamps() -> None:
    """It starts with the first image, with or without a face."""
    watch = observation(duration=2.0)
    assert watch.add([], 100.0) is None
    assert watch.add([face('1')], 101.9) is None
    ending = watch.add([face('1')], 102.0)
    assert outcome(ending) is Outcome.COMPLETED
    assert watch.frames == 2


def test_time_over_without_a_face() -> None:
    """The outcome says so, and there are no faces."""
    watch = observation(duration=1.0)
    watch.add([], 0.0)
    assert outcome(watch.add([], 1.0)) is Outcome.NO_FACE
    assert watch.faces == []
    assert watch.frames == 0


def test_person_who_leaves_ends_it() -> None:
    """One image without the person does not; the timeout of tracks decides."""
    watch = observation(frames=9)
    watch.add([face('1')], 0.0)
    assert watch.add([face('2')], 1.0) is None
    ending = watch.add([face('2')], 1.1)
    assert outcome(ending) is Outcome.LOST
    assert [each.track_id for each in watch.faces] == ['1']


@pytest.mark.parametrize('duration', [0.5, 30.0])
def test_unknown_track_is_lost(duration: float) -> None:
    """After the timeout of tracks or the duration, whichever is shorter; others are named."""
    watch = observation('7', duration=duration)
    watch.add([face('10'), face('9')], 0.0)
    ending = watch.add([face('10'), face('9')], 1.1)
    assert ending == Ending(
        Outcome.LOST, "there is no track '7'; those in the newest image: 9, 10"
    )


def test_unknown_track_in_an_empty_room_is_lost() -> None:
    """Nobody could be meant."""
    watch = observation('7', duration=1.0)
    watch.add([], 0.0)
    ending = watch.add([], 1.1)
    assert ending == Ending(Outcome.LOST, "there is no track '7'; those in the newest image: none")


@pytest.mark.parametrize('target', ['7\n[FATAL] 8', '7\r8', '7' * 10_000])
def test_reason_is_one_short_line_for_any_track(target: str) -> None:
    """A client may send any text, and programs log the reason."""
    watch = observation(target, duration=1.0)
    watch.add([face(str(number)) for number in range(1000)], 0.0)
    ending = watch.time_over()
    assert ending.outcome is Outcome.LOST
    assert len(ending.reason.splitlines()) == 1
    assert len(ending.reason) < 200


def test_all_ends_when_everybody_left_unless_there_is_a_duration() -> None:
    """Within a given duration somebody else may come."""
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
def test_time_can_be_over_without_another_image(seen: list, expected: Outcome) -> None:
    """Images stopped coming; the earlier ones count."""
    watch = observation(duration=5.0)
    watch.add(seen, 0.0)
    assert watch.time_over().outcome is expected


@pytest.mark.parametrize('duration', [math.nan, math.inf, -1.0, 0.0])
def test_goal_without_a_limit_is_rejected(duration: float) -> None:
    """One of the two limits is required, and a duration must be finite."""
    with pytest.raises(ValueError, match='duration'):
        observation(duration=duration)


def test_estimates_of_the_faces_are_not_changed() -> None:
    """Other outputs share the same faces."""
    seen = face('1', 0.9)
    watch = observation(frames=5)
    watch.add([seen], 0.0)
    watch.add([face('1', 0.1)], 0.1)
    assert seen.attributes['gender'].probabilities == pytest.approx(gender(0.9).probabilities)
