"""Descriptions of networks in YAML files, and the errors in them."""

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


def test_description_has_blocks_head_and_limits(tmp_path: Path) -> None:
    """Missing fields have defaults: 3x3 convolutions, a pooling head."""
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
        'stride': 1,
        'padding': 'same',
    }
    assert description.head.head == 'pooling'
    assert description.limits.max_parameters == 60_000
    assert description.limits.max_latency_ms == 0.5


def test_package_has_the_networks_of_the_paper() -> None:
    """Its own two and the one it compares with, each named after its file."""
    assert {'mini_xception', 'sequential_fully_cnn', 'tang2013'} <= set(network_names())
    for name in network_names():
        assert read_network(name).name == name


@pytest.mark.parametrize(
    ('good', 'bad', 'field'),
    [
        ('filters: 8', 'filters: 0', 'blocks.1.convolution.filters'),
        ('filters: 8', 'filter: 8', 'blocks.1.convolution.filters'),
        ('block: convolution', 'block: konvolution', 'blocks.1'),
        ('name: my_net', 'name: My Net', 'name'),
        ('max_parameters', 'max_weights', 'limits.max_weights'),
        ('limits: {', 'head: {head: dense}\nlimits: {', 'head.dense.units'),
    ],
)
def test_invalid_field_is_named(tmp_path: Path, good: str, bad: str, field: str) -> None:
    """The message contains the file and the field."""
    path = tmp_path / 'my_net.yaml'
    path.write_text(GOOD.replace(good, bad))
    with pytest.raises(ValueError, match=f'{path}: {field}: '):
        read_network(str(path))


@pytest.mark.parametrize(
    ('good', 'bad', 'known'),
    [
        ('filters: 8', 'filters: 8, sise: 3', 'block, filters, size, stride, padding'),
        ('max_parameters', 'max_weights', 'max_parameters, max_latency_ms'),
        ('name', 'title: x\nname', 'name, summary, blocks, head, limits'),
        ('limits: {', 'head: {head: dense, units: 9, drop: 1}\nlimits: {', 'head, units, dropout'),
    ],
)
def test_known_fields_are_listed(tmp_path: Path, good: str, bad: str, known: str) -> None:
    """Those of the same block or part."""
    path = tmp_path / 'my_net.yaml'
    path.write_text(GOOD.replace(good, bad))
    with pytest.raises(ValueError, match=f'expected one of {known}$'):
        read_network(str(path))


def test_invalid_yaml_is_refused(tmp_path: Path) -> None:
    """The message contains the file and the line of a bracket that is not closed."""
    path = tmp_path / 'my_net.yaml'
    path.write_text(GOOD + 'head: {')
    with pytest.raises(ValueError, match=f'{path} .*line'):
        read_network(str(path))


@pytest.mark.parametrize('name', ['mini_exception', 'nowhere/my_net.yaml'])
def test_unknown_network_is_named(name: str) -> None:
    """The message lists the networks of the package."""
    with pytest.raises(ValueError, match=rf"'{name}'.*mini_xception"):
        read_network(name)
