"""Conversion to ONNX: ONNX Runtime computes the same as Keras."""

import numpy as np
import onnxruntime
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

import tensorflow as tf

from face_classification_ros.networks.builder import build_network
from face_classification_ros.networks.description import read_network
from face_classification_ros.networks.onnx_export import convert_to_onnx, scale_faces


def test_pixels_are_scaled_to_the_range_of_the_networks() -> None:
    """Black is -1 and white is 1, for gray and for color."""
    for channels in (1, 3):
        faces = np.zeros((2, 4, 4, channels), np.uint8)
        faces[1] = 255
        scaled = scale_faces(faces).numpy()
        assert scaled.shape == faces.shape
        assert scaled.dtype == np.float32
        np.testing.assert_allclose(scaled[0], -1)
        np.testing.assert_allclose(scaled[1], 1)


def test_converted_network_predicts_like_the_one_in_keras() -> None:
    """Any number of uint8 crops; outputs have their names and order."""
    network = build_network(
        read_network('mini_xception'), (48, 48, 1), {'gender': 2, 'emotion': 7}
    )

    def predict(faces: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: tf.nn.softmax(each) for name, each in network(faces).items()}

    model = convert_to_onnx(predict, (48, 48, 1))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=['CPUExecutionProvider']
    )
    (faces_input,) = session.get_inputs()
    assert (faces_input.name, faces_input.type) == ('faces', 'tensor(uint8)')
    assert faces_input.shape[1:] == [48, 48, 1]
    assert [output.name for output in session.get_outputs()] == ['gender', 'emotion']

    faces = np.random.default_rng(0).integers(0, 256, (5, 48, 48, 1), np.uint8)
    expected = predict(scale_faces(faces))
    for name, probabilities in zip(expected, session.run(None, {'faces': faces}), strict=True):
        np.testing.assert_allclose(probabilities, expected[name], atol=1e-5)
