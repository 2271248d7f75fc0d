"""Networks that detect faces: levels, parameters, cost and limits."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

from face_classification_ros.networks.builder import build_network, LimitExceededError
from face_classification_ros.networks.cost import measure_cost
from face_classification_ros.networks.description import NetworkDescription, read_network

BLOCKS = [
    {'block': 'convolution', 'filters': 4, 'stride': 2},
    {'block': 'separable_convolution', 'filters': 4, 'stride': 2},
    {'block': 'separable_convolution', 'filters': 4, 'stride': 2},
    {'block': 'separable_convolution', 'filters': 4, 'stride': 2},
    {'block': 'separable_convolution', 'filters': 4, 'stride': 2},
]


def describe(blocks: list[dict[str, Any]] = BLOCKS, **more: Any) -> NetworkDescription:
    """Describe a small detector."""
    return NetworkDescription.model_validate(
        {'name': 'small', 'blocks': blocks, 'head': {'head': 'detection'}, **more}
    )


def test_shipped_detector_has_values_for_the_cells_of_three_strides() -> None:
    """15 values per cell for an image of any multiple of 32, in about 60,000 parameters."""
    description = read_network('face_detector')
    assert description.is_detector
    network = build_network(description, (None, None, 3), {})
    maps = network(np.zeros((2, 64, 96, 3), np.float32))
    shapes = {name: tuple(values.shape) for name, values in maps.items()}
    assert shapes == {
        'stride8': (2, 8, 12, 15),
        'stride16': (2, 4, 6, 15),
        'stride32': (2, 2, 3, 15),
    }
    assert 55_000 < network.count_params() < 65_000


def test_scores_of_an_untrained_detector_are_low() -> None:
    """Nearly all cells are empty, so that the first steps need not unlearn half a face each."""
    network = build_network(describe(), (None, None, 3), {})
    maps = network(np.zeros((1, 32, 32, 3), np.float32))
    for values in maps.values():
        assert 1 / (1 + np.exp(-values.numpy()[..., 0])) == pytest.approx(0.01, abs=0.002)


def test_cost_of_a_detector_is_that_of_its_blocks() -> None:
    """A head has a separable convolution and 15 maps; the additions of the neck are free."""
    description = describe()
    cost = measure_cost(description, (64, 64, 3), {}, latency=False)
    by_name = {block.name: block for block in cost.blocks}
    assert list(by_name)[-5:] == ['neck16', 'neck8', 'stride8', 'stride16', 'stride32']
    assert by_name['neck8'].parameters == 0
    assert by_name['stride8'].parameters == 4**2 + 28 * 4 + 15
    assert by_name['stride8'].output_shape == (8, 8, 15)
    assert by_name['stride16'].multiply_adds == 16 * (9 * 4 + 4 * 4 + 4 * 15)
    assert cost.parameters == build_network(description, (None, None, 3), {}).count_params()


def test_detector_above_its_limit_is_rejected() -> None:
    """As with any network, before training."""
    with pytest.raises(LimitExceededError):
        build_network(describe(limits={'max_parameters': 100}), (None, None, 3), {})


@pytest.mark.parametrize(
    'blocks', [BLOCKS[:4], [*BLOCKS[:4], {**BLOCKS[4], 'filters': 8}]], ids=['stride', 'filters']
)
def test_detector_without_equal_maps_at_all_strides_is_rejected(
    blocks: list[dict[str, Any]],
) -> None:
    """Stride 32 is missing, or cannot be added to stride 16."""
    with pytest.raises(ValueError, match='stride'):
        build_network(describe(blocks), (None, None, 3), {})
