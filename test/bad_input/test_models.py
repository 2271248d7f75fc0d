"""Model files that read other files, run for ever or take gigabytes are rejected."""

from __future__ import annotations

from pathlib import Path
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest
from small_models import tiny_classifier

from face_classification_ros.classification.classifier import Classifier, ModelFileError
from face_classification_ros.inference import session
from face_classification_ros.inference.wire_format import write_fields


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a model is written."""
    return tmp_path / 'model.onnx'


def rejection(path: Path, model: onnx.ModelProto | None = None) -> tuple[str, str]:
    """Return which part of a model file is rejected, and the line that says why."""
    if model is not None:
        path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError) as raised:
        Classifier(path)
    assert '\n' not in str(raised.value)
    return raised.value.part, str(raised.value)


def external(location: str) -> TensorProto:
    """Return weights that are stored in another file."""
    tensor = TensorProto(name='kernel', data_type=TensorProto.FLOAT, dims=[2, 1, 1, 1])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (('location', location), ('offset', '0'), ('length', '8')):
        tensor.external_data.add(key=key, value=value)
    return tensor


@pytest.mark.parametrize(
    'location', ['near.bin', '../far.bin', '{folder}/near.bin', '/etc/passwd']
)
def test_a_model_with_external_data_is_rejected(path: Path, location: str) -> None:
    """Also next to the model: a model file is one file."""
    (path.parent / 'near.bin').write_bytes(bytes(8))
    model = tiny_classifier()
    model.graph.initializer[0].CopyFrom(external(location.format(folder=path.parent)))
    part, line = rejection(path, model)
    assert part == 'file' and 'external data' in line


def test_a_constant_with_external_data_is_rejected(path: Path) -> None:
    """It is hidden in the attribute of an operation."""
    model = tiny_classifier()
    constant = helper.make_node('Constant', [], ['kernel'], value=external('near.bin'))
    model.graph.node.insert(0, constant)
    del model.graph.initializer[0]
    part, line = rejection(path, model)
    assert part == 'file' and 'external data' in line


def test_a_graph_behind_a_key_of_more_than_32_bits_is_rejected(path: Path) -> None:
    """ONNX Runtime cuts such a key to 32 bits and finds a graph that the check would miss."""
    model = tiny_classifier()
    model.graph.initializer[0].CopyFrom(external('near.bin'))
    graph = model.graph.SerializeToString()
    model.ClearField('graph')
    key = b'\xba\x80\x80\x80\x10'
    path.write_bytes(model.SerializeToString() + key + write_fields((0, graph))[1:])
    part, line = rejection(path)
    assert part == 'file' and 'not an ONNX file' in line


def test_a_model_with_a_loop_is_rejected(path: Path) -> None:
    """It could run for ever."""
    body = helper.make_graph(
        [helper.make_node('Identity', ['go'], ['go_on'])],
        'body',
        [
            helper.make_tensor_value_info('number', TensorProto.INT64, []),
            helper.make_tensor_value_info('go', TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info('go_on', TensorProto.BOOL, [])],
    )
    model = tiny_classifier()
    model.graph.node.append(helper.make_node('Loop', ['times', 'yes'], [], body=body))
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(2**62), 'times'),
            numpy_helper.from_array(np.array(True), 'yes'),
        ]
    )
    part, line = rejection(path, model)
    assert part == 'file' and 'loop' in line


def test_a_model_with_local_functions_is_rejected(path: Path) -> None:
    """Their operations would not have been checked."""
    model = tiny_classifier()
    model.functions.append(
        helper.make_function('own', 'F', ['x'], ['y'], [], [helper.make_opsetid('', 13)])
    )
    part, line = rejection(path, model)
    assert part == 'file' and 'functions' in line


def test_a_model_with_custom_operations_is_rejected(path: Path) -> None:
    """No library with other operations is ever loaded."""
    model = tiny_classifier()
    model.graph.node[3].domain = 'somebody'
    model.opset_import.append(helper.make_opsetid('somebody', 1))
    part, line = rejection(path, model)
    assert part == 'file' and 'somebody' in line


def test_a_model_that_needs_gigabytes_is_rejected(path: Path) -> None:
    """A file of some hundred bytes that creates a tensor of 40 GB."""
    model = tiny_classifier()
    model.graph.initializer.append(
        numpy_helper.from_array(np.array([100_000, 100_000]), 'huge_shape')
    )
    nodes = [
        helper.make_node('ConstantOfShape', ['huge_shape'], ['huge']),
        helper.make_node('ReduceMax', ['huge'], ['zero'], keepdims=0),
        helper.make_node('Add', ['logits', 'zero'], ['sum']),
    ]
    for place, node in enumerate(nodes):
        model.graph.node.insert(6 + place, node)
    model.graph.node[-1].input[0] = 'sum'
    part, line = rejection(path, model)
    if sys.version_info >= (3, 11):
        assert part == 'output' and 'does not run' in line
    else:
        # ONNX Runtime 1.23, the last one for Python 3.10, computes constants when it loads a file.
        assert part == 'file' and 'bad_alloc' in line


def test_a_model_file_that_is_too_large_is_rejected(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not read beyond the limit."""
    monkeypatch.setattr(session, 'MAX_FILE_SIZE', 2**20)
    with path.open('wb') as file:
        file.truncate(2**40)
    part, line = rejection(path)
    assert part == 'file' and '1 MiB' in line


def test_a_model_is_loaded_in_the_format_that_was_checked(path: Path) -> None:
    """A file that resembles ONNX Runtime's other format, which was not checked, is ONNX."""
    # To protocol buffers this is an unknown field and then the whole model.
    path.write_bytes(b'\x7a\x06\0\0ORTM' + tiny_classifier().SerializeToString())
    Classifier(path)


@pytest.mark.parametrize(
    ('labels', 'problem'),
    [
        ('{"gender": "wm"}', 'JSON'),
        ('{"gender": ["woman", "woman"]}', 'distinct'),
        ('{"gender": ["woman", ""]}', 'printable'),
        ('{"gender": ["woman", "\\ud800"]}', 'printable'),
        ('{"gender": ["woman", "m\\nan"]}', 'printable'),
        ('{"gender": ["woman", 2]}', 'printable'),
        ('[' * 100_000, 'JSON'),
    ],
    ids=range(7),
)
def test_labels_that_no_message_can_contain_are_rejected(
    path: Path, labels: str, problem: str
) -> None:
    """Labels are part of messages, logs and JSON."""
    part, line = rejection(path, tiny_classifier(labels=labels))
    assert part == 'labels' and problem in line


def test_an_output_that_is_not_a_distribution_is_rejected(path: Path) -> None:
    """Without the softmax its values would be published as probabilities."""
    model = tiny_classifier()
    model.graph.node[-1].op_type = 'Identity'
    del model.graph.node[-1].attribute[:]
    part, line = rejection(path, model)
    assert part == 'output' and 'distribution' in line
