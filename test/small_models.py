"""Make small model files for tests: a classifier, and the detectors YuNet and Haar."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto

CASCADE = (
    b'<?xml version="1.0"?><opencv_storage><cascade><stageType>BOOST</stageType>'
    b'<featureType>HAAR</featureType><height>20</height><width>20</width><stageParams>'
    b'<boostType>GAB</boostType><minHitRate>0.995</minHitRate><maxFalseAlarm>0.5'
    b'</maxFalseAlarm><weightTrimRate>0.95</weightTrimRate><maxDepth>1</maxDepth>'
    b'<maxWeakCount>1</maxWeakCount></stageParams><featureParams><maxCatCount>0</maxCatCount>'
    b'<featSize>1</featSize>'
    b'<mode>BASIC</mode></featureParams><stageNum>1</stageNum><stages><_><maxWeakCount>1'
    b'</maxWeakCount><stageThreshold>-5.</stageThreshold><weakClassifiers><_><internalNodes>'
    b'0 -1 0 -0.01</internalNodes><leafValues>0.5 -0.5</leafValues></_></weakClassifiers></_>'
    b'</stages><features><_><rects><_>2 2 8 8 -1.</_><_>2 6 8 4 2.</_></rects><tilted>0'
    b'</tilted></_></features></cascade></opencv_storage>'
)
"""The smallest possible cascade: one stage with one tree and one feature."""


def tiny_classifier(**metadata: str) -> onnx.ModelProto:
    """Return a classifier of gender with a convolution, which takes bright faces for women."""
    graph = helper.make_graph(
        [
            helper.make_node('Cast', ['faces'], ['values'], to=TensorProto.FLOAT),
            helper.make_node('Transpose', ['values'], ['planes'], perm=[0, 3, 1, 2]),
            helper.make_node('Conv', ['planes', 'kernel'], ['maps'], kernel_shape=[1, 1]),
            helper.make_node('Relu', ['maps'], ['active']),
            helper.make_node('GlobalAveragePool', ['active'], ['means']),
            helper.make_node('Reshape', ['means', 'rows'], ['logits']),
            helper.make_node('Softmax', ['logits'], ['gender'], axis=1),
        ],
        'brightness',
        [helper.make_tensor_value_info('faces', TensorProto.UINT8, ['n', 16, 16, 1])],
        [helper.make_tensor_value_info('gender', TensorProto.FLOAT, ['n', 2])],
        [
            numpy_helper.from_array(
                np.full((2, 1, 1, 1), [[[[1]]], [[[-1]]]], np.float32) / 255, 'kernel'
            ),
            numpy_helper.from_array(np.array([-1, 2]), 'rows'),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    known = {'labels': '{"gender": ["woman", "man"]}', 'color': 'gray', 'margin': '0.1'}
    helper.set_model_props(model, known | metadata)
    return model


def following_classifier(*row: float, **metadata: str) -> onnx.ModelProto:
    """Return `tiny_classifier`, which also predicts the same movement for every face.

    Args:
        *row: movement to the right, down, and logarithm of the scale; the probability of a face is
            the mean gray level, 0 to 1.
        **metadata: of the file.
    """
    model = tiny_classifier(**({'follow_threshold': '0.6'} | metadata))
    constants = {'movement_kernel': np.zeros((len(row), 2)), 'movement_bias': np.array(row)}
    model.graph.initializer.extend(
        numpy_helper.from_array(each.astype(np.float32), name) for name, each in constants.items()
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 1]), 'halves'))
    model.graph.node.extend(
        [
            helper.make_node('Split', ['logits', 'halves'], ['bright', 'dark'], axis=1),
            helper.make_node(
                'Gemm', ['logits', 'movement_kernel', 'movement_bias'], ['distances'], transB=1
            ),
            helper.make_node('Concat', ['distances', 'bright'], ['movement'], axis=1),
        ]
    )
    model.graph.output.append(
        helper.make_tensor_value_info('movement', TensorProto.FLOAT, ['n', 4])
    )
    return model


def yunet_model() -> onnx.ModelProto:
    """Return a detector with the inputs and outputs of YuNet, and hardly any weights."""
    parts = {'cls': 1, 'obj': 1, 'bbox': 4, 'kps': 10}
    nodes, constants = [], []
    for part, size in parts.items():
        for stride in (8, 16, 32):
            name = f'{part}_{stride}'
            constants += [
                numpy_helper.from_array(np.full((size, 3, 1, 1), 1e-3, np.float32), f'{name}_w'),
                numpy_helper.from_array(np.array([1, -1, size]), f'{name}_shape'),
            ]
            nodes += [
                helper.make_node(
                    'Conv', ['input', f'{name}_w'], [f'{name}_m'], strides=[stride, stride]
                ),
                helper.make_node('Transpose', [f'{name}_m'], [f'{name}_t'], perm=[0, 2, 3, 1]),
                helper.make_node('Reshape', [f'{name}_t', f'{name}_shape'], [name]),
            ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        'yunet',
        [value('input', TensorProto.FLOAT, [1, 3, 'h', 'w'])],
        [
            value(f'{part}_{stride}', TensorProto.FLOAT, None)
            for part in parts
            for stride in (8, 16, 32)
        ],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
