"""ONNX gradients: extend the graph of a model file by its gradients, as ONNX operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
import math
import re

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.inference.onnx_graph import (
    AttributeValue,
    decode_tensor,
    encode_attribute,
    encode_tensor,
    encode_value_info,
    FLOAT,
    Graph,
    INT64,
    Node,
)
from face_classification_ros.inference.session import load_network, try_out
from face_classification_ros.inference.wire_format import Encoded

GRADIENT, CAM, LABEL = 'gradient', 'cam', 'label'
"""Names of the outputs, and of the additional input, of the graphs built here."""

# What lies between the logits and the probabilities: calibration, and the average over a face and
# its mirror image.
_AFTER_LOGITS = {'Softmax', 'Mul', 'Div', 'Add', 'Sub', 'Sum', 'Split', 'Squeeze'}

# 'mini_xception_1/residual_module2.1.separable_1/separable_conv2d/...' -> the layer.
_LAYER = re.compile(r'^[^/]+/([^/]+?)(?:_\d+)?/')


class GradientGraph:
    """The graph of a model file from faces to an attribute, and its gradients.

    Supports the operations that the networks of this package use in a model file. Where the model
    file averages over a face and its mirror image, the gradients are those of the face alone.

    Attributes:
        layers: names of the convolutions in the order in which they run.
        labels: number of the attribute's labels.
    """

    def __init__(self, content: bytes, attribute: str, *, guided: bool) -> None:
        """Find the part of the graph that leads to an attribute.

        Args:
            content: content of a model file.
            attribute: name of one of its outputs.
            guided: let only positive gradients back through every ReLU, on positive activations
                (guided back-propagation, Springenberg et al. 2014, section 3.4); False for the
                plain gradient.

        Raises:
            ValueError: ONNX Runtime cannot run the graph, or it contains no convolution.
        """
        self._guided = guided
        self._graph = Graph.decode(content)
        self._shapes = _find_shapes(self._graph)
        self._made_by = {name: node for node in self._graph.nodes for name in node.outputs}
        self._remove_mirror_image()
        self._logits = self._find_logits(attribute)
        self.labels = self._shapes[attribute][-1]
        self._forward = self._nodes_before(self._logits)
        convolutions = [node for node in self._forward if node.op_type == 'Conv']
        if not convolutions:
            raise ValueError('it contains no convolution')
        self._source = convolutions[0].inputs[0]
        self._convolutions: dict[str, Node] = {}
        for number, node in enumerate(convolutions, 1):
            # The name of a separable convolution stands for its second half, which computes its
            # maps.
            self._convolutions[_layer_of(node) or f'convolution{number}'] = node
        self.layers = tuple(self._convolutions)
        self._backward: list[Node] = []
        self._constants = dict(self._graph.initializers)
        self._num_names = 0

    def from_unit(self, layer: str) -> bytes:
        """Return a model that computes the gradient of a convolution's most active unit.

        Args:
            layer: one of `layers`.

        Returns:
            Content of an ONNX file: faces, uint8 N x H x W x C -> `gradient`, float32
            N x C x H x W, with respect to the (standardized) face that enters the first
            convolution.

        Raises:
            ValueError: no such convolution exists, or an operation has no known gradient.
        """
        maps = self._maps(layer)
        units = math.prod(self._shapes[maps][1:])
        flat = self._add('Reshape', maps, self._constant(np.array([-1, units])))
        best = self._add('ArgMax', flat, axis=1, keepdims=0)
        seed = self._reshaped(self._one_hot(best, units), maps)
        gradient = self._back(maps, seed, self._source)
        return self._build(maps, GRADIENT, gradient, with_label=False)

    def from_label(self) -> bytes:
        """Return a model that computes the gradient of a label's logit.

        Returns:
            Content of an ONNX file: faces, uint8 N x H x W x C, and `label`, int64 N ->
            `gradient`, float32 N x C x H x W.

        Raises:
            ValueError: an operation has no known gradient.
        """
        seed = self._reshaped(self._one_hot(LABEL, self.labels), self._logits)
        return self._build(self._logits, GRADIENT, self._back(self._logits, seed, self._source))

    def grad_cam(self, layer: str) -> bytes:
        """Return a model that computes Grad-CAM (Selvaraju et al. 2017, equations 1 and 2).

        Args:
            layer: the convolution whose maps are weighted, one of `layers`.

        Returns:
            Content of an ONNX file: faces, uint8 N x H x W x C, and `label`, int64 N -> `cam`,
            float32 N x 1 x H' x W' with the size of the convolution's maps, not negative.

        Raises:
            ValueError: no such convolution exists, or an operation has no known gradient.
        """
        maps = self._after_relu(self._maps(layer))
        seed = self._reshaped(self._one_hot(LABEL, self.labels), self._logits)
        gradient = self._back(self._logits, seed, maps)
        weights = self._add('GlobalAveragePool', gradient)
        weighted = self._add('Mul', maps, weights)
        summed = self._add('ReduceSum', weighted, self._constant(np.array([1])), keepdims=1)
        return self._build(self._logits, CAM, self._add('Relu', summed))

    def _maps(self, layer: str) -> str:
        if layer not in self._convolutions:
            raise ValueError(f'unknown convolution {layer!r}; expected {", ".join(self.layers)}')
        return self._convolutions[layer].outputs[0]

    def _build(self, target: str, output: str, value: str, *, with_label: bool = True) -> bytes:
        nodes = [
            *self._nodes_before(target),
            *self._backward,
            Node('Identity', [value], [output]),
        ]
        self._backward = []
        inputs = dict(list(self._graph.inputs.items())[:1])
        if with_label:
            inputs[LABEL] = encode_value_info(LABEL, INT64, 1)
        used = {name for node in nodes for name in node.inputs}
        return replace(
            self._graph,
            nodes=nodes,
            initializers={name: each for name, each in self._constants.items() if name in used},
            inputs=inputs,
            outputs={output: encode_value_info(output, FLOAT, 4)},
        ).encode()

    def _remove_mirror_image(self) -> None:
        """Process the face alone where the graph joins it with its mirror image in one batch."""
        for joined in self._graph.nodes:
            if joined.op_type == 'Concat' and len(self._shapes[joined.outputs[0]]) == 4:
                for node in self._graph.nodes:
                    node.inputs = [
                        joined.inputs[0] if name == joined.outputs[0] else name
                        for name in node.inputs
                    ]

    def _find_logits(self, attribute: str) -> str:
        name = attribute
        while self._made_by[name].op_type in _AFTER_LOGITS:
            inputs = self._made_by[name].inputs
            name = next((each for each in inputs if each not in self._graph.initializers), '')
        return name

    def _after_relu(self, maps: str) -> str:
        users = [node for node in self._forward if maps in node.inputs]
        return users[0].outputs[0] if [node.op_type for node in users] == ['Relu'] else maps

    def _nodes_before(self, target: str) -> list[Node]:
        needed = {target}
        nodes = []
        for node in reversed(self._graph.nodes):
            if needed & set(node.outputs):
                needed.update(node.inputs)
                nodes.append(node)
        return nodes[::-1]

    # Gradients of the operations

    def _back(self, target: str, seed: str, source: str) -> str:
        """Return the gradient at `source` for a gradient `seed` at `target`."""
        reached = {source}
        between = []
        for node in self._nodes_before(target):
            # The size of a tensor has no gradient.
            if node.op_type != 'Shape' and reached & set(node.inputs):
                reached.update(node.outputs)
                between.append(node)
        gradients = {target: seed}
        for node in reversed(between):
            step = _STEPS.get(node.op_type)
            if step is None:
                raise ValueError(f'the gradient of the operation {node.op_type} is not known')
            gradient = step(self, node, gradients[node.outputs[0]])
            for name in reached & set(node.inputs):
                known = gradients.get(name)
                gradients[name] = self._add('Add', known, gradient) if known else gradient
        return gradients[source]

    def _convolution(self, node: Node, gradient: str) -> str:
        group, weights = node.integer('group', 1), self._weights(node)
        if node.integers('strides', [1, 1]) != [1, 1]:
            return self._transposed(node, gradient, node.inputs[1], weights.shape[2:], group)
        # The same as a convolution with the kernel rotated by 180 degrees, inputs and outputs
        # swapped: many times as fast in ONNX Runtime as its transposed convolution.
        outputs, inputs, *kernel = weights.shape
        parts = weights.reshape(group, outputs // group, inputs, *kernel)[..., ::-1, ::-1]
        rotated = parts.swapaxes(1, 2).reshape(group * inputs, outputs // group, *kernel)
        pads = node.integers('pads', [0, 0, 0, 0])
        return self._add(
            'Conv',
            gradient,
            self._constant(rotated),
            pads=[kernel[i % 2] - 1 - pad for i, pad in enumerate(pads)],
            group=group,
        )

    def _transposed(
        self, node: Node, gradient: str, weights: str, kernel: Sequence[int], group: int
    ) -> str:
        strides = node.integers('strides', [1, 1])
        pads = node.integers('pads', [0, 0, 0, 0])
        sizes = zip(
            self._shapes[node.inputs[0]][2:], self._shapes[node.outputs[0]][2:], strict=True
        )
        # The pixels at the far edge that no stride reached.
        rest = [
            size - ((out - 1) * strides[i] - pads[i] - pads[i + 2] + kernel[i])
            for i, (size, out) in enumerate(sizes)
        ]
        return self._add(
            'ConvTranspose',
            gradient,
            weights,
            strides=strides,
            pads=pads,
            output_padding=rest,
            group=group,
        )

    def _relu(self, node: Node, gradient: str) -> str:
        zero = self._constant(np.array(0, np.float32))
        active = self._add('Greater', node.outputs[0], zero)
        if self._guided:
            gradient = self._add('Relu', gradient)
        return self._add('Where', active, gradient, zero)

    def _max_pool(self, node: Node, gradient: str) -> str:
        if len(node.outputs) == 1:
            # The index of each window's largest pixel, counted over the whole batch.
            node.outputs.append(f'{node.outputs[0]}_indices')
        flat = self._constant(np.array([-1]))
        size = self._add('Size', node.inputs[0])
        one = self._add('Reshape', size, flat)
        zeros = self._add('ConstantOfShape', one, value=np.zeros(1, np.float32))
        indices = self._add('Reshape', node.outputs[1], flat)
        values = self._add('Reshape', gradient, flat)
        sums = self._add('ScatterElements', zeros, indices, values, axis=0, reduction='add')
        return self._reshaped(sums, node.inputs[0])

    def _average_pool(self, node: Node, gradient: str) -> str:
        kernel, maps = node.integers('kernel_shape'), self._shapes[node.inputs[0]][1]
        strides, pads = node.integers('strides', [1, 1]), node.integers('pads', [0, 0, 0, 0])
        if max(kernel) > max(self._shapes[node.inputs[0]][2:]):
            # Padding allows any size, and with it any amount of memory.
            raise ValueError(f'the gradient of an average over {kernel} pixels is not known')
        # At an edge the mean is over the pixels inside.
        counts = self._counts(node, kernel, strides, pads)
        scaled = self._add('Div', gradient, self._constant(counts))
        if kernel == strides and pads[:2] == [0, 0]:
            # Windows that do not overlap: every pixel gets the value of its window.
            scales = self._constant(np.array([1, 1, *kernel], np.float32))
            enlarged = self._add('Resize', scaled, '', scales, mode='nearest')
            size = self._constant(np.array(self._shapes[node.inputs[0]][2:]))
            axes, zeros = self._constant(np.array([2, 3])), self._constant(np.array([0, 0]))
            return self._add('Slice', enlarged, zeros, size, axes)
        ones = self._constant(np.ones((maps, 1, *kernel), np.float32))
        return self._transposed(node, scaled, ones, kernel, maps)

    def _counts(
        self, node: Node, kernel: Sequence[int], strides: Sequence[int], pads: Sequence[int]
    ) -> NDArray[np.float32]:
        """Return for each window the number of its pixels that lie inside, H' x W'."""
        sizes = []
        for axis in range(2):
            size = self._shapes[node.inputs[0]][2 + axis]
            starts = (
                np.arange(self._shapes[node.outputs[0]][2 + axis]) * strides[axis] - pads[axis]
            )
            sizes.append(np.minimum(starts + kernel[axis], size) - np.maximum(starts, 0))
        return np.outer(*sizes).astype(np.float32)

    def _global_average(self, node: Node, gradient: str) -> str:
        height, width = self._shapes[node.inputs[0]][2:]
        weight = np.full((1, 1, height, width), 1 / (height * width), np.float32)
        return self._add('Mul', gradient, self._constant(weight))

    def _reshape(self, node: Node, gradient: str) -> str:
        return self._reshaped(gradient, node.inputs[0])

    def _transpose(self, node: Node, gradient: str) -> str:
        order = np.argsort(node.integers('perm')).tolist()
        return self._add('Transpose', gradient, perm=order)

    def _product(self, node: Node, gradient: str) -> str:
        return self._add('MatMul', gradient, self._constant(self._weights(node).T))

    def _same(self, node: Node, gradient: str) -> str:
        return gradient

    # Building blocks

    def _weights(self, node: Node) -> NDArray[np.float32]:
        return decode_tensor(self._graph.initializers[node.inputs[1]])

    def _add(self, op_type: str, *inputs: str, **attributes: AttributeValue) -> str:
        name = self._new_name()
        encoded: dict[str, Encoded] = {
            key: encode_attribute(key, value) for key, value in attributes.items()
        }
        self._backward.append(Node(op_type, list(inputs), [name], encoded))
        return name

    def _constant(self, value: NDArray[np.generic]) -> str:
        name = self._new_name()
        self._constants[name] = encode_tensor(name, value)
        return name

    def _new_name(self) -> str:
        self._num_names += 1
        return f'gradients/{self._num_names}'

    def _one_hot(self, index: str, depth: int) -> str:
        values = self._constant(np.array([0, 1], np.float32))
        return self._add('OneHot', index, self._constant(np.array([depth])), values, axis=1)

    def _reshaped(self, name: str, like: str) -> str:
        shape = np.array([-1, *self._shapes[like][1:]], np.int64)
        return self._add('Reshape', name, self._constant(shape))


_STEPS: dict[str, Callable[[GradientGraph, Node, str], str]] = {
    'Add': GradientGraph._same,
    'AveragePool': GradientGraph._average_pool,
    'Conv': GradientGraph._convolution,
    'GlobalAveragePool': GradientGraph._global_average,
    'MatMul': GradientGraph._product,
    'MaxPool': GradientGraph._max_pool,
    'Relu': GradientGraph._relu,
    'Reshape': GradientGraph._reshape,
    'Transpose': GradientGraph._transpose,
}


def _find_shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor that a graph computes for one face.

    Model files do not contain them, so the graph runs once with all of its tensors as outputs.
    """
    names = [name for node in graph.nodes for name in node.outputs if name]
    outputs = {name: graph.outputs.get(name, encode_value_info(name)) for name in names}
    session = load_network(replace(graph, outputs=outputs).encode())
    faces = session.get_inputs()[0]
    blank = np.zeros([size if isinstance(size, int) else 1 for size in faces.shape], np.uint8)
    values = try_out(session, names, {faces.name: blank})
    return {
        faces.name: blank.shape,
        **{name: np.shape(value) for name, value in zip(names, values, strict=True)},
    }


def _layer_of(node: Node) -> str | None:
    """Return the name of the Keras layer that a convolution comes from; None where unknown."""
    for name in (*node.outputs, *node.inputs[1:]):
        if match := _LAYER.match(name):
            return match[1].partition('.norm')[0].removesuffix('.maps')
    return None
