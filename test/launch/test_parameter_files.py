"""The parameter files have the parameters of the node, and values that it accepts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ros_peers import NodeProcess, Peer
import yaml

from face_classification_ros.inference.model_zoo import share_folder
from face_classification_ros.ros.node.parameters.node_config import (
    default_value,
    NodeConfig,
    PARAMETERS,
)
from face_classification_ros.ros.node.parameters.sources import read_parameter_file

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = 'face_classification.yaml'
ROBOTS = sorted(path.name for path in (ROOT / 'config').glob('care_o_bot*.yaml'))


def values_in(name: str, node: str = '/face_classification') -> dict[str, object]:
    """Return the parameters of a node in an installed parameter file."""
    return read_parameter_file(share_folder() / 'config' / name, node)


@pytest.mark.parametrize('name', [DEFAULT, *ROBOTS])
def test_file_has_only_known_parameters_and_valid_values(name: str) -> None:
    """No name is misspelled, and no value is of another type or out of range."""
    content = yaml.safe_load((ROOT / 'config' / name).read_text())
    assert list(content) == ['/**/face_classification']
    parameters = content['/**/face_classification']['ros__parameters']
    assert set(parameters) == set(values_in(name))
    NodeConfig().changed(parameters)


def test_default_file_changes_nothing() -> None:
    """The node has the same settings with the file and without it."""
    assert NodeConfig().changed(values_in(DEFAULT)) == NodeConfig()


@pytest.mark.parametrize('name', ROBOTS)
def test_file_of_a_robot_has_only_what_differs(name: str) -> None:
    """A changed default applies to the robots, too."""
    for parameter, value in values_in(name).items():
        assert value != default_value(PARAMETERS[parameter]), parameter


@pytest.mark.parametrize('name', [DEFAULT, *ROBOTS])
def test_node_reads_the_file_in_a_namespace(
    name: str, start_node: Callable[..., NodeProcess], peer: Peer
) -> None:
    """The node becomes active, with the values of the file."""
    file = str(share_folder() / 'config' / name)
    node = start_node('--params-file', file, '-r', '__ns:=/robot/x')
    values = values_in(name, node.full_name)
    assert peer.get_parameters(node.full_name, *values) == values
