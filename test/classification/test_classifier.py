"""Model files: the shipped ones answer, and every other file is refused with its reason."""

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.inference.model_zoo import model_path

GENDERS = ('woman', 'man')
EMOTIONS = ('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral')
SHIPPED = [
    ('gender_mini_xception', 'gender', GENDERS),
    ('emotion_mini_xception', 'emotion', EMOTIONS),
]

MakeModel = Callable[..., Path]


def crops_for(classifier: Classifier, count: int) -> NDArray[np.uint8]:
    """Make crops of noise."""
    input_spec = classifier.input_spec
    shape = (count, input_spec.side, input_spec.side, input_spec.channels)
    return np.random.default_rng(3).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize('name, attribute, labels', SHIPPED)
def test_shipped_model_tells_the_documented_labels(
    name: str, attribute: str, labels: tuple[str, ...]
) -> None:
    """Labels and their order are those of the manual."""
    assert Classifier(model_path(name)).labels == {attribute: labels}


@pytest.mark.parametrize('name, attribute, labels', SHIPPED)
def test_rows_are_distributions(name: str, attribute: str, labels: tuple[str, ...]) -> None:
    """Probabilities are 0 to 1, and the sum of each row is 1."""
    classifier = Classifier(model_path(name))
    answers = classifier.classify(crops_for(classifier, 5))[attribute]
    assert answers.shape == (5, len(labels))
    assert answers.dtype == np.float32
    assert (answers >= 0).all()
    assert np.allclose(answers.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize('name, attribute, labels', SHIPPED)
def test_faces_in_one_call_are_told_as_one_by_one(
    name: str, attribute: str, labels: tuple[str, ...]
) -> None:
    """Who else is in the picture changes nothing."""
    classifier = Classifier(model_path(name), num_threads=2)
    crops = crops_for(classifier, 4)
    together = classifier.classify(crops)[attribute]
    alone = np.concatenate([classifier.classify(crops[i : i + 1])[attribute] for i in range(4)])
    assert np.allclose(together, alone, atol=1e-5)


def test_one_file_can_tell_both_attributes(make_model: MakeModel) -> None:
    """A blended model answers for gender and emotion in one call."""
    path = make_model({'gender': GENDERS, 'emotion': ('sad', 'happy', 'neutral')})
    answers = Classifier(path).classify(np.full((2, 16, 16, 1), 51, np.uint8))
    assert np.allclose(answers['gender'], [[0.2, 0.8]] * 2, atol=1e-5)
    assert np.allclose(answers['emotion'], [[0.2, 0.4, 0.4]] * 2, atol=1e-5)


def test_metadata_says_what_the_network_wants_to_see(make_model: MakeModel) -> None:
    """Side, margin and color come from the file, and so does all else that it says."""
    metadata = {'labels': '{"gender": ["woman", "man"]}', 'color': 'bgr', 'margin': '0.25'}
    path = make_model(
        {'gender': GENDERS}, shape=('n', 24, 24, 3), metadata={**metadata, 'license': 'BSD'}
    )
    classifier = Classifier(path)
    assert (classifier.input_spec.side, classifier.input_spec.margin) == (24, 0.25)
    assert (classifier.input_spec.color, classifier.input_spec.channels) == ('bgr', 3)
    assert classifier.properties['license'] == 'BSD'


def test_missing_file_is_named(tmp_path: Path) -> None:
    """The error says which file was looked for."""
    with pytest.raises(FileNotFoundError, match=r'nothing\.onnx does not exist'):
        Classifier(tmp_path / 'nothing.onnx')
    with pytest.raises(FileNotFoundError, match='does not exist'):
        Classifier(tmp_path)


@pytest.mark.parametrize('content', [b'', b'no model', b'\x08\x07' + bytes(999)])
def test_file_that_is_no_onnx_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    """The error names the file."""
    path = tmp_path / 'broken.onnx'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'broken\.onnx') as error:
        Classifier(path)
    assert '\n' not in str(error.value)


def test_model_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    """As after a download that broke off."""
    path = tmp_path / 'half.onnx'
    whole = Path(model_path('gender_mini_xception')).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r'half\.onnx is not a usable ONNX file'):
        Classifier(path)


GOOD = {'labels': '{"gender": ["woman", "man"]}', 'color': 'gray', 'margin': '0.1'}


@pytest.mark.parametrize(
    'metadata, reason',
    [
        ({}, 'has no labels'),
        ({**GOOD, 'labels': '{}'}, 'has no labels'),
        ({**GOOD, 'labels': 'woman, man'}, 'not a JSON object of lists'),
        ({**GOOD, 'labels': '["woman", "man"]'}, 'not a JSON object of lists'),
        ({**GOOD, 'labels': '{"gender": 2}'}, 'not a JSON object of lists'),
        ({**GOOD, 'labels': '{"age": ["young", "old"]}'}, "'age' is none of gender, emotion"),
        ({**GOOD, 'labels': '{"emotion": ["sad", "happy"]}'}, "no output 'emotion'"),
        ({**GOOD, 'labels': '{"gender": ["a", "b", "c"]}'}, "no output 'gender' with 3"),
        ({**GOOD, 'color': 'bgr'}, "does not fit its color 'bgr'"),
        ({**GOOD, 'color': 'red'}, "does not fit its color 'red'"),
        ({key: GOOD[key] for key in ('labels', 'margin')}, "does not fit its color ''"),
        ({key: GOOD[key] for key in ('labels', 'color')}, 'has no margin'),
        ({**GOOD, 'margin': 'wide'}, 'has no margin'),
        ({**GOOD, 'margin': '-0.5'}, 'not between -0.5 and 2'),
        ({**GOOD, 'margin': 'nan'}, 'not between -0.5 and 2'),
    ],
)
def test_foreign_metadata_is_refused(
    make_model: MakeModel, metadata: dict[str, str], reason: str
) -> None:
    """A good network that does not say how to use it is not used."""
    path = make_model({'gender': GENDERS}, metadata=metadata)
    with pytest.raises(ValueError, match='was not made for face_classification_ros') as error:
        Classifier(path)
    assert reason in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    'options, reason',
    [
        ({'shape': (1, 16, 16, 1)}, r'takes 1 face\(s\) at a time'),
        ({'shape': ('n', 16, 20, 1)}, 'does not fit'),
        ({'kind': 1}, 'not the one input'),
    ],
    ids=['one_face', 'no_square', 'float'],
)
def test_foreign_input_is_refused(
    make_model: MakeModel, options: dict[str, Any], reason: str
) -> None:
    """Crops are squares of bytes, and any number of them."""
    path = make_model({'gender': GENDERS}, metadata=GOOD, **options)
    with pytest.raises(ValueError, match=reason):
        Classifier(path)


def test_square_of_unknown_side_is_refused(make_model: MakeModel) -> None:
    """A network that takes any size does not say what size of face it learned."""
    path = make_model({'gender': GENDERS}, shape=('n', 'side', 'side', 1))
    with pytest.raises(ValueError, match='does not fit'):
        Classifier(path)


def test_labels_are_in_the_order_of_the_file(make_model: MakeModel) -> None:
    """The first label belongs to the first probability."""
    path = make_model({'gender': ('man', 'woman')})
    classifier = Classifier(path)
    assert json.loads(classifier.properties['labels']) == {'gender': ['man', 'woman']}
    assert classifier.labels == {'gender': ('man', 'woman')}
