"""Graphs are read and written as by the Python package onnx."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip('onnx', reason='needs the extra [train]')

import onnx

from face_classification_ros.inference.model_zoo import share_folder
from face_classification_ros.inference.onnx_graph import (
    decode_tensor,
    encode_attribute,
    encode_tensor,
    encode_value_info,
    FLOAT,
    Graph,
    INT64,
    Node,
)
from face_classification_ros.inference.wire_format import write_fields

PAIR = encode_tensor('', np.ones(2, np.float32))
MODELS = sorted((share_folder() / 'resource' / 'models').glob('*.onnx'))


@pytest.mark.parametrize('path', MODELS, ids=lambda path: path.stem)
def test_a_shipped_model_is_the_same_after_reading_and_writing(path: Any) -> None:
    """Nodes, weights, inputs, outputs and versions are equal."""
    before = onnx.load(path)
    after = onnx.load_model_from_string(Graph.decode(path.read_bytes()).encode())
    onnx.checker.check_model(after, full_check=True)
    for node in before.graph.node:
        node.ClearField('name')
        node.domain = node.domain or ''
    for part in ('node', 'initializer', 'input', 'output'):
        assert list(getattr(after.graph, part)) == list(getattr(before.graph, part))
    assert after.ir_version == before.ir_version
    assert list(after.opset_import) == list(before.opset_import)


@pytest.mark.parametrize('value', [3, -1, 'nearest', [2, -2, 2**40]])
def test_an_attribute_is_written_as_onnx_reads_it(value: Any) -> None:
    """Integers, texts and lists of integers."""
    attribute = onnx.AttributeProto.FromString(encode_attribute('axis', value))
    assert attribute == onnx.helper.make_attribute('axis', value)


@pytest.mark.parametrize(
    'array',
    [
        np.array(0, np.float32),
        np.arange(12, dtype=np.float32).reshape(3, 4).T,
        np.array([-1, 2**40]),
        np.zeros((0, 3), np.float32),
    ],
    ids=['scalar', 'transposed', 'integers', 'empty'],
)
def test_a_tensor_is_written_as_onnx_reads_it(array: Any) -> None:
    """Shape, type and values, alone and as an attribute."""
    tensor = onnx.TensorProto.FromString(encode_tensor('weights', array))
    assert tensor.name == 'weights'
    attribute = onnx.AttributeProto.FromString(encode_attribute('value', array))
    for each in (tensor, onnx.helper.get_attribute_value(attribute)):
        found = onnx.numpy_helper.to_array(each)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize('raw', [False, True])
def test_a_tensor_of_onnx_is_read(raw: bool) -> None:
    """As raw bytes or as a list of values."""
    array = np.array([[1.5, -2], [0, 1e-9]], np.float32)
    values = array.tobytes() if raw else array.ravel()
    tensor = onnx.helper.make_tensor('weights', onnx.TensorProto.FLOAT, (2, 2), values, raw=raw)
    found = decode_tensor(tensor.SerializeToString())
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ('tensor', 'problem'),
    [
        pytest.param(encode_tensor('', np.array([1])), 'float32', id='integers'),
        pytest.param(PAIR + write_fields((1, 2)), '2 elements', id='a shape of 4 values'),
        pytest.param(PAIR + write_fields((9, b'a')), 'size', id='9 bytes'),
    ],
)
def test_tensor_that_is_not_a_weight_is_rejected(tensor: bytes, problem: str) -> None:
    """The type is not float, or the number of values does not fit the shape."""
    with pytest.raises(ValueError, match=problem):
        decode_tensor(tensor)


def test_attributes_of_a_node_are_read() -> None:
    """Lists of integers, packed or not, and defaults for missing attributes."""
    encoded = onnx.helper.make_node('Conv', ['x', '', 'w'], ['y'], group=4, pads=[0, -1])
    node = Node.decode(encoded.SerializeToString())
    assert (node.op_type, node.inputs, node.outputs) == ('Conv', ['x', '', 'w'], ['y'])
    assert node.integer('group', 1) == 4 and node.integer('axis', 1) == 1
    assert node.integers('pads') == [0, -1] and node.integers('strides', [1, 1]) == [1, 1]
    packed = write_fields((1, 'pads'), (8, b'\x03\x8e\x02'))
    assert Node('Conv', [], [], {'pads': packed}).integers('pads') == [3, 270]
    with pytest.raises(KeyError):
        node.integers('kernel_shape')


@pytest.mark.parametrize('element_type', [FLOAT, INT64])
def test_an_output_is_described_as_onnx_reads_it(element_type: int) -> None:
    """Its type, and its number of dimensions of unknown size."""
    found = onnx.ValueInfoProto.FromString(encode_value_info('cam', element_type, 4))
    assert found == onnx.helper.make_tensor_value_info('cam', element_type, [None] * 4)


def test_a_graph_in_several_parts_is_merged() -> None:
    """As protocol buffers specify, and as in ONNX Runtime."""
    content = MODELS[0].read_bytes()
    extra = onnx.GraphProto(node=[onnx.helper.make_node('Identity', ['faces'], ['same'])])
    graph = Graph.decode(content + write_fields((7, extra.SerializeToString())))
    assert len(graph.nodes) == len(Graph.decode(content).nodes) + 1
    assert graph.nodes[-1].outputs == ['same']
