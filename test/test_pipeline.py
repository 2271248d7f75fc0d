"""The pipeline combines detection, classification and tracking, here with known parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

from face_classification_ros.classification.crops import InputSpec
from face_classification_ros.config import PipelineConfig, ROTATIONS, SettingError
from face_classification_ros.geometry.head_pose import head_angles
from face_classification_ros.geometry.positions import DepthImage, DepthView, Intrinsics
from face_classification_ros.pipeline import create_pipeline, FacePipeline, thresholds_of
from face_classification_ros.tracking.tracker import Tracker
from face_classification_ros.types import BoundingBox, Detection, Image

GENDERS = ('woman', 'man')
EMOTIONS = ('sad', 'happy')
SMALL, LARGE = BoundingBox(10, 10, 20, 20), BoundingBox(60, 20, 50, 50)
THRESHOLDS = {'gender': 0.0, 'emotion': 0.0}

MakeModel = Callable[..., Path]


FACE_LANDMARKS = ((70.0, 30.0), (90.0, 30.0), (80.0, 41.0), (72.0, 49.0), (88.0, 49.0))
"""Of a face that looks at the camera."""


class KnownFaces:
    """A detector that finds the same faces in every image."""

    def __init__(self, *boxes: BoundingBox) -> None:
        """Set the boxes to find."""
        self.boxes = boxes
        self.image: Image | None = None
        self.landmarks: tuple[tuple[float, float], ...] = ()

    @property
    def full_frame(self) -> KnownFaces:
        """See `Detector.full_frame`."""
        return self

    def detect(self, image: Image) -> list[Detection]:
        """See `Detector.detect`."""
        self.image = image
        return [Detection(box, 0.9, self.landmarks) for box in self.boxes]


class BrightnessClassifier:
    """Predicts the brightness of a crop as the probability of the first label."""

    def __init__(self, **labels: tuple[str, ...]) -> None:
        """Set the labels of each attribute; `calls` records the number of crops of each call."""
        self.labels = labels
        self.thresholds = dict.fromkeys(labels, 0.5)
        self.input_spec = InputSpec(8, 0.0, 'gray')
        self.calls: list[int] = []

    def classify(self, crops: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """See `Classifier.classify`."""
        self.calls.append(len(crops))
        bright = crops.reshape(len(crops), -1).mean(1) / 255
        probabilities = np.stack([bright, 1 - bright], axis=1).astype(np.float32)
        return dict.fromkeys(self.labels, probabilities)


def image_of(small: int = 51, large: int = 204) -> Image:
    """Return an image with a small and a large face of these brightnesses."""
    image = np.zeros((100, 160, 3), np.uint8)
    image[10:30, 10:30], image[20:70, 60:110] = small, large
    return image


def pipeline_of(
    *boxes: BoundingBox,
    tracker: Tracker | None = None,
    smoothing_time: float = 0.0,
    **classifiers: Any,
) -> FacePipeline:
    """Return a pipeline of known parts."""
    return FacePipeline(KnownFaces(*boxes), classifiers, tracker, THRESHOLDS, smoothing_time)


def test_faces_are_sorted_with_their_own_estimates() -> None:
    """The largest face is first, and each estimate stays with its face."""
    gender = BrightnessClassifier(gender=GENDERS)
    large, small = pipeline_of(SMALL, LARGE, gender=gender).process(image_of())
    assert (large.detection.box, small.detection.box) == (LARGE, SMALL)
    assert np.allclose(large.attributes['gender'].probabilities, [0.8, 0.2])
    assert np.allclose(small.attributes['gender'].probabilities, [0.2, 0.8])
    assert (large.attributes['gender'].label, small.attributes['gender'].label) == ('woman', 'man')


def test_all_faces_are_classified_in_one_call() -> None:
    """A crowd needs one call per model, an empty image none."""
    gender = BrightnessClassifier(gender=GENDERS)
    pipeline = pipeline_of(SMALL, LARGE, gender=gender)
    pipeline.process(image_of())
    assert gender.calls == [2]
    assert pipeline_of(gender=gender).process(image_of()) == []
    assert gender.calls == [2]


def test_multi_task_model_is_called_once() -> None:
    """A model of both attributes is called once per image."""
    both = BrightnessClassifier(gender=GENDERS, emotion=EMOTIONS)
    (face,) = pipeline_of(LARGE, gender=both, emotion=both).process(image_of())
    assert both.calls == [1]
    assert (face.attributes['gender'].label, face.attributes['emotion'].label) == ('woman', 'sad')


@pytest.mark.parametrize('attributes', [(), ('gender',), ('emotion',)])
def test_attribute_without_a_model_is_absent(attributes: tuple[str, ...]) -> None:
    """Only the attributes that are switched on are present."""
    labels = {'gender': GENDERS, 'emotion': EMOTIONS}
    classifiers: dict[str, Any] = {
        each: BrightnessClassifier(**{each: labels[each]}) for each in attributes
    }
    (face,) = pipeline_of(LARGE, **classifiers).process(image_of())
    assert tuple(face.attributes) == attributes


def test_probability_below_the_threshold_is_unknown() -> None:
    """The label is "unknown", but the probabilities are returned."""
    pipeline = pipeline_of(LARGE, gender=BrightnessClassifier(gender=GENDERS))
    for threshold, label in ((0.79, 'woman'), (0.81, 'unknown')):
        pipeline.thresholds = {'gender': threshold}
        (face,) = pipeline.process(image_of())
        assert face.attributes['gender'].label == label
        assert face.attributes['gender'].confidence == pytest.approx(0.8, abs=1e-5)


def test_estimates_are_filtered_over_a_track() -> None:
    """The average and the probabilities of the newest image are returned."""
    pipeline = pipeline_of(
        LARGE,
        tracker=Tracker(timeout=9),
        smoothing_time=2.0,
        gender=BrightnessClassifier(gender=GENDERS),
    )
    (first,) = pipeline.process(image_of(large=204), stamp=5.0)
    (second,) = pipeline.process(image_of(large=51), stamp=6.0)
    assert first.track_id == second.track_id != ''
    assert second.first_seen == 5.0
    decay = math.exp(-1 / 2)
    expected = (0.8 * decay + 0.2) / (decay + 1)
    assert second.attributes['gender'].probabilities[0] == pytest.approx(expected, abs=1e-5)
    assert second.attributes['gender'].frame_probabilities[0] == pytest.approx(0.2, abs=1e-5)
    assert second.attributes['gender'].frame_count == 2


@pytest.mark.parametrize('clothes, keeps', [((200, 60, 40), True), ((30, 30, 30), False)])
def test_occluded_person_is_recognized_by_clothes(
    clothes: tuple[int, int, int], keeps: bool
) -> None:
    """If the place is ambiguous, a person with the same clothes keeps the id."""
    near, before, after = (
        BoundingBox(300, 100, 100, 100),
        BoundingBox(220, 120, 60, 60),
        BoundingBox(210, 160, 60, 60),
    )
    pipeline = pipeline_of(tracker=Tracker(timeout=9))
    detector = pipeline.detector
    assert isinstance(detector, KnownFaces)
    ids: list[str] = []
    for stamp, boxes, color in (
        (0.0, [near, before], (200, 60, 40)),
        (0.1, [near, before], (200, 60, 40)),
        (0.2, [near], (200, 60, 40)),
        (0.3, [near, after], clothes),
    ):
        image = np.full((480, 640, 3), 120, np.uint8)
        for box, dress in zip(boxes[::-1], (color, (40, 40, 200))[-len(boxes) :], strict=True):
            x, y, side = round(box.x), round(box.y), round(box.width)
            image[y - side // 3 :, x - side // 4 : x + 5 * side // 4] = dress
        detector.boxes = tuple(boxes)
        ids = [*ids[-2:], *(face.track_id for face in pipeline.process(image, stamp))]
    known, hidden = '1', '2'
    assert ids[-2:] == [known, hidden if keeps else '3']


def test_pipeline_without_a_tracker_does_not_track() -> None:
    """Faces have no ids, and each estimate is that of its image alone."""
    pipeline = pipeline_of(LARGE, smoothing_time=2.0, gender=BrightnessClassifier(gender=GENDERS))
    pipeline.process(image_of(large=204), stamp=5.0)
    (face,) = pipeline.process(image_of(large=51), stamp=6.0)
    assert (face.track_id, face.first_seen) == ('', 6.0)
    assert face.attributes['gender'].frame_count == 1
    assert face.attributes['gender'].probabilities[0] == pytest.approx(0.2, abs=1e-5)


def rotated_image(degrees: int) -> Image:
    """Return the image of a camera whose images must be rotated clockwise by `degrees`."""
    return np.ascontiguousarray(np.rot90(image_of(), degrees // 90))


@pytest.mark.parametrize('rotation', ROTATIONS)
def test_boxes_and_landmarks_are_those_of_the_original_image(rotation: int) -> None:
    """The detector gets an upright image; results are in pixels of the original one."""
    original = rotated_image(rotation)
    pipeline = pipeline_of(SMALL, LARGE, gender=BrightnessClassifier(gender=GENDERS))
    pipeline.detector.landmarks = FACE_LANDMARKS  # type: ignore[attr-defined]
    pipeline.rotation = rotation
    large, small = pipeline.process(original)
    for face, size, value in ((large, 50, 204), (small, 20, 51)):
        box = face.detection.box
        assert (box.width, box.height) == (size, size)
        left, top = int(box.x), int(box.y)
        assert (original[top : top + size, left : left + size] == value).all()
        assert face.attributes['gender'].probabilities[0] == pytest.approx(value / 255, abs=1e-5)
    # Landmarks at 70, 30 and 90, 30 in the upright image of 160 x 100.
    assert (
        large.detection.landmarks[:2]
        == {
            0: ((70, 30), (90, 30)),
            90: ((30, 90), (30, 70)),
            180: ((90, 70), (70, 70)),
            270: ((70, 70), (70, 90)),
        }[rotation]
    )


@pytest.mark.parametrize('rotation', ROTATIONS)
def test_crops_are_upright(rotation: int) -> None:
    """Crops for explanations are upright, regardless of how the camera is mounted."""
    pipeline = pipeline_of(LARGE, gender=BrightnessClassifier(gender=GENDERS))
    pipeline.rotation = rotation
    image = image_of()
    image[20:40, 60:110] = 255  # its upper part
    original = np.ascontiguousarray(np.rot90(image, rotation // 90))
    (crop,) = pipeline.crop(original, pipeline.process(original), InputSpec(10, 0.0, 'gray'))
    assert (crop[:4] == 255).all()
    assert (crop[4:] == 204).all()


def test_upright_image_is_not_copied() -> None:
    """The support for rotated cameras costs an upright one nothing."""
    pipeline = pipeline_of(LARGE, gender=BrightnessClassifier(gender=GENDERS))
    image = image_of()
    pipeline.process(image)
    assert pipeline.detector.image is image  # type: ignore[attr-defined]


def test_threshold_of_the_model_file_is_the_default() -> None:
    """A configured threshold replaces only that of its attribute."""
    classifiers: Any = {
        'gender': BrightnessClassifier(gender=GENDERS),
        'emotion': BrightnessClassifier(emotion=EMOTIONS),
    }
    assert thresholds_of(classifiers, {'emotion': 0.9}) == {'gender': 0.5, 'emotion': 0.9}


@pytest.mark.parametrize('attribute, threshold', [('age', 0.5), ('gender', 1.5)])
def test_invalid_threshold_is_rejected(attribute: str, threshold: float) -> None:
    """No model estimates the attribute, or the value is not a probability."""
    classifiers: Any = {'gender': BrightnessClassifier(gender=GENDERS)}
    with pytest.raises(SettingError) as error:
        thresholds_of(classifiers, {attribute: threshold})
    assert error.value.name == f'unknown_threshold.{attribute}'


def test_pipeline_supports_any_attribute(make_model: MakeModel) -> None:
    """Names and labels of attributes come from the model files."""
    path = make_model({'headwear': ('none', 'hat', 'helmet')})
    config = PipelineConfig(models=(str(path),), unknown_threshold={'headwear': 0.0})
    pipeline = create_pipeline(config)
    assert list(pipeline.classifiers) == ['headwear']
    pipeline.detector = KnownFaces(LARGE)
    (face,) = pipeline.process_still(image_of(large=255))
    assert face.attributes['headwear'].label == 'none'
    assert face.to_dict()['attributes']['headwear']['probabilities']['none'] == 1.0


def test_depth_image_gives_positions_and_sizes() -> None:
    """A depth image of another view is reported as an error, and faces have no positions."""
    pipeline = pipeline_of(LARGE)
    depth = DepthImage(np.full((100, 160), 2.0, np.float32), 1.0)
    camera = Intrinsics(160, 100, 500.0, 500.0, 80.0, 50.0)
    result = pipeline.process_frame(image_of(), depth_view=DepthView(depth, camera))
    (face,) = result.faces
    assert face.position is not None
    assert face.position[2] == 2.0
    assert face.is_size_plausible
    square = DepthImage(np.full((100, 100), 2.0, np.float32), 1.0)
    result = pipeline.process_frame(image_of(), depth_view=DepthView(square, camera))
    assert [face.position for face in result.faces] == [None]
    assert result.position_error


@pytest.mark.parametrize('rotation', ROTATIONS)
def test_head_has_an_orientation_in_the_frame_of_the_camera(rotation: int) -> None:
    """The roll is that of the mounted camera, and a head with landmarks looks at it or not."""
    pipeline = pipeline_of(LARGE)
    assert isinstance(pipeline.detector, KnownFaces)
    pipeline.detector.landmarks = FACE_LANDMARKS
    pipeline.rotation = rotation
    (face,) = pipeline.process(rotated_image(rotation))
    assert face.orientation is not None
    roll, _, yaw = head_angles(face.orientation)
    # The head of somebody upright is inclined by the rotation of the camera.
    assert math.cos(math.radians(roll - rotation)) > 0.97
    assert abs(yaw) < 15 or rotation in (90, 270)
    assert face.is_looking
    pipeline.detector.landmarks = ()
    (face,) = pipeline.process(rotated_image(rotation))
    assert (face.orientation, face.looking_at_camera) == (None, 0.0)


def test_orientation_is_filtered_over_the_track() -> None:
    """A head that turns is followed within the smoothing time, and immediately without it."""
    turned = (*FACE_LANDMARKS[:2], (86.0, 41.0), *FACE_LANDMARKS[3:])

    def looking(smoothing_time: float, stamps: Sequence[float]) -> list[float]:
        pipeline = pipeline_of(LARGE, tracker=Tracker(9.0), smoothing_time=smoothing_time)
        assert isinstance(pipeline.detector, KnownFaces)
        values = []
        for stamp in stamps:
            pipeline.detector.landmarks = FACE_LANDMARKS if stamp < 1 else turned
            (face,) = pipeline.process(image_of(), stamp)
            values.append(face.looking_at_camera)
        return values

    before, after = looking(0.0, (0.9, 1.0))
    assert before > 0.5 > after
    stamps = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 3.0]
    values = looking(1.0, stamps)
    assert values[5:] == sorted(values[5:], reverse=True)
    assert values[4] > 0.5 > values[-1]
    # The first image of the turned head does not count alone.
    assert values[5] > (values[4] + 2 * after) / 3
    assert values[-1] == pytest.approx(after, abs=0.02)


def test_calibration_of_the_camera_gives_the_direction() -> None:
    """A head aside that faces the optical axis looks past a camera with a wide view."""
    pipeline = pipeline_of(LARGE)
    assert isinstance(pipeline.detector, KnownFaces)
    pipeline.detector.landmarks = tuple((x + 55, y) for x, y in FACE_LANDMARKS)
    wide = Intrinsics(160, 100, 80.0, 80.0, 80.0, 50.0)
    narrow = Intrinsics(160, 100, 800.0, 800.0, 80.0, 50.0)
    (near,) = pipeline.process_frame(image_of(), intrinsics=wide).faces
    (far,) = pipeline.process_frame(image_of(), intrinsics=narrow).faces
    assert near.orientation is not None and far.orientation is not None
    assert abs(head_angles(far.orientation)[2]) < 10 < abs(head_angles(near.orientation)[2])


def test_time_that_jumps_back_is_reported() -> None:
    """The result of the frame has `was_reset`."""
    pipeline = pipeline_of(LARGE, tracker=Tracker(timeout=9))
    stamps = (5.0, 6.0, 1.0)
    resets = [pipeline.process_frame(image_of(), stamp).was_reset for stamp in stamps]
    assert resets == [False, False, True]
