"""Values of parameters are read as ROS does."""

from __future__ import annotations

from pathlib import Path

import pytest

from face_classification_ros.ros.node.parameter_sources import (
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
