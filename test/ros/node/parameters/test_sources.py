"""Values of parameters are read as ROS does."""

from __future__ import annotations

from pathlib import Path

import pytest

from face_classification_ros.ros.node.parameters.node_config import UnknownParameterError
from face_classification_ros.ros.node.parameters.sources import (
    addressed_parameters,
    parse_assignments,
    read_parameter_file,
)


def test_parameter_file_is_read_as_ros_does(tmp_path: Path) -> None:
    """Wildcards match, nested names get dots, and other nodes and names are ignored."""
    path = tmp_path / 'parameters.yaml'
    path.write_text(
        '/**/face_classification:\n  ros__parameters:\n    use_sim_time: true\n'
        '    rotation: 90\n    unknown_threshold: {gender: 0.8}\n'
        'other:\n  ros__parameters:\n    rotation: 180\n'
    )
    values = read_parameter_file(path, '/head/face_classification')
    assert values == {'rotation': 90, 'unknown_threshold.gender': 0.8}
    path.write_text('- 1')
    with pytest.raises(ValueError, match='is not a parameter file of ROS 2'):
        read_parameter_file(path, '/face_classification')


def test_unknown_name_in_a_parameter_file_is_rejected(tmp_path: Path) -> None:
    """Unless the section ends with a wildcard, so that the name may be of another node."""
    path = tmp_path / 'parameters.yaml'
    section = '  ros__parameters: {detection_sise: 5, diagnostic_updater.period: 2.0}\n'
    for key in ('face_classification', '/**/face_classification'):
        path.write_text(f'{key}:\n{section}')
        with pytest.raises(UnknownParameterError) as caught:
            read_parameter_file(path, '/face_classification')
        assert caught.value.name == 'detection_sise'
        arguments = ['--ros-args', '-p', 'rotation:=90', '--params-file', str(path)]
        names = addressed_parameters(arguments, '/face_classification')
        assert names == {'rotation', 'detection_sise', 'diagnostic_updater.period'}
    path.write_text(f'/**:\n{section}')
    assert read_parameter_file(path, '/face_classification') == {}
    assert addressed_parameters(['--params-file', str(path)], '/face_classification') == set()


def test_assignments_are_parsed_as_ros_does() -> None:
    """Values are YAML, and the names are those of parameters."""
    assignments = ['rotation:=90', 'models:=[a, b]', 'unknown_threshold.age:=0.5']
    assert parse_assignments(assignments) == {
        'rotation': 90,
        'models': ['a', 'b'],
        'unknown_threshold.age': 0.5,
    }
    for assignment in ('rotation=90', ':=90', 'rotatoin:=90', 'models:=[a'):
        name = assignment.partition(':=')[0] or assignment
        with pytest.raises(ValueError, match=name):
            parse_assignments([assignment])
