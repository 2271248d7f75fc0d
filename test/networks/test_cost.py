"""Cost of networks before training, and their limits."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

import tensorflow as tf

from face_classification_ros.networks.builder import build_network, LimitExceededError
from face_classification_ros.networks.cost import (
    check_latency,
    check_limits,
    measure_cost,
    NetworkCost,
)
from face_classification_ros.networks.description import NetworkDescription, read_network
from face_classification_ros.networks.onnx_export import convert_to_onnx

BLOCKS = [
    {'block': 'convolution', 'filters': 4, 'padding': 'valid'},
    {'block': 'separable_convolution', 'filters': 5},
    {'block': 'residual_module', 'filters': 6},
    {'block': 'average_pooling'},
]


def describe(**more: Any) -> NetworkDescription:
    """Describe a network that is small enough to count by hand."""
    return NetworkDescription.model_validate({'name': 'my_net', 'blocks': BLOCKS, **more})


@pytest.fixture(scope='module')
def multitask() -> NetworkCost:
    """Measure mini-Xception for two attributes."""
    return measure_cost(read_network('mini_xception'), (48, 48, 1), {'gender': 2, 'emotion': 7})


@pytest.mark.parametrize(
    ('head', 'parameters', 'multiply_adds'),
    [
        # One 3x3 convolution with bias from 6 maps of 2x2 to 7.
        ('pooling', 9 * 6 * 7 + 7, 2 * 2 * 9 * 6 * 7),
        # From 2x2x6 values to 10 units, from there to 7, both with bias.
        ('dense', 24 * 10 + 10 + 10 * 7 + 7, 24 * 10 + 10 * 7),
    ],
)
def test_parameters_and_multiply_adds_are_those_counted_by_hand(
    head: str, parameters: int, multiply_adds: int
) -> None:
    """For color faces of 8x8; batch normalization: 4 parameters per map, no multiply-adds."""
    settings = {'head': head, 'units': 10} if head == 'dense' else {'head': head}
    cost = measure_cost(describe(head=settings), (8, 8, 3), {'emotion': 7}, latency=False)
    counted = [
        (block.name, block.output_shape, block.parameters, block.multiply_adds)
        for block in cost.blocks
    ]
    module_parameters = (
        (5 * 6 + 4 * 6)  # the shortcut: 1x1
        + (9 * 5 + 5 * 6 + 4 * 6)  # the first separable convolution
        + (9 * 6 + 6 * 6 + 4 * 6)  # the second one
    )
    module_multiply_adds = 3 * 3 * 5 * 6 + 6 * 6 * (9 * 5 + 5 * 6) + 6 * 6 * (9 * 6 + 6 * 6)
    assert counted == [
        ('convolution1', (6, 6, 4), 9 * 3 * 4 + 4 * 4, 6 * 6 * 9 * 3 * 4),
        ('separable_convolution1', (6, 6, 5), 9 * 4 + 4 * 5 + 4 * 5, 6 * 6 * (9 * 4 + 4 * 5)),
        ('residual_module1', (3, 3, 6), module_parameters, module_multiply_adds),
        ('average_pooling1', (2, 2, 6), 0, 0),
        ('emotion', (7,), parameters, multiply_adds),
    ]
    assert cost.parameters == sum(each[2] for each in counted)
    assert cost.multiply_adds == sum(each[3] for each in counted)


def test_receptive_field_is_the_region_of_influence() -> None:
    """The gradient of a central value is zero outside of it, and not at its edges."""
    description, shape, heads = describe(), (64, 64, 1), {'emotion': 7}
    tf.keras.utils.set_random_seed(0)
    network = build_network(description, shape, heads)
    cost = measure_cost(description, shape, heads, latency=False)
    # For the head, before its maps are averaged over the whole face.
    ends = {
        'convolution1': 'convolution1.relu',
        'separable_convolution1': 'separable_convolution1.relu',
        'residual_module1': 'residual_module1.add',
        'average_pooling1': 'average_pooling1',
        'emotion': 'emotion.maps',
    }
    # Many faces, as maximum pooling and ReLU block the gradient at most positions.
    faces = tf.constant(np.random.default_rng(0).uniform(-1, 1, (64, *shape)), tf.float32)
    for block in cost.blocks:
        prefix = tf.keras.Model(network.inputs, network.get_layer(ends[block.name]).output)
        with tf.GradientTape() as tape:
            tape.watch(faces)
            maps = prefix(faces)
            middle = maps[:, maps.shape[1] // 2, maps.shape[2] // 2]
            # Not their sum, in which maps could cancel out.
            value = tf.reduce_sum(tf.square(middle))
        influence = np.abs(tape.gradient(value, faces)).sum(axis=(0, 3))
        for axis in (0, 1):
            (positions,) = np.nonzero(influence.sum(axis=axis))
            assert positions[-1] - positions[0] + 1 == block.receptive_field, block.name


def test_receptive_field_of_a_network_is_that_of_its_last_maps(multitask: NetworkCost) -> None:
    """3 and 5 pixels for the convolutions; a module adds 6 steps of the stride at its input."""
    fields = [block.receptive_field for block in multitask.blocks]
    assert fields == [1, 3, 5, 5 + 6, 11 + 12, 23 + 24, 47 + 48, 95 + 32, 95 + 32]
    assert multitask.receptive_field == 127


def test_file_size_is_that_of_the_whole_network(multitask: NetworkCost) -> None:
    """The sum over blocks is the size of the converted network, to 1 %."""
    network = build_network(read_network('mini_xception'), (48, 48, 1), multitask.heads)

    def predict(faces: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: tf.nn.softmax(each) for name, each in network(faces).items()}

    assert multitask.file_size == pytest.approx(
        convert_to_onnx(predict, (48, 48, 1)).ByteSize(), rel=0.01
    )
    largest = max(multitask.blocks, key=lambda block: block.file_size)
    assert largest.name == 'residual_module4'


def test_latency_is_the_sum_over_blocks(multitask: NetworkCost) -> None:
    """No block has a negative latency, and one face takes less than 50 ms."""
    times = [block.latency_ms for block in multitask.blocks]
    assert all(each is not None and each >= 0 for each in times)
    assert multitask.latency_ms is not None
    assert 0 < multitask.latency_ms < 50


def test_latency_is_none_if_not_measured() -> None:
    """0 would be a good latency."""
    cost = measure_cost(describe(), (32, 32, 1), {'gender': 2}, latency=False)
    assert cost.latency_ms is None
    assert {block.latency_ms for block in cost.blocks} == {None}


def test_limit_of_parameters_names_the_block() -> None:
    """124 + 76 parameters are within a limit of 300; the module's 267 are not."""
    cost = measure_cost(describe(), (8, 8, 3), {'gender': 2}, latency=False)
    check_limits(describe(limits={'max_parameters': cost.parameters}), cost)
    with pytest.raises(LimitExceededError) as error:
        check_limits(describe(limits={'max_parameters': 300}), cost)
    assert (error.value.block, error.value.cost) == ('residual_module1', 467)


def test_limit_of_latency_names_the_block() -> None:
    """The first block takes more than a nanosecond; a second is enough for all."""
    shape, heads = (32, 32, 1), {'gender': 2}
    check_latency(describe(limits={'max_latency_ms': 1000}), shape, heads)
    with pytest.raises(LimitExceededError) as error:
        check_latency(describe(limits={'max_latency_ms': 1e-6}), shape, heads)
    assert error.value.block == 'convolution1'


def test_network_without_limits_passes() -> None:
    """Regardless of its cost."""
    cost = measure_cost(describe(), (32, 32, 1), {'gender': 2})
    check_limits(describe(), cost)
    check_latency(describe(), (32, 32, 1), {'gender': 2})
