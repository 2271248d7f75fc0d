"""Parameters, recipes and networks with impossible values are rejected with one line."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, strategies
import pytest

from face_classification_ros.config import SettingError
from face_classification_ros.ros.node.parameters.node_config import NodeConfig, PARAMETERS

FIELDS = 'attributes: [gender]\nnetwork: '
"""Required fields of a recipe."""


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('a: &a [1]\nb: [*a, *a]', 'aliases'),
        ('[' * 5_000, 'YAML'),
        ('epochs: ' + '9' * 10_000, 'YAML'),
        ('born: 2020-13-45', 'YAML'),
        ('\xff\xfe', ''),
        ('x' * 200_000, '100 kB'),
        (f'{FIELDS}../elsewhere.yaml', 'folder'),
        (f'{FIELDS}/etc/elsewhere.yaml', 'folder'),
        (f'{FIELDS}x\nteachers: [{{model: a/../../b.onnx}}]', 'folder'),
        (f'{FIELDS}"x\\0.yaml"', ''),
        (f'{FIELDS}x\nteachers: [{{model: x, temperature: .inf}}]', 'temperature'),
        (f'{FIELDS}x\ninitial_size: 64\nsize: 48', '48'),
    ],
    ids=range(12),
)
def test_a_recipe_that_demands_too_much_is_rejected(
    tmp_path: Path, text: str, reason: str
) -> None:
    """Files that unfold, numbers without end, paths outside of the folder of the recipe."""
    pytest.importorskip('pydantic', reason='needs the extra [train]')
    from face_classification_ros.training.recipe import read_recipe

    path = tmp_path / 'recipe.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match=rf'recipe\.yaml.*{reason}') as raised:
        read_recipe(path)
    assert '\n' not in str(raised.value) and len(str(raised.value)) < 1000


def test_a_network_of_a_billion_weights_is_rejected(tmp_path: Path) -> None:
    """Before memory is allocated for the first of them."""
    pytest.importorskip('pydantic', reason='needs the extra [train]')
    from face_classification_ros.networks.description import read_network

    path = tmp_path / 'network.yaml'
    block = {'block': 'convolution', 'filters': 4096, 'size': 11}
    path.write_text(json.dumps({'name': 'huge', 'blocks': [block, block]}))
    with pytest.raises(ValueError, match='100,000,000'):
        read_network(str(path))


@given(
    strategies.dictionaries(
        strategies.sampled_from([*PARAMETERS, 'unknown_threshold.age']),
        strategies.one_of(
            strategies.none(),
            strategies.booleans(),
            strategies.integers(),
            strategies.floats(),
            strategies.text(max_size=20),
            strategies.lists(strategies.integers(), max_size=3),
        ),
    )
)
def test_a_parameter_with_any_value_is_accepted_or_rejected(values: dict) -> None:
    """With one line."""
    try:
        NodeConfig().changed(values)
    except SettingError as error:
        assert '\n' not in str(error)
