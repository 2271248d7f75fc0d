"""A picture is worth what the network can see in it."""

import cv2
import numpy as np
import pytest
from ros_peers import FACE, HEAD

from face_classification_ros.classification.crop_quality import crop_weights, MIN_WEIGHT
from face_classification_ros.classification.crops import crop_faces, InputSpec, source_sizes

FORMS = [InputSpec(48, 0.0, 'gray'), InputSpec(64, 0.1, 'bgr')]


def weight(image: np.ndarray, input_spec: InputSpec, scale: float = 1.0) -> float:
    """Give the weight of the face in a picture that is made smaller first."""
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    boxes = [FACE.scaled(scale)]
    (value,) = crop_weights(crop_faces(small, boxes, input_spec), source_sizes(boxes, input_spec))
    return float(value)


@pytest.mark.parametrize('input_spec', FORMS, ids=lambda input_spec: input_spec.color)
def test_small_and_blurred_faces_weigh_less(input_spec: InputSpec) -> None:
    """The less there is to see, the less; light and contrast do not matter."""
    assert weight(HEAD, input_spec) == pytest.approx(1)
    assert weight(HEAD // 2, input_spec) == pytest.approx(1, abs=0.1)
    sizes = [weight(HEAD, input_spec, scale) for scale in (1.0, 0.3, 0.15)]
    blurs = [weight(cv2.GaussianBlur(HEAD, (0, 0), sigma), input_spec) for sigma in (0.1, 3, 6)]
    for weights in (sizes, blurs):
        assert weights[0] > 1.3 * weights[1] > 1.3**2 * weights[2] >= MIN_WEIGHT


def test_worst_picture_still_weighs_something() -> None:
    """A face without any detail is all that is known where there is nothing else."""
    flat = np.full((2, 48, 48, 1), 90, np.uint8)
    assert list(crop_weights(flat, np.array([5, 500]))) == pytest.approx([MIN_WEIGHT, MIN_WEIGHT])


def test_no_faces_have_no_weights() -> None:
    """A picture without a face is no special case."""
    assert crop_weights(np.empty((0, 48, 48, 1), np.uint8), np.empty(0, np.int64)).shape == (0,)
