"""The weight of a crop depends on its size and sharpness."""

import cv2
import numpy as np
import pytest
from ros_peers import FACE, HEAD

from face_classification_ros.classification.crop_quality import crop_weights, MIN_WEIGHT
from face_classification_ros.classification.crops import crop_faces, InputSpec, source_sizes

INPUT_SPECS = [InputSpec(48, 0.0, 'gray'), InputSpec(64, 0.1, 'bgr')]


def weight(image: np.ndarray, input_spec: InputSpec, scale: float = 1.0) -> float:
    """Return the weight of the face in an image that is resized by `scale` first."""
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    boxes = [FACE.scaled(scale)]
    (value,) = crop_weights(crop_faces(small, boxes, input_spec), source_sizes(boxes, input_spec))
    return float(value)


@pytest.mark.parametrize('input_spec', INPUT_SPECS, ids=lambda input_spec: input_spec.color)
def test_small_and_blurred_faces_have_less_weight(input_spec: InputSpec) -> None:
    """The weight falls with size and sharpness; brightness does not matter."""
    assert weight(HEAD, input_spec) == pytest.approx(1)
    assert weight(HEAD // 2, input_spec) == pytest.approx(1, abs=0.1)
    sizes = [weight(HEAD, input_spec, scale) for scale in (1.0, 0.3, 0.15)]
    blurs = [weight(cv2.GaussianBlur(HEAD, (0, 0), sigma), input_spec) for sigma in (0.1, 3, 6)]
    for weights in (sizes, blurs):
        assert weights[0] > 1.3 * weights[1] > 1.3**2 * weights[2] >= MIN_WEIGHT


def test_worst_crop_has_the_minimum_weight() -> None:
    """A face without any detail still counts if there is no better image."""
    flat = np.full((2, 48, 48, 1), 90, np.uint8)
    assert list(crop_weights(flat, np.array([5, 500]))) == pytest.approx([MIN_WEIGHT, MIN_WEIGHT])


def test_no_faces_have_no_weights() -> None:
    """An image without faces gives an empty array."""
    assert crop_weights(np.empty((0, 48, 48, 1), np.uint8), np.empty(0, np.int64)).shape == (0,)
