"""Export a trained detector as a model file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
import json
from pathlib import Path

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx

from face_classification_ros.networks.builder import DETECTION_STRIDES
from face_classification_ros.networks.onnx_export import OPSET
from face_classification_ros.training.detector_calibration import ScoreCalibration
from face_classification_ros.training.detector_recipe import DetectorRecipe
from face_classification_ros.training.model_file import check_equal

LICENSE = 'Apache-2.0'


def convert_detector(
    network: keras.Model, recipe: DetectorRecipe, calibration: ScoreCalibration | None = None
) -> onnx.ModelProto:
    """Convert a detector with its scaling and metadata to ONNX.

    The input is `image`, float32 1 x 3 x H x W in BGR, 0 to 255, with height and width that are
    multiples of 32. The outputs of each stride s are `score_s` 1 x cells x 1, a probability,
    `bbox_s` 1 x cells x 4 and `kps_s` 1 x cells x 10, see `detection.yunet.decode`.

    Args:
        network: from images in [-1, 1] to `stride8`, `stride16` and `stride32` -> values.
        recipe: of the training.
        calibration: of the score; None leaves it as the network was trained to predict it.

    Raises:
        RuntimeError: ONNX Runtime computes other values than Keras.
    """
    parts = (('score', 0, 1), ('bbox', 1, 5), ('kps', 5, 15))
    names = [f'{part}_{stride}' for part, _, _ in parts for stride in DETECTION_STRIDES]
    applied = calibration or ScoreCalibration()

    def run(image: tf.Tensor) -> list[tf.Tensor]:
        shape = (1, 1, 1, 1)
        scaled = image * tf.constant(1 / 127.5, shape=shape) - tf.ones(shape)
        maps = network(scaled, training=False)
        outputs = []
        for part, first, end in parts:
            for stride in DETECTION_STRIDES:
                values = maps[f'stride{stride}'][..., first:end]
                if part == 'score':
                    values = tf.sigmoid(applied.scale * values + applied.offset)
                outputs.append(tf.reshape(values, (1, -1, end - first)))
        return outputs

    signature = [tf.TensorSpec((1, None, None, 3), tf.float32, name='image')]
    traced = tf.function(run, input_signature=signature)
    model, _ = tf2onnx.convert.from_function(
        traced, input_signature=signature, opset=OPSET, inputs_as_nchw=['image']
    )
    _rename_outputs(model, names)
    onnx.helper.set_model_props(
        model,
        {
            'task': recipe.task,
            'strides': ','.join(map(str, DETECTION_STRIDES)),
            'size_multiple': str(DETECTION_STRIDES[-1]),
            'color': 'bgr',
            'score': 'probability that a face is centered in the cell',
            'calibration': json.dumps(None if calibration is None else asdict(calibration)),
            'parameters': str(network.count_params()),
            'network': network.name,
            # The file is given to others and must not reveal folders of this machine.
            'recipe': recipe.model_copy(
                update={'network': Path(recipe.network).name}
            ).model_dump_json(),
            'license': LICENSE,
        },
    )
    onnx.checker.check_model(model, full_check=True)
    _check_equal(model, names, run)
    return model


def _rename_outputs(model: onnx.ModelProto, names: list[str]) -> None:
    # tf2onnx names outputs after TensorFlow's last operations.
    for output, name in zip(model.graph.output, names, strict=True):
        for node in model.graph.node:
            node.output[:] = [name if each == output.name else each for each in node.output]
            node.input[:] = [name if each == output.name else each for each in node.input]
        output.name = name


def _check_equal(
    model: onnx.ModelProto, names: list[str], run: Callable[[tf.Tensor], list[tf.Tensor]]
) -> None:
    """Check that ONNX Runtime computes the same values as Keras, for two sizes."""
    for height, width in ((64, 96), (160, 128)):
        random = np.random.default_rng(height)
        image = random.integers(0, 256, (1, height, width, 3)).astype(np.float32)
        expected = [each.numpy() for each in run(tf.constant(image))]
        inputs = {'image': image.transpose(0, 3, 1, 2)}
        check_equal(model, inputs, dict(zip(names, expected, strict=True)))
