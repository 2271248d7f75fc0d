"""What a network looks at is told for every model file of the package."""

from pathlib import Path

import numpy as np
import pytest
import skimage

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.classification.crops import crop_faces
from face_classification_ros.detection import create_detector
from face_classification_ros.explanation import METHODS
from face_classification_ros.explanation.explainer import Explainer
from face_classification_ros.inference.model_zoo import model_path, share_folder
from face_classification_ros.io.images import read_image
from face_classification_ros.types import BoundingBox

ASTRONAUT = read_image(Path(skimage.__file__).parent / 'data' / 'astronaut.png')
FACE = BoundingBox(178, 63, 90, 113)
MODELS = sorted(path.stem for path in (share_folder() / 'resource' / 'models').glob('*.onnx'))


def loaded(name: str) -> Classifier:
    """Load a model that comes with the package."""
    return Classifier(model_path(name))


@pytest.mark.parametrize('name', MODELS)
def test_every_shipped_model_can_be_explained(name: str) -> None:
    """By every method, for every attribute: the face counts, the wall behind it does not."""
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


def test_a_smile_is_seen_in_the_mouth() -> None:
    """What makes a face happy lies in its lower half, as the paper's figure 8 shows."""
    classifier = loaded('emotion_sequential_fully_cnn')
    crops = crop_faces(ASTRONAUT, [FACE], classifier.input_spec)
    gradient = Explainer(classifier, 'emotion').explain_unit(crops)[0]
    strength = np.abs(gradient).sum(axis=(1, 2))
    half = len(strength) // 2
    assert strength[half:].sum() > 1.5 * strength[:half].sum()


def test_each_layer_can_be_looked_at() -> None:
    """By name, from the first convolution, which sees a few pixels, to the last."""
    classifier = loaded('emotion_sequential_fully_cnn')
    crops = crop_faces(ASTRONAUT, [FACE], classifier.input_spec)
    layers = Explainer(classifier, 'emotion').layers
    first = Explainer(classifier, 'emotion', layer=layers[0])
    assert first.layer == layers[0]
    seen = np.count_nonzero(first.explain_unit(crops))
    assert 0 < seen < 100 < np.count_nonzero(Explainer(classifier, 'emotion').explain_unit(crops))


def test_what_there_is_not_is_named_with_what_there_is() -> None:
    """Attribute, method and layer."""
    classifier = loaded('emotion_sequential_fully_cnn')
    with pytest.raises(ValueError, match='does not tell gender, but emotion'):
        Explainer(classifier, 'gender')
    with pytest.raises(ValueError, match="'lime'; there are: guided, gradient, grad_cam"):
        Explainer(classifier, 'emotion', method='lime')
    with pytest.raises(
        ValueError,
        match="cannot be explained: there is no convolution 'conv9'; there are: convolution1, ",
    ):
        Explainer(classifier, 'emotion', layer='conv9')


def test_grad_cam_explains_no_unit() -> None:
    """It weighs maps by what they say for a label."""
    classifier = loaded('emotion_sequential_fully_cnn')
    explainer = Explainer(classifier, 'emotion', method='grad_cam')
    crops = crop_faces(ASTRONAUT, [FACE], classifier.input_spec)
    assert (explainer.explain_label(crops, [3]) >= 0).all()
    with pytest.raises(ValueError, match='grad_cam explains a label, not a unit'):
        explainer.explain_unit(crops)


def test_the_face_of_these_tests_is_where_a_detector_finds_it() -> None:
    """The box is not made up."""
    (found,) = create_detector('haar').detect(ASTRONAUT)
    assert found.box.iou(FACE) > 0.5
