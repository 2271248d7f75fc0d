"""Building networks by their descriptions, among them those of the paper."""

import numpy as np
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

from face_classification_ros.networks.builder import (
    build_network,
    layers_of_blocks,
    LimitExceededError,
)
from face_classification_ros.networks.description import NetworkDescription, read_network


@pytest.mark.parametrize(
    ('network', 'heads', 'parameters'),
    [
        ('mini_xception', {'emotion': 7}, 58_423),
        ('mini_xception', {'gender': 2}, 52_658),
        ('sequential_fully_cnn', {'emotion': 7}, 590_495),
    ],
)
def test_networks_of_the_paper_have_its_number_of_parameters(
    network: str, heads: dict[str, int], parameters: int
) -> None:
    """Trained ones and moving averages, for a gray face of 64x64."""
    assert build_network(read_network(network), (64, 64, 1), heads).count_params() == parameters


def test_multitask_network_has_less_than_70_000_parameters() -> None:
    """Its last module is wider, for several attributes."""
    network = build_network(
        read_network('mini_xception_wide'), (48, 48, 1), {'gender': 2, 'emotion': 7}
    )
    assert network.count_params() == 68_761


def test_tang2013_is_nearly_all_fully_connected() -> None:
    """About 5 million parameters for faces of 48x48, 98 % of them in the hidden layer."""
    network = build_network(read_network('tang2013'), (48, 48, 1), {'emotion': 7})
    assert network.count_params() == 4_803_879
    hidden = network.get_layer('emotion.hidden').count_params()
    assert hidden / network.count_params() == pytest.approx(0.98, abs=0.01)


def test_multitask_network_has_logits_for_each_attribute() -> None:
    """One trunk, a head each, and no softmax: the rows are not probabilities."""
    network = build_network(
        read_network('mini_xception'), (48, 48, 1), {'gender': 2, 'emotion': 7}
    )
    faces = np.random.default_rng(0).uniform(-1, 1, (3, 48, 48, 1)).astype(np.float32)
    logits = network(faces)
    assert {name: tuple(each.shape) for name, each in logits.items()} == {
        'gender': (3, 2),
        'emotion': (3, 7),
    }
    assert not np.allclose(np.sum(logits['emotion'], axis=1), 1)


def test_pooling_head_accepts_faces_of_any_size() -> None:
    """One network, built without a size, is used for all."""
    network = build_network(read_network('mini_xception'), (None, None, 1), {'emotion': 7})
    for size in (48, 49, 64):
        assert network(np.zeros((2, size, size, 1), np.float32))['emotion'].shape == (2, 7)


def test_layers_are_named_after_their_block() -> None:
    """Tools find the layers of a block by its description."""
    network = build_network(read_network('mini_xception'), (48, 48, 1), {'gender': 2})
    names = [layer.name for layer in network.layers]
    for name in ('convolution2.relu', 'residual_module1.add', 'gender.maps', 'gender.logits'):
        assert name in names
    assert list(layers_of_blocks(network)) == [
        'standardization1',
        'convolution1',
        'convolution2',
        'residual_module1',
        'residual_module2',
        'residual_module3',
        'residual_module4',
        'gender',
    ]


def test_every_block_and_head_can_be_built() -> None:
    """Sizes follow from padding and stride."""
    description = NetworkDescription.model_validate(
        {
            'name': 'all_blocks',
            'blocks': [
                {'block': 'standardization'},
                {'block': 'convolution', 'filters': 4, 'size': 5, 'padding': 'valid'},
                {'block': 'separable_convolution', 'filters': 6, 'size': 5},
                {'block': 'max_pooling', 'size': 3},
                {'block': 'dropout', 'rate': 0.5},
                {'block': 'residual_module', 'filters': 8},
                {'block': 'average_pooling', 'size': 2, 'stride': 1},
            ],
            'head': {'head': 'dense', 'units': 10, 'dropout': 0.5},
        }
    )
    network = build_network(description, (32, 32, 3), {'gender': 2})
    shapes = {
        block: layers[-1].output.shape[1:] for block, layers in layers_of_blocks(network).items()
    }
    assert shapes == {
        'standardization1': (32, 32, 3),
        'convolution1': (28, 28, 4),
        'separable_convolution1': (28, 28, 6),
        'max_pooling1': (14, 14, 6),
        'dropout1': (14, 14, 6),
        'residual_module1': (7, 7, 8),
        'average_pooling1': (7, 7, 8),
        'gender': (2,),
    }


def test_too_small_faces_are_refused() -> None:
    """The message names the block without pixels."""
    with pytest.raises(ValueError, match='convolution2'):
        build_network(read_network('mini_xception'), (4, 4, 1), {'emotion': 7})


def test_limit_of_parameters_is_checked() -> None:
    """The third of four modules exceeds it."""
    description = NetworkDescription.model_validate(
        {**read_network('mini_xception').model_dump(), 'limits': {'max_parameters': 10_000}}
    )
    with pytest.raises(LimitExceededError) as error:
        build_network(description, (48, 48, 1), {'emotion': 7})
    assert error.value.block == 'residual_module3'
    assert (error.value.cost, error.value.limit) == (14_320, 10_000)
    assert str(error.value) == (
        'mini_xception: 14,320 parameters at residual_module3 exceed the limit of 10,000'
    )
