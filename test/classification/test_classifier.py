"""Model files: the shipped ones predict, and invalid files are rejected with a reason."""

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

from face_classification_ros.classification.classifier import (
    Classifier,
    load_classifiers,
    ModelFileError,
)
from face_classification_ros.inference.model_zoo import model_path

GENDERS = ('woman', 'man')
EMOTIONS = ('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral')
SHIPPED = [
    ('gender_mini_xception', 'gender', GENDERS),
    ('emotion_mini_xception', 'emotion', EMOTIONS),
]

MakeModel = Callable[..., Path]


def crops_for(classifier: Classifier, count: int) -> NDArray[np.uint8]:
    """Return crops of noise."""
    input_spec = classifier.input_spec
    shape = (count, input_spec.size, input_spec.size, input_spec.channels)
    return np.random.default_rng(3).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize('name, attribute, labels', SHIPPED)
def test_shipped_model_has_the_documented_labels(
    name: str, attribute: str, labels: tuple[str, ...]
) -> None:
    """Labels and their order are those of the model card."""
    assert Classifier(model_path(name)).labels == {attribute: labels}


@pytest.mark.parametrize('name, attribute, labels', SHIPPED)
def test_rows_are_distributions(name: str, attribute: str, labels: tuple[str, ...]) -> None:
    """Probabilities are 0 to 1, and the sum of each row is 1."""
    classifier = Classifier(model_path(name))
    rows = classifier.classify(crops_for(classifier, 5))[attribute]
    assert rows.shape == (5, len(labels))
    assert rows.dtype == np.float32
    assert (rows >= 0).all()
    assert np.allclose(rows.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize('name, attribute, labels', SHIPPED)
def test_batch_has_the_same_predictions_as_single_faces(
    name: str, attribute: str, labels: tuple[str, ...]
) -> None:
    """Other faces in the image have no effect on a prediction."""
    classifier = Classifier(model_path(name), num_threads=2)
    crops = crops_for(classifier, 4)
    together = classifier.classify(crops)[attribute]
    alone = np.concatenate([classifier.classify(crops[i : i + 1])[attribute] for i in range(4)])
    assert np.allclose(together, alone, atol=1e-5)


def test_multi_task_model_predicts_both_attributes(make_model: MakeModel) -> None:
    """Gender and emotion are predicted in one call."""
    path = make_model({'gender': GENDERS, 'emotion': ('sad', 'happy', 'neutral')})
    predictions = Classifier(path).classify(np.full((2, 16, 16, 1), 51, np.uint8))
    assert np.allclose(predictions['gender'], [[0.2, 0.8]] * 2, atol=1e-5)
    assert np.allclose(predictions['emotion'], [[0.2, 0.4, 0.4]] * 2, atol=1e-5)


def test_input_spec_is_read_from_the_metadata(make_model: MakeModel) -> None:
    """Size, margin and color come from the file, as do all other properties."""
    metadata = {'labels': '{"gender": ["woman", "man"]}', 'color': 'bgr', 'margin': '0.25'}
    path = make_model(
        {'gender': GENDERS}, shape=('n', 24, 24, 3), metadata={**metadata, 'license': 'BSD'}
    )
    classifier = Classifier(path)
    assert (classifier.input_spec.size, classifier.input_spec.margin) == (24, 0.25)
    assert (classifier.input_spec.color, classifier.input_spec.channels) == ('bgr', 3)
    assert classifier.properties['license'] == 'BSD'


def test_missing_file_is_named(tmp_path: Path) -> None:
    """The error has the path of the file."""
    with pytest.raises(FileNotFoundError, match=r'nothing\.onnx does not exist'):
        Classifier(tmp_path / 'nothing.onnx')
    with pytest.raises(FileNotFoundError, match='does not exist'):
        Classifier(tmp_path)


@pytest.mark.parametrize('content', [b'', b'no model', b'\x08\x07' + bytes(999)])
def test_file_of_another_kind_is_rejected_in_one_line(tmp_path: Path, content: bytes) -> None:
    """The error has the path."""
    path = tmp_path / 'broken.onnx'
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as error:
        Classifier(path)
    assert (error.value.path, error.value.part) == (path, 'file')
    assert str(path) in str(error.value)
    assert '\n' not in str(error.value)


def test_truncated_model_is_rejected(tmp_path: Path) -> None:
    """As after an interrupted download."""
    path = tmp_path / 'half.onnx'
    content = Path(model_path('gender_mini_xception')).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelFileError) as error:
        Classifier(path)
    assert error.value.part == 'file'


GOOD = {'labels': '{"gender": ["woman", "man"]}', 'color': 'gray', 'margin': '0.1'}


@pytest.mark.parametrize(
    'metadata, part',
    [
        ({}, 'labels'),
        ({**GOOD, 'labels': '{}'}, 'labels'),
        ({**GOOD, 'labels': 'woman, man'}, 'labels'),
        ({**GOOD, 'labels': '["woman", "man"]'}, 'labels'),
        ({**GOOD, 'labels': '{"gender": 2}'}, 'labels'),
        ({**GOOD, 'labels': '{"Gender/x": ["young", "old"]}'}, 'labels'),
        ({**GOOD, 'labels': '{"gender": ["woman", "unknown"]}'}, 'labels'),
        ({**GOOD, 'labels': '{"emotion": ["sad", "happy"]}'}, 'output'),
        ({**GOOD, 'labels': '{"gender": ["a", "b", "c"]}'}, 'output'),
        ({**GOOD, 'thresholds': '{'}, 'thresholds'),
        ({**GOOD, 'thresholds': '[]'}, 'thresholds'),
        ({**GOOD, 'thresholds': '{"gender": 2}'}, 'thresholds'),
        ({**GOOD, 'thresholds': '{"gender": "high"}'}, 'thresholds'),
        ({**GOOD, 'color': 'bgr'}, 'color'),
        ({**GOOD, 'color': 'red'}, 'color'),
        ({key: GOOD[key] for key in ('labels', 'margin')}, 'color'),
        ({key: GOOD[key] for key in ('labels', 'color')}, 'margin'),
        ({**GOOD, 'margin': 'wide'}, 'margin'),
        ({**GOOD, 'margin': '-0.5'}, 'margin'),
        ({**GOOD, 'margin': 'nan'}, 'margin'),
    ],
)
def test_invalid_metadata_is_rejected(
    make_model: MakeModel, metadata: dict[str, str], part: str
) -> None:
    """A network is not used if its file does not describe its input and labels."""
    path = make_model({'gender': GENDERS}, metadata=metadata)
    with pytest.raises(ModelFileError) as error:
        Classifier(path)
    assert (error.value.path, error.value.part) == (path, part)


@pytest.mark.parametrize(
    'options, part',
    [
        ({'shape': (1, 16, 16, 1)}, 'input'),
        ({'shape': ('n', 16, 20, 1)}, 'color'),
        ({'shape': ('n', 'size', 'size', 1)}, 'color'),
        ({'kind': 1}, 'input'),
    ],
    ids=['one_face', 'not_square', 'unknown_size', 'float'],
)
def test_unsupported_input_is_rejected(
    make_model: MakeModel, options: dict[str, Any], part: str
) -> None:
    """The input must be any number of square uint8 crops of a fixed size."""
    path = make_model({'gender': GENDERS}, metadata=GOOD, **options)
    with pytest.raises(ModelFileError) as error:
        Classifier(path)
    assert error.value.part == part


def test_labels_are_in_the_order_of_the_file(make_model: MakeModel) -> None:
    """The first label belongs to the first probability."""
    path = make_model({'gender': ('man', 'woman')})
    classifier = Classifier(path)
    assert json.loads(classifier.properties['labels']) == {'gender': ['man', 'woman']}
    assert classifier.labels == {'gender': ('man', 'woman')}


def test_model_file_named_twice_is_loaded_once(make_model: MakeModel) -> None:
    """A multi-task model uses its memory once, in the order of its labels."""
    path = str(make_model({'gender': GENDERS, 'emotion': EMOTIONS}))
    classifiers = load_classifiers([path, path])
    assert list(classifiers) == ['gender', 'emotion']
    assert classifiers['gender'] is classifiers['emotion']


def test_of_two_models_of_one_attribute_the_first_counts(make_model: MakeModel) -> None:
    """A single-task network can replace one attribute of a multi-task network."""
    single = str(make_model({'emotion': EMOTIONS}, name='single.onnx'))
    both = str(make_model({'gender': GENDERS, 'emotion': EMOTIONS}, name='both.onnx'))
    classifiers = load_classifiers([single, both])
    assert {name: each.path.stem for name, each in classifiers.items()} == {
        'emotion': 'single',
        'gender': 'both',
    }


def test_attributes_select_among_those_of_the_models(make_model: MakeModel) -> None:
    """An empty list of models is valid; an attribute that no model estimates is an error."""
    path = str(make_model({'gender': GENDERS, 'emotion': EMOTIONS}))
    assert list(load_classifiers([path], ['emotion'])) == ['emotion']
    assert load_classifiers([]) == {}
    with pytest.raises(ValueError, match='age'):
        load_classifiers([path], ['age'])


def test_missing_model_is_named(tmp_path: Path) -> None:
    """The error has the path."""
    with pytest.raises(FileNotFoundError, match=r'nothing\.onnx'):
        load_classifiers([str(tmp_path / 'nothing.onnx')])


def test_file_without_thresholds_has_the_default(make_model: MakeModel) -> None:
    """Below 0.5, a label is more likely wrong than correct."""
    assert Classifier(make_model({'gender': GENDERS}, metadata=GOOD)).thresholds == {'gender': 0.5}
