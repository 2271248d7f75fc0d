"""Write a trained network as a model file: one ONNX file with all that is needed to run it."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx

from face_classification_ros.training.datasets import FaceDataset
from face_classification_ros.training.recipe import Recipe

OPSET = 17
LICENCE = 'Apache-2.0'
TOLERANCE = 1e-4
"""Largest difference of a probability between Keras and the model file."""


def export_classifier(
    network: keras.Model,
    recipe: Recipe,
    dataset: FaceDataset,
    path: Path,
    *,
    temperature: float,
    accuracy: float,
) -> None:
    """Write a network with its scaling, calibration and labels as one ONNX file.

    The file's input is `faces`, uint8 N x H x W x C straight from the crop; its output is named
    after the attribute, float32 N x labels, rows of sum 1.

    Args:
        network: from faces in [-1, 1] to logits.
        recipe: what it was trained by.
        dataset: faces of validation, on which the file must agree with the network.
        path: where to write.
        temperature: what logits are divided by.
        accuracy: on `dataset`, 0 to 1; kept with the file.

    Raises:
        RuntimeError: the file's answers differ from the network's.
    """

    def classify(faces: tf.Tensor) -> tf.Tensor:
        logits = network(tf.cast(faces, tf.float32) / 127.5 - 1, training=False)
        return tf.nn.softmax(logits / temperature)

    shape = (None, recipe.side, recipe.side, recipe.channels)
    signature = [tf.TensorSpec(shape, tf.uint8, name='faces')]
    model, _ = tf2onnx.convert.from_function(
        tf.function(classify, input_signature=signature), input_signature=signature, opset=OPSET
    )
    _rename_output(model, recipe.attribute)
    onnx.helper.set_model_props(
        model,
        {
            'labels': json.dumps({recipe.attribute: dataset.labels}),
            'colour': recipe.colour,
            'margin': str(recipe.margin),
            'temperature': f'{temperature:.4f}',
            'parameters': str(network.count_params()),
            'network': recipe.network,
            'recipe': recipe.model_dump_json(),
            'data': dataset.name,
            'figures': json.dumps({'accuracy': round(accuracy, 4), 'faces': len(dataset)}),
            'licence': LICENCE,
        },
    )
    onnx.checker.check_model(model, full_check=True)

    faces = np.random.default_rng(recipe.seed).integers(0, 256, (8, *shape[1:]), np.uint8)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=['CPUExecutionProvider']
    )
    difference = np.abs(session.run(None, {'faces': faces})[0] - classify(faces).numpy()).max()
    if difference > TOLERANCE:
        raise RuntimeError(
            f'the model file differs from the network by {difference:.1e}, more than {TOLERANCE}'
        )
    onnx.save(model, path)


def _rename_output(model: onnx.ModelProto, name: str) -> None:
    """Call the only output by its attribute: tf2onnx names it after TensorFlow's last op."""
    output = model.graph.output[0]
    for node in model.graph.node:
        node.output[:] = [name if each == output.name else each for each in node.output]
    output.name = name
