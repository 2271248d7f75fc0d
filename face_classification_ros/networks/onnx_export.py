"""Convert Keras computations to ONNX graphs that take uint8 crops."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx
import tensorflow as tf
import tf2onnx

OPSET = 17


def scale_faces(faces: tf.Tensor) -> tf.Tensor:
    """Scale uint8 faces N x H x W x C to float32 in [-1, 1], the input of every network."""
    # Four axes: a scalar is 20 times as slow in ONNX Runtime for C = 1, where scaling would take a
    # fifth of the time of a mini-Xception.
    shape = (1, 1, 1, 1)
    return tf.cast(faces, tf.float32) * tf.constant(1 / 127.5, shape=shape) - tf.ones(shape)


def convert_to_onnx(
    function: Callable[[tf.Tensor], Mapping[str, tf.Tensor]], face_shape: tuple[int, int, int]
) -> onnx.ModelProto:
    """Convert a function of faces to ONNX.

    Args:
        function: from float32 faces N x H x W x C in [-1, 1] to name -> float32 N x values.
        face_shape: height, width and channels.

    Returns:
        A graph with the input `faces`, uint8 N x H x W x C, which it scales, and the named outputs
        in their order.
    """
    names: list[str] = []

    def run(faces: tf.Tensor) -> list[tf.Tensor]:
        outputs = function(scale_faces(faces))
        names[:] = outputs
        return list(outputs.values())

    signature = [tf.TensorSpec((None, *face_shape), tf.uint8, name='faces')]
    model, _ = tf2onnx.convert.from_function(
        tf.function(run, input_signature=signature), input_signature=signature, opset=OPSET
    )
    # tf2onnx names outputs after TensorFlow's last operations.
    for output, name in zip(model.graph.output, names, strict=True):
        for node in model.graph.node:
            node.output[:] = [name if each == output.name else each for each in node.output]
            node.input[:] = [name if each == output.name else each for each in node.input]
        output.name = name
    return model
