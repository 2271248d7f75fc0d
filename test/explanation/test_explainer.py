"""Explanations of every shipped model are plausible, and invalid options are rejected."""

from pathlib import Path

import numpy as np
import pytest
import skimage

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.classification.crops import crop_faces
from face_classification_ros.config import DetectorConfig
from face_classification_ros.detection import create_detector
from face_classification_ros.explanation import METHODS
from face_classification_ros.explanation.explainer import Explainer
from face_classification_ros.inference.model_zoo import model_path, shipped_classifiers
from face_classification_ros.io.images import read_image
from face_classification_ros.types import BoundingBox

ASTRONAUT = read_image(Path(skimage.__file__).parent / 'data' / 'astronaut.png')
FACE = BoundingBox(178, 63, 90, 113)
MODELS = [path.stem for path in shipped_classifiers()]


def loaded(name: str) -> Classifier:
    """Return a shipped model."""
    return Classifier(model_path(name))


@pytest.mark.parametrize('name', MODELS)
def test_every_shipped_model_can_be_explained(name: str) -> None:
    """By every method, for every attribute: finite, not all zero, the same for equal faces."""
    classifier = loaded(name)
    crops = crop_faces(ASTRONAUT, [FACE, FACE], classifier.input_spec)
    for attribute in classifier.labels:
        for method in METHODS:
            explainer = Explainer(classifier, attribute, method=method)
            labels = classifier.classify(crops)[attribute].argmax(axis=1).tolist()
            relevance = explainer.explain_label(crops, labels)
            assert relevance.dtype == np.float32
            assert relevance.shape == crops.shape
            assert np.isfinite(relevance).all() and relevance.any()
            np.testing.assert_allclose(relevance[0], relevance[1], atol=1e-6)


def test_explanation_of_a_smile_is_at_the_mouth() -> None:
    """The gradient of a happy face is strongest in its lower half, as in the paper's figure 8."""
    classifier = loaded('emotion_sequential_fully_cnn')
    crops = crop_faces(ASTRONAUT, [FACE], classifier.input_spec)
    gradient = Explainer(classifier, 'emotion').explain_unit(crops)[0]
    strength = np.abs(gradient).sum(axis=(1, 2))
    half = len(strength) // 2
    assert strength[half:].sum() > 1.5 * strength[:half].sum()


def test_every_layer_can_be_explained() -> None:
    """The first convolution depends on a few pixels, the last one on most of the face."""
    classifier = loaded('emotion_sequential_fully_cnn')
    crops = crop_faces(ASTRONAUT, [FACE], classifier.input_spec)
    layers = Explainer(classifier, 'emotion').layers
    first = Explainer(classifier, 'emotion', layer=layers[0])
    assert first.layer == layers[0]
    last = Explainer(classifier, 'emotion')
    few, many = (np.count_nonzero(each.explain_unit(crops)) for each in (first, last))
    assert 0 < few < 100 < many


def test_an_unknown_name_is_rejected_with_the_known_ones() -> None:
    """Attribute, method and layer."""
    classifier = loaded('emotion_sequential_fully_cnn')
    with pytest.raises(ValueError, match=r"'gender'.*emotion"):
        Explainer(classifier, 'gender')
    with pytest.raises(ValueError, match=r"'lime'.*guided, gradient, grad_cam"):
        Explainer(classifier, 'emotion', method='lime')
    with pytest.raises(ValueError, match=r"'conv9'.*convolution1, "):
        Explainer(classifier, 'emotion', layer='conv9')


def test_grad_cam_explains_labels_only() -> None:
    """Its map is not negative; a unit is rejected."""
    classifier = loaded('emotion_sequential_fully_cnn')
    explainer = Explainer(classifier, 'emotion', method='grad_cam')
    crops = crop_faces(ASTRONAUT, [FACE], classifier.input_spec)
    assert (explainer.explain_label(crops, [3]) >= 0).all()
    with pytest.raises(ValueError, match='grad_cam'):
        explainer.explain_unit(crops)


def test_the_face_of_these_tests_is_where_a_detector_finds_it() -> None:
    """The box is a plausible detection."""
    (found,) = create_detector(DetectorConfig(detector='haar', detection_interval=1)).detect(
        ASTRONAUT
    )
    assert found.box.iou(FACE) > 0.5
