"""What a network costs is known before it is trained, and a limit is kept."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

import tensorflow as tf

from face_classification_ros.networks.builder import build_network
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
    """Describe a network that is small enough to count it by hand."""
    return NetworkDescription.model_validate({'name': 'my_net', 'blocks': BLOCKS, **more})


@pytest.fixture(scope='module')
def blended() -> NetworkCost:
    """Measure the mini-Xception for both attributes."""
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
    """For faces of 8x8 in color; batch normalization has 4 parameters a map and multiplies 0."""
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


def test_the_receptive_field_is_where_a_face_has_an_influence() -> None:
    """The gradient of a value in the middle is zero outside the field, and reaches its edges."""
    description, shape, heads = describe(), (64, 64, 1), {'emotion': 7}
    tf.keras.utils.set_random_seed(0)
    network = build_network(description, shape, heads)
    cost = measure_cost(description, shape, heads, latency=False)
    # Of the head the maps count, before they are averaged over the whole face.
    ends = {
        'convolution1': 'convolution1.relu',
        'separable_convolution1': 'separable_convolution1.relu',
        'residual_module1': 'residual_module1.add',
        'average_pooling1': 'average_pooling1',
        'emotion': 'emotion.maps',
    }
    # Many faces, as maximum pooling and ReLU let the gradient through at some places only.
    faces = tf.constant(np.random.default_rng(0).uniform(-1, 1, (64, *shape)), tf.float32)
    for block in cost.blocks:
        beginning = tf.keras.Model(network.inputs, network.get_layer(ends[block.name]).output)
        with tf.GradientTape() as tape:
            tape.watch(faces)
            maps = beginning(faces)
            middle = maps[:, maps.shape[1] // 2, maps.shape[2] // 2]
            # Not their sum, in which a map could undo another one.
            value = tf.reduce_sum(tf.square(middle))
        influence = np.abs(tape.gradient(value, faces)).sum(axis=(0, 3))
        for axis in (0, 1):
            (places,) = np.nonzero(influence.sum(axis=axis))
            assert places[-1] - places[0] + 1 == block.receptive_field, block.name


def test_the_receptive_field_of_a_network_is_that_of_its_last_maps(blended: NetworkCost) -> None:
    """3 and 5 pixels for the convolutions; a module adds 6 steps of the stride at its input."""
    fields = [block.receptive_field for block in blended.blocks]
    assert fields == [1, 3, 5, 5 + 6, 11 + 12, 23 + 24, 47 + 48, 95 + 32, 95 + 32]
    assert blended.receptive_field == 127


def test_the_file_size_is_that_of_the_whole_network(blended: NetworkCost) -> None:
    """What the blocks add up to is what a converted network takes, to 1 %."""
    network = build_network(read_network('mini_xception'), (48, 48, 1), blended.heads)

    def answer(faces: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: tf.nn.softmax(each) for name, each in network(faces).items()}

    assert blended.file_size == pytest.approx(
        convert_to_onnx(answer, (48, 48, 1)).ByteSize(), rel=0.01
    )
    largest = max(blended.blocks, key=lambda block: block.file_size)
    assert largest.name == 'residual_module4'


def test_the_latency_is_that_of_the_blocks_together(blended: NetworkCost) -> None:
    """No block takes less than no time, and all together what one face takes: below 50 ms."""
    times = [block.latency_ms for block in blended.blocks]
    assert all(each is not None and each >= 0 for each in times)
    assert blended.latency_ms is not None
    assert 0 < blended.latency_ms < 50


def test_a_cost_without_latency_says_so() -> None:
    """None, not 0, which would be a good one."""
    cost = measure_cost(describe(), (32, 32, 1), {'gender': 2}, latency=False)
    assert cost.latency_ms is None
    assert {block.latency_ms for block in cost.blocks} == {None}


def test_too_many_parameters_are_told_with_the_block() -> None:
    """124 + 76 parameters are within a limit of 300; the module's 267 are not."""
    cost = measure_cost(describe(), (8, 8, 3), {'gender': 2}, latency=False)
    check_limits(describe(limits={'max_parameters': cost.parameters}), cost)
    with pytest.raises(
        ValueError, match='my_net: at residual_module1 there are 467 parameters, limit 300'
    ):
        check_limits(describe(limits={'max_parameters': 300}), cost)


def test_too_long_a_latency_is_told_with_the_block() -> None:
    """The first block takes longer than a nanosecond; a whole second is enough for all."""
    shape, heads = (32, 32, 1), {'gender': 2}
    check_latency(describe(limits={'max_latency_ms': 1000}), shape, heads)
    with pytest.raises(ValueError, match=r'my_net: at convolution1 .* ms, limit 1e-06'):
        check_latency(describe(limits={'max_latency_ms': 1e-6}), shape, heads)


def test_a_network_without_limits_keeps_them() -> None:
    """Nothing is limited where nothing is said, whatever it costs."""
    cost = measure_cost(describe(), (32, 32, 1), {'gender': 2})
    check_limits(describe(), cost)
    check_latency(describe(), (32, 32, 1), {'gender': 2})
