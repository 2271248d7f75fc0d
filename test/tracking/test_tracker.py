"""Faces keep their ids from image to image, and their attributes are averaged."""

from collections.abc import Callable
import math

import numpy as np
from numpy.typing import NDArray
import pytest

from face_classification_ros.tracking.tracker import Tracker
from face_classification_ros.types import BoundingBox, Detection

WOMAN = np.array([0.9, 0.1], np.float32)
MAN = np.array([0.2, 0.8], np.float32)
SAD = np.array([0, 0, 1], np.float32)


def face(x: float, y: float = 100, side: float = 50) -> Detection:
    """Return a detection with its center at x, y."""
    return Detection(BoundingBox(x - side / 2, y - side / 2, side, side), 0.9)


def ids(tracker: Tracker, stamp: float, *faces: Detection) -> list[str]:
    """Return the ids of the faces in an image."""
    return [track.id for track in tracker.update(faces, stamp).tracks]


def test_moving_face_keeps_its_id() -> None:
    """A face that moves across the image in steps of half its width is one track."""
    tracker = Tracker(timeout=1)
    found = [ids(tracker, i / 10, face(50 + 25 * i, 100 + 5 * i, 50 + 2 * i)) for i in range(20)]
    assert {name for names in found for name in names} == {found[0][0]}


def test_order_of_detections_does_not_matter() -> None:
    """Tracks are returned in the order of the detections."""
    tracker = Tracker(timeout=1)
    left, right = ids(tracker, 0, face(100), face(300))
    assert left != right
    assert ids(tracker, 0.1, face(305), face(105)) == [right, left]


def test_two_people_side_by_side_keep_their_ids() -> None:
    """Of two faces close to each other, each is assigned to the nearer track."""
    tracker = Tracker(timeout=1)
    first = ids(tracker, 0, face(100), face(160))
    for i in range(1, 10):
        assert ids(tracker, i / 10, face(100 + 10 * i), face(160 + 10 * i)) == first


def test_people_who_cross_at_a_distance_keep_their_ids() -> None:
    """One passes behind the other: the farther face is smaller and higher in the image."""
    tracker = Tracker(timeout=1)
    first = ids(tracker, 0, face(100, 120, 80), face(300, 80, 40))
    for i in range(1, 21):
        near, far = face(100 + 10 * i, 120, 80), face(300 - 10 * i, 80, 40)
        assert ids(tracker, i / 10, near, far) == first


@pytest.mark.parametrize('rate', [30, 10, 5])
def test_people_who_cross_keep_their_ids(rate: int) -> None:
    """One passes in front of the other, who is not found meanwhile; both keep their motion."""
    tracker = Tracker(timeout=1)
    first = ids(tracker, 0, face(100), face(300))
    for i in range(1, 2 * rate + 1):
        x = 100 * i / rate
        near, far = face(100 + x), face(300 - x)
        if abs(200 - 2 * x) < 35:
            assert ids(tracker, i / rate, near) == [first[0]]
        else:
            assert ids(tracker, i / rate, near, far) == first


@pytest.mark.parametrize('rate', [30, 10, 5])
def test_people_who_move_together_keep_their_ids(rate: int) -> None:
    """A rotating camera moves all faces most of the way to their neighbors, from the start."""
    tracker = Tracker(timeout=1)
    first = ids(tracker, 0, face(100), face(160), face(220))
    step = 34
    for i in range(1, 8):
        translated = (face(x + step * i) for x in (100, 160, 220))
        assert ids(tracker, i / rate, *translated) == first


def test_fast_person_at_10_hz_keeps_the_id() -> None:
    """A person who passes nearby moves by almost a face's width from image to image."""
    tracker = Tracker(timeout=1)
    found = [ids(tracker, i / 10, face(50 + 45 * i)) for i in range(10)]
    assert all(names == found[0] for names in found)


def test_face_that_may_belong_to_two_people_is_ambiguous() -> None:
    """If one of two people is hidden and the face fits both, it updates no average."""
    tracker = Tracker(timeout=1)
    for i in range(3):
        left, right = tracker.update([face(100), face(135)], i / 10).tracks
        assert not left.is_ambiguous and not right.is_ambiguous
    (seen,) = tracker.update([face(118)], 0.3).tracks
    assert seen.is_ambiguous
    (seen,) = tracker.update([face(118)], 1.5).tracks
    assert not seen.is_ambiguous


def test_people_who_cannot_be_distinguished_get_new_ids() -> None:
    """Two people separate after one was hidden and could be either: no label is passed on."""
    tracker = Tracker(timeout=1)
    for i in range(3):
        first = ids(tracker, i / 10, face(100), face(130))
    ids(tracker, 0.3, face(115))
    # One above and one below, both equally far from either track.
    after = ids(tracker, 0.4, face(120, 80), face(120, 120))
    assert not set(after) & set(first)
    # From then on they are tracked as usual.
    assert ids(tracker, 0.5, face(120, 75), face(120, 125)) == after


@pytest.mark.parametrize('rate', [30, 10, 5])
def test_id_of_an_occluded_face_is_not_passed_on(rate: int) -> None:
    """A person goes behind another one and stays there; a third one appears next to them."""
    tracker = Tracker(timeout=1)
    near = face(300, side=100)
    for i in range(rate):
        first = ids(tracker, i / rate, near, face(130 + 90 * i / rate, side=60))
    assert ids(tracker, 1.2, near) == [first[0]]
    found = [
        ids(tracker, 1.4 + i / rate, near, face(215 - 60 * i / rate, 130, side=60))
        for i in range(rate)
    ]
    assert {names[0] for names in found} == {first[0]}
    assert {names[1] for names in found} == {found[0][1]} != {first[1]}


def appearance(*colors: float) -> Callable[[], NDArray[np.float32]]:
    """Return a function that computes the appearance of people in one color each."""
    people = [np.tile(np.array([0, 0, each], np.float32), (48, 1)) for each in colors]
    return lambda: np.array(people, np.float32).reshape(-1, 48, 3)


@pytest.mark.parametrize(
    'near_color, color, keeps',
    [(0.0, 1.0, True), (0.0, 0.0, False), (1.0, 1.0, False), (0.0, 0.5, False)],
    ids=['same person', 'other person', 'both look the same', 'somebody between'],
)
def test_occluded_face_keeps_its_id_if_the_appearance_is_distinctive(
    near_color: float, color: float, keeps: bool
) -> None:
    """A person who appears at an unexpected place must look as before, and unlike the other."""
    tracker = Tracker(timeout=1)
    near = face(300, side=100)
    for i in range(10):
        both = [near, face(130 + 9 * i, side=60)]
        first = [t.id for t in tracker.update(both, i / 10, appearance(near_color, 1.0)).tracks]
    tracker.update([near], 1.2, appearance(near_color))
    tracker.update([], 1.3, appearance())
    after = tracker.update(
        [near, face(215, 130, side=60)], 1.4, appearance(near_color, color)
    ).tracks
    assert after[0].id == first[0]
    assert (after[1].id == first[1]) is keeps


@pytest.mark.parametrize('color, are_recognized', [(1.0, True), (0.05, False)])
def test_people_who_separate_are_recognized_by_appearance(
    color: float, are_recognized: bool
) -> None:
    """If the places are ambiguous, they keep their ids only if they look different."""
    tracker = Tracker(timeout=1)
    for i in range(3):
        both = tracker.update([face(100), face(130)], i / 10, appearance(0.0, color)).tracks
        first = [track.id for track in both]
    tracker.update([face(115)], 0.3, appearance(0.0))
    apart = [face(120, 80), face(120, 120)]
    after = [track.id for track in tracker.update(apart, 0.4, appearance(color, 0.0)).tracks]
    assert (after == first[::-1]) is are_recognized
    assert not are_recognized or set(after) == set(first)


def test_appearance_does_not_move_an_id_to_an_impossible_place() -> None:
    """A face far away that looks the same is another person."""
    tracker = Tracker(timeout=9)
    (first, other) = tracker.update([face(100), face(300)], 0, appearance(0.0, 1.0)).tracks
    (far, again) = tracker.update([face(500), face(300)], 0.1, appearance(0.0, 1.0)).tracks
    assert again.id == other.id
    assert far.id not in (first.id, other.id)


def test_new_face_gets_a_new_id() -> None:
    """A face far away, or of a very different size, is another person."""
    tracker = Tracker(timeout=10)
    (first,) = ids(tracker, 0, face(100))
    (far,) = ids(tracker, 0.1, face(400))
    (larger,) = ids(tracker, 0.2, face(100, side=200))
    assert len({first, far, larger}) == 3


def test_face_that_hides_for_less_than_the_timeout_keeps_its_id() -> None:
    """Images without the face do not end its track immediately."""
    tracker = Tracker(timeout=1)
    first = ids(tracker, 0, face(100))
    assert ids(tracker, 0.5) == []
    assert ids(tracker, 1.0, face(100)) == first


def test_face_that_hides_longer_than_the_timeout_is_new() -> None:
    """The timeout starts at the last image with the face."""
    tracker = Tracker(timeout=1)
    first = ids(tracker, 0, face(100))
    assert ids(tracker, 1.01, face(100)) != first


def test_time_that_jumps_back_resets_tracks() -> None:
    """A recording that starts again has new tracks, and no id is reused."""
    tracker = Tracker(timeout=1)
    seen = set(ids(tracker, 100, face(100), face(300)))
    again = ids(tracker, 50, face(100), face(300))
    assert len(seen | set(again)) == 4
    (track,) = tracker.update([face(100)], 50.1).tracks
    assert (track.id, track.first_seen, track.last_seen) == (again[0], 50, 50.1)


def test_stamps_that_are_a_little_out_of_order_do_not_end_tracks() -> None:
    """A driver may swap two images; a jump of one second is a reset."""
    tracker = Tracker(timeout=1)
    (first,) = ids(tracker, 10.0, face(100))
    assert ids(tracker, 9.95, face(101)) == [first]
    assert ids(tracker, 10.03, face(102)) == [first]
    assert not tracker.update([face(102)], 10.03).was_reset
    assert tracker.update([face(102)], 9.0).was_reset
    assert ids(tracker, 9.1, face(102)) != [first]


def test_repeated_stamp_is_not_a_reset() -> None:
    """Tracking works with a camera without stamps, too."""
    tracker = Tracker(timeout=1)
    assert ids(tracker, 0, face(100)) == ids(tracker, 0, face(110))


def test_id_is_never_given_twice() -> None:
    """Neither after a timeout nor after a reset."""
    tracker = Tracker(timeout=1)
    given: list[str] = []
    for i in range(5):
        given += ids(tracker, 10 * i, face(100), face(300))
        tracker.reset()
        given += ids(tracker, 10 * i + 1, face(100))
    assert len(given) == len(set(given)) == 15


def test_first_and_last_stamp_are_kept() -> None:
    """`first_seen` is the stamp of the first image of the track."""
    tracker = Tracker(timeout=1)
    for i in range(4):
        (track,) = tracker.update([face(100 + i)], 5 + i / 2).tracks
    assert (track.first_seen, track.last_seen) == (5, 6.5)
    assert track.box == face(103).box


def test_older_images_have_less_weight() -> None:
    """The weight falls to 1/e in the smoothing time, and the sum of probabilities is 1."""
    tracker = Tracker(timeout=9)
    weights, total, previous = 0.0, np.zeros(2), 0.0
    for i, (stamp, prediction) in enumerate([(0.0, WOMAN), (0.3, MAN), (1.3, MAN), (1.5, WOMAN)]):
        (track,) = tracker.update([face(100)], stamp).tracks
        filter_ = track.update_attribute('gender', prediction, 0.5)
        kept = math.exp(-(stamp - previous) / 0.5)
        weights, total = weights * kept + 1, total * kept + prediction
        previous = stamp
        assert np.allclose(filter_.probabilities, total / weights, atol=1e-6)
        assert filter_.probabilities.sum() == pytest.approx(1, abs=1e-6)
        assert filter_.probabilities.dtype == np.float32
        assert filter_.frame_count == i + 1


def test_smoothing_time_of_zero_disables_the_filter() -> None:
    """Each estimate is that of its image alone."""
    tracker = Tracker(timeout=9)
    for stamp, prediction in ((0.0, WOMAN), (0.1, MAN)):
        (track,) = tracker.update([face(100)], stamp).tracks
        filter_ = track.update_attribute('gender', prediction, 0)
        assert np.allclose(filter_.probabilities, prediction)
        assert filter_.frame_count == 1


def test_predictions_are_not_changed() -> None:
    """The average does not share memory with the predictions."""
    tracker = Tracker(timeout=9)
    prediction = WOMAN.copy()
    for stamp in (0.0, 0.1, 0.2):
        (track,) = tracker.update([face(100)], stamp).tracks
        track.update_attribute('gender', prediction, 1.0)
    assert np.array_equal(prediction, WOMAN)


def test_attributes_and_tracks_are_averaged_separately() -> None:
    """The gender of a face is independent of its emotion and of other faces."""
    tracker = Tracker(timeout=9)
    for stamp in (0.0, 0.1):
        left, right = tracker.update([face(100), face(300)], stamp).tracks
        gender = left.update_attribute('gender', WOMAN, 1)
        assert np.allclose(gender.probabilities, WOMAN)
        assert np.allclose(right.update_attribute('gender', MAN, 1).probabilities, MAN)
        assert np.allclose(left.update_attribute('emotion', SAD, 1).probabilities, SAD)
    assert gender.frame_count == 2


def test_filters_can_be_reset_without_ending_tracks() -> None:
    """Another model may have other labels; the person is the same."""
    tracker = Tracker(timeout=9)
    (track,) = tracker.update([face(100)], 0).tracks
    track.update_attribute('gender', WOMAN, 1)
    tracker.reset_filters()
    (again,) = tracker.update([face(100)], 0.1).tracks
    assert again.id == track.id
    filter_ = again.update_attribute('gender', SAD, 1)
    assert (list(filter_.probabilities), filter_.frame_count) == (list(SAD), 1)


@pytest.mark.parametrize('side', [0.0, 1e-9])
def test_box_without_area_is_not_an_error(side: float) -> None:
    """A face without a size is not tracked and does not affect the others."""
    tracker = Tracker(timeout=9)
    (other, _) = ids(tracker, 0, face(300), face(100, side=side))
    assert ids(tracker, 0.1, face(300), face(100, side=side))[0] == other


def test_appearance_is_computed_in_every_image_only_where_people_may_be_confused() -> None:
    """Not for a crowd; always for people close together, sometimes for others."""
    computed = []

    def compute_appearance() -> NDArray[np.float32]:
        computed.append(stamp)
        return appearance(*np.arange(len(faces), dtype=float))()

    tracker = Tracker(timeout=9)
    stamps = [number / 10 for number in range(10)]
    for places, expected in (
        ((100,), [0.0, 0.3, 0.6, 0.9]),
        ((100, 400), [2.0, 2.3, 2.6, 2.9]),
        ((100, 130), [4.0 + each for each in stamps]),
        (tuple(range(100, 1900, 60)), []),
    ):
        computed.clear()
        tracker.reset()
        for each in stamps:
            stamp = 2 * (len(places) + (130 in places)) - 2 + each
            faces = [face(place) for place in places]
            tracker.update(faces, stamp, compute_appearance)
        assert computed == pytest.approx(expected)
