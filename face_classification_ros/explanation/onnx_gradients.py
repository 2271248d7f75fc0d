"""Add the way back to a model file's graph: gradients without TensorFlow, as ONNX operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
import onnx
from onnx import helper, numpy_helper, TensorProto

GRADIENT, CAM, LABEL = 'gradient', 'cam', 'label'
"""Names of the outputs and of the further input of the graphs made here."""

# From probabilities back to the scores of the labels: calibration, and the average over a face and
# its mirror image.
_AFTER_LOGITS = {'Softmax', 'Mul', 'Div', 'Add', 'Sub', 'Sum', 'Split', 'Squeeze'}

# 'mini_xception_1/residual_module2.1.separable_1/separable_conv2d/...' -> the layer.
_LAYER = re.compile(r'^[^/]+/([^/]+?)(?:_\d+)?/')


class BackwardGraph:
    """The graph of a model file, from faces to what is looked at, and the way back.

    Written for the operations that the networks of this package consist of in a model file. A face
    is looked at once: where the model file averages over its mirror image, that half is left out.

    Attributes:
        layers: names of the convolutions in the order in which a face goes through them.
        labels: number of the attribute's labels.
    """

    def __init__(self, model: onnx.ModelProto, attribute: str, *, guided: bool) -> None:
        """Take the graph that leads to an attribute.

        Args:
            model: of a model file.
            attribute: one of its outputs.
            guided: let only positive gradients back through every ReLU, on positive activations
                (guided back-propagation, Springenberg et al. 2014, section 3.4); False for the
                gradient itself.

        Raises:
            ValueError: the graph holds no convolution.
        """
        self._model = onnx.shape_inference.infer_shapes(model)
        graph = self._model.graph
        self._guided = guided
        self._constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        self._made_by = {name: node for node in graph.node for name in node.output}
        self._shapes = {
            each.name: tuple(
                axis.dim_value if axis.HasField('dim_value') else -1
                for axis in each.type.tensor_type.shape.dim
            )
            for each in (*graph.value_info, *graph.output, *graph.input)
        }
        self._drop_mirror_image()
        self._logits = self._find_logits(attribute)
        self.labels = self._shapes[attribute][-1]
        self._forward = self._nodes_before(self._logits)
        convolutions = [node for node in self._forward if node.op_type == 'Conv']
        if not convolutions:
            raise ValueError('it holds no convolution that could be looked at')
        self._source = convolutions[0].input[0]
        self._convolutions: dict[str, onnx.NodeProto] = {}
        for number, node in enumerate(convolutions, 1):
            # Of a separable convolution the second half counts, as it has its maps.
            self._convolutions[_layer_of(node) or f'convolution{number}'] = node
        self.layers = tuple(self._convolutions)
        self._nodes: list[onnx.NodeProto] = []
        self._made = 0

    def from_unit(self, layer: str) -> onnx.ModelProto:
        """Give the gradient of the most active unit of a convolution, one of `layers`.

        Returns:
            Faces, uint8 N x H x W x C -> `gradient`, float32 N x C x H x W, by the (standardized)
            face that enters the first convolution.

        Raises:
            ValueError: there is no such convolution, or an operation has no way back.
        """
        maps = self._maps(layer)
        units = math.prod(self._shapes[maps][1:])
        flat = self._add('Reshape', maps, self._constant(np.array([-1, units])))
        best = self._add('ArgMax', flat, axis=1, keepdims=0)
        seed = self._reshaped(self._one_hot(best, units), maps)
        return self._graph(maps, GRADIENT, self._back(maps, seed, self._source), with_label=False)

    def from_label(self) -> onnx.ModelProto:
        """Give the gradient of a label's score, before the softmax.

        Returns:
            Faces, uint8 N x H x W x C, and `label`, int64 N -> `gradient`, float32 N x C x H x W.

        Raises:
            ValueError: an operation has no way back.
        """
        seed = self._reshaped(self._one_hot(LABEL, self.labels), self._logits)
        return self._graph(self._logits, GRADIENT, self._back(self._logits, seed, self._source))

    def grad_cam(self, layer: str) -> onnx.ModelProto:
        """Give Grad-CAM: where a convolution's maps speak for a label (Selvaraju 2017, eq. 1, 2).

        Returns:
            Faces, uint8 N x H x W x C, and `label`, int64 N -> `cam`, float32 N x 1 x H' x W' of
            the convolution's maps, 0 and above.

        Raises:
            ValueError: there is no such convolution, or an operation has no way back.
        """
        maps = self._after_relu(self._maps(layer))
        seed = self._reshaped(self._one_hot(LABEL, self.labels), self._logits)
        gradient = self._back(self._logits, seed, maps)
        weights = self._add('GlobalAveragePool', gradient)
        weighted = self._add('Mul', maps, weights)
        summed = self._add('ReduceSum', weighted, self._constant(np.array([1])), keepdims=1)
        return self._graph(self._logits, CAM, self._add('Relu', summed))

    def _maps(self, layer: str) -> str:
        if layer not in self._convolutions:
            raise ValueError(
                f'there is no convolution {layer!r}; there are: {", ".join(self.layers)}'
            )
        return self._convolutions[layer].output[0]

    def _graph(
        self, target: str, output: str, value: str, *, with_label: bool = True
    ) -> onnx.ModelProto:
        forward = self._nodes_before(target)
        nodes = [*forward, *self._nodes, helper.make_node('Identity', [value], [output])]
        inputs = [self._model.graph.input[0]]
        if with_label:
            inputs.append(helper.make_tensor_value_info(LABEL, TensorProto.INT64, ['N']))
        used = {name for node in nodes for name in node.input}
        graph = helper.make_graph(
            nodes,
            'explanation',
            inputs,
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None] * 4)],
            [
                numpy_helper.from_array(array, name)
                for name, array in self._constants.items()
                if name in used
            ],
        )
        self._nodes = []
        return helper.make_model(
            graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version
        )

    def _drop_mirror_image(self) -> None:
        """Look at the face alone where it is put into one batch with its mirror image."""
        for joined in self._model.graph.node:
            if joined.op_type == 'Concat' and len(self._shapes[joined.output[0]]) == 4:
                for node in self._model.graph.node:
                    names = [joined.input[0] if n == joined.output[0] else n for n in node.input]
                    node.input[:] = names

    def _find_logits(self, attribute: str) -> str:
        name = attribute
        while self._made_by[name].op_type in _AFTER_LOGITS:
            node = self._made_by[name]
            name = next((each for each in node.input if each not in self._constants), '')
        return name

    def _after_relu(self, maps: str) -> str:
        users = [node for node in self._forward if maps in node.input]
        return users[0].output[0] if [node.op_type for node in users] == ['Relu'] else maps

    def _nodes_before(self, target: str) -> list[onnx.NodeProto]:
        needed = {target}
        nodes = []
        for node in reversed(self._model.graph.node):
            if needed & set(node.output):
                needed.update(node.input)
                nodes.append(node)
        return nodes[::-1]

    # The way back

    def _back(self, target: str, seed: str, source: str) -> str:
        """Give the gradient at `source` for a gradient `seed` at `target`."""
        reached = {source}
        between = []
        for node in self._nodes_before(target):
            # No gradient goes through the size of a tensor.
            if node.op_type != 'Shape' and reached & set(node.input):
                reached.update(node.output)
                between.append(node)
        gradients = {target: seed}
        for node in reversed(between):
            step = _STEPS.get(node.op_type)
            if step is None:
                raise ValueError(f'there is no way back through the operation {node.op_type}')
            gradient = step(self, node, gradients[node.output[0]])
            for name in reached & set(node.input):
                known = gradients.get(name)
                gradients[name] = self._add('Add', known, gradient) if known else gradient
        return gradients[source]

    def _convolution(self, node: onnx.NodeProto, gradient: str) -> str:
        attributes = _attributes(node)
        group, weights = attributes.get('group', 1), self._constants[node.input[1]]
        if attributes.get('strides', [1, 1]) != [1, 1]:
            return self._transposed(node, gradient, node.input[1], weights.shape[2:], group)
        # The same as a convolution with the kernel turned by half, inputs and outputs swapped:
        # many times as fast in ONNX Runtime as its transposed convolution.
        outputs, inputs, *kernel = weights.shape
        parts = weights.reshape(group, outputs // group, inputs, *kernel)[..., ::-1, ::-1]
        rotated = parts.swapaxes(1, 2).reshape(group * inputs, outputs // group, *kernel)
        pads = attributes.get('pads', [0, 0, 0, 0])
        return self._add(
            'Conv',
            gradient,
            self._constant(np.ascontiguousarray(rotated)),
            pads=[kernel[i % 2] - 1 - pad for i, pad in enumerate(pads)],
            group=group,
        )

    def _transposed(
        self, node: onnx.NodeProto, gradient: str, weights: str, kernel: Sequence[int], group: int
    ) -> str:
        attributes = _attributes(node)
        strides = attributes.get('strides', [1, 1])
        pads = attributes.get('pads', [0, 0, 0, 0])
        sizes = zip(self._shapes[node.input[0]][2:], self._shapes[node.output[0]][2:], strict=True)
        # What a stride leaves over at the far edge.
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

    def _relu(self, node: onnx.NodeProto, gradient: str) -> str:
        zero = self._constant(np.float32(0))
        active = self._add('Greater', node.output[0], zero)
        if self._guided:
            gradient = self._add('Relu', gradient)
        return self._add('Where', active, gradient, zero)

    def _max_pool(self, node: onnx.NodeProto, gradient: str) -> str:
        if len(node.output) == 1:
            # Which pixel was the largest, counted over the whole batch.
            node.output.append(f'{node.output[0]}_places')
        flat = self._constant(np.array([-1]))
        size = self._add('Size', node.input[0])
        one = self._add('Reshape', size, flat)
        zeros = self._add('ConstantOfShape', one, value=helper.make_tensor('', 1, [1], [0.0]))
        places = self._add('Reshape', node.output[1], flat)
        values = self._add('Reshape', gradient, flat)
        sums = self._add('ScatterElements', zeros, places, values, axis=0, reduction='add')
        return self._reshaped(sums, node.input[0])

    def _average_pool(self, node: onnx.NodeProto, gradient: str) -> str:
        attributes = _attributes(node)
        kernel, maps = attributes['kernel_shape'], self._shapes[node.input[0]][1]
        # At an edge the mean is over the pixels inside.
        inside = self._counts(node, kernel, attributes.get('strides', [1, 1]))
        shares = self._add('Div', gradient, self._constant(inside))
        if kernel == attributes.get('strides') and attributes.get('pads', [0, 0])[:2] == [0, 0]:
            # Windows side by side: every pixel gets its window's share.
            scales = self._constant(np.array([1, 1, *kernel], np.float32))
            grown = self._add('Resize', shares, '', scales, mode='nearest')
            size = self._constant(np.array(self._shapes[node.input[0]][2:]))
            axes, zeros = self._constant(np.array([2, 3])), self._constant(np.array([0, 0]))
            return self._add('Slice', grown, zeros, size, axes)
        ones = self._constant(np.ones((maps, 1, *kernel), np.float32))
        return self._transposed(node, shares, ones, kernel, maps)

    def _counts(
        self, node: onnx.NodeProto, kernel: Sequence[int], strides: Sequence[int]
    ) -> NDArray[np.float32]:
        pads = _attributes(node).get('pads', [0, 0, 0, 0])
        sides = []
        for axis in range(2):
            size = self._shapes[node.input[0]][2 + axis]
            starts = np.arange(self._shapes[node.output[0]][2 + axis]) * strides[axis] - pads[axis]
            sides.append(np.minimum(starts + kernel[axis], size) - np.maximum(starts, 0))
        return np.outer(*sides).astype(np.float32)

    def _global_average(self, node: onnx.NodeProto, gradient: str) -> str:
        height, width = self._shapes[node.input[0]][2:]
        share = np.full((1, 1, height, width), 1 / (height * width), np.float32)
        return self._add('Mul', gradient, self._constant(share))

    def _reshape(self, node: onnx.NodeProto, gradient: str) -> str:
        return self._reshaped(gradient, node.input[0])

    def _transpose(self, node: onnx.NodeProto, gradient: str) -> str:
        order = np.argsort(_attributes(node)['perm']).tolist()
        return self._add('Transpose', gradient, perm=order)

    def _product(self, node: onnx.NodeProto, gradient: str) -> str:
        weights = self._constants[node.input[1]]
        return self._add('MatMul', gradient, self._constant(np.ascontiguousarray(weights.T)))

    def _same(self, node: onnx.NodeProto, gradient: str) -> str:
        return gradient

    # What nodes are made by

    def _add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        self._made += 1
        name = f'back{self._made}'
        self._nodes.append(helper.make_node(operation, inputs, [name], **attributes))
        return name

    def _constant(self, value: Any) -> str:
        name = f'constant{len(self._constants)}'
        self._constants[name] = np.asarray(value)
        return name

    def _one_hot(self, index: str, depth: int) -> str:
        values = self._constant(np.array([0, 1], np.float32))
        return self._add('OneHot', index, self._constant(np.array([depth])), values, axis=1)

    def _reshaped(self, name: str, like: str) -> str:
        shape = np.array([-1, *self._shapes[like][1:]], np.int64)
        return self._add('Reshape', name, self._constant(shape))


_STEPS: dict[str, Callable[[BackwardGraph, onnx.NodeProto, str], str]] = {
    'Add': BackwardGraph._same,
    'AveragePool': BackwardGraph._average_pool,
    'Conv': BackwardGraph._convolution,
    'GlobalAveragePool': BackwardGraph._global_average,
    'MatMul': BackwardGraph._product,
    'MaxPool': BackwardGraph._max_pool,
    'Relu': BackwardGraph._relu,
    'Reshape': BackwardGraph._reshape,
    'Transpose': BackwardGraph._transpose,
}


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def _layer_of(node: onnx.NodeProto) -> str | None:
    """Give the name of the Keras layer that a convolution comes from; None where it is lost."""
    for name in (*node.output, *node.input[1:]):
        if match := _LAYER.match(name):
            return match[1].partition('.norm')[0].removesuffix('.maps')
    return None
