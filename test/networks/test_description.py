"""A network is described by a YAML file, and a mistake in it is told with its place."""

from pathlib import Path

import pytest

pytest.importorskip('pydantic', reason='needs the extra [train]')

from face_classification_ros.networks.description import network_names, read_network

GOOD = """
name: my_net
blocks:
  - block: standardization
  - {block: convolution, filters: 8}
  - {block: residual_module, filters: 16}
limits: {max_parameters: 60000, max_latency_ms: 0.5}
"""


def test_a_description_says_blocks_head_and_limits(tmp_path: Path) -> None:
    """What is not said has its default: 3x3 convolutions, a pooling head."""
    path = tmp_path / 'my_net.yaml'
    path.write_text(GOOD)
    description = read_network(str(path))
    assert description.name == 'my_net'
    assert [block.block for block in description.blocks] == [
        'standardization',
        'convolution',
        'residual_module',
    ]
    assert description.blocks[1].model_dump() == {
        'block': 'convolution',
        'filters': 8,
        'size': 3,
        'padding': 'same',
    }
    assert description.head.head == 'pooling'
    assert description.limits.max_parameters == 60_000
    assert description.limits.max_latency_ms == 0.5


def test_the_networks_of_the_paper_come_with_the_package() -> None:
    """Both of its own and the one it compares with, each under the name of its file."""
    assert {'mini_xception', 'sequential_fully_cnn', 'tang2013'} <= set(network_names())
    for name in network_names():
        assert read_network(name).name == name


@pytest.mark.parametrize(
    ('right', 'wrong', 'problem'),
    [
        ('filters: 8', 'filters: 0', 'blocks.1.convolution.filters: .* equal to 1, not 0'),
        ('filters: 8', 'filter: 8', 'blocks.1.convolution.filters: Field required'),
        ('block: convolution', 'block: konvolution', "blocks.1: .*'konvolution'"),
        ('name: my_net', 'name: My Net', "name: .*not 'My Net'"),
        ('max_parameters', 'max_weights', 'limits.max_weights: Extra inputs'),
        ('limits: {', 'head: {head: dense}\nlimits: {', 'head.dense.units: Field required'),
    ],
)
def test_a_mistake_is_told_with_file_field_and_value(
    tmp_path: Path, right: str, wrong: str, problem: str
) -> None:
    """Nobody has to search a description for what is wrong in it."""
    path = tmp_path / 'my_net.yaml'
    path.write_text(GOOD.replace(right, wrong))
    with pytest.raises(ValueError, match=f'{path}: {problem}'):
        read_network(str(path))


def test_a_file_that_is_not_yaml_is_named(tmp_path: Path) -> None:
    """A bracket that is never closed is told with its line."""
    path = tmp_path / 'my_net.yaml'
    path.write_text(GOOD + 'head: {')
    with pytest.raises(ValueError, match=f'{path} is not YAML: .*line'):
        read_network(str(path))


@pytest.mark.parametrize('name', ['mini_exception', 'nowhere/my_net.yaml'])
def test_an_unknown_network_is_named_with_those_there_are(name: str) -> None:
    """A typing error is answered with what can be chosen."""
    with pytest.raises(ValueError, match=rf"'{name}'; there are: mini_xception, .*\.yaml file"):
        read_network(name)
