"""Initialization with the weights of a model file."""

import json
from pathlib import Path
import re

import numpy as np
import onnxruntime
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.networks.builder import build_network
from face_classification_ros.networks.description import read_network
from face_classification_ros.networks.onnx_export import scale_faces
from face_classification_ros.training.checkpoint import CHECKPOINT
from face_classification_ros.training.warm_start import take_weights

LABELS = {'gender': 2, 'emotion': 7, 'age': 9}


@pytest.mark.parametrize(
    'name, training, tolerance',
    [
        ('emotion_mini_xception', False, 1e-3),
        ('emotion_mini_xception', True, 0.05),
        ('multitask_mini_xception', True, 0.05),
        # With dropout, its predictions in training are random.
        ('gender_sequential_fully_cnn', False, 1e-3),
    ],
)
def test_network_predicts_as_the_model_file(name: str, training: bool, tolerance: float) -> None:
    """In training, too, where the statistics of each batch are used."""
    path = Path(model_path(name))
    classifier = Classifier(path)
    input_spec = classifier.input_spec
    attributes = {each: LABELS[each] for each in classifier.labels}
    random = np.random.default_rng(0)
    # Smooth, like faces.
    coarse = random.integers(0, 256, (64, 8, 8, input_spec.channels)).repeat(8, 1).repeat(8, 2)
    crops = np.ascontiguousarray(coarse[:, : input_spec.size, : input_spec.size]).astype(np.uint8)
    metadata = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    network = build_network(
        read_network(metadata['network']), (None, None, input_spec.channels), attributes
    )
    faces = scale_faces(crops)
    take_weights(network, path, faces)
    expected = classifier.classify(crops)
    for attribute, calibration in json.loads(metadata['calibration']).items():
        both = (faces, faces[:, :, ::-1])
        pair = [network(each, training=training)[attribute] for each in both]
        logits = (np.mean(pair, axis=0) + calibration['offsets']) / calibration['temperature']
        powers = np.exp(logits)
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(probabilities, expected[attribute], atol=tolerance)


@pytest.mark.parametrize('part', [0.0, 0.5, 1.0])
def test_damaged_checkpoint_is_refused(tmp_path: Path, part: float) -> None:
    """It is cut, as by a full disk, or a byte is another; the message names the file."""
    network = build_network(read_network('mini_xception'), (None, None, 1), {'gender': 2})
    path = tmp_path / CHECKPOINT
    network.save(path)
    content = path.read_bytes()
    place = len(content) // 20
    content = content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]
    path.write_bytes(content[: round(part * len(content))])
    with pytest.raises(ValueError, match=re.escape(str(path))):
        take_weights(network, tmp_path, np.zeros((1, 48, 48, 1), np.float32))


def test_invalid_model_file_is_refused(tmp_path: Path) -> None:
    """The message names the file."""
    path = tmp_path / 'broken.onnx'
    path.write_bytes(b'\x08\x08\x12no model')
    network = build_network(read_network('mini_xception'), (None, None, 1), {'gender': 2})
    with pytest.raises(ValueError, match=r'broken\.onnx'):
        take_weights(network, path, np.zeros((1, 48, 48, 1), np.float32))
