"""Who may import whom: the core runs without ROS, and nothing but training needs TensorFlow."""

import ast
import json
from pathlib import Path
import subprocess
import sys

import pytest

PACKAGE = 'face_classification_ros'

# Also tells of imports that fail and are caught: what is not installed would not show otherwise.
PROGRAM = """
import importlib, json, sys

class Watcher:
    names = []

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        cls.names.append(name)

sys.meta_path.insert(0, Watcher)
before = set(sys.modules)
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted(set(sys.modules) - before | set(Watcher.names))))
"""

CORE = [
    'types',
    'detection',
    'detection.haar',
    'detection.libfacedetection',
    'detection.yunet',
    'classification.classifier',
    'classification.crops',
    'tracking.appearance',
    'tracking.observation',
    'tracking.people',
    'tracking.tracker',
    'visualization.annotation',
    'explanation.explainer',
    'explanation.panels',
    'pipeline',
    'geometry.positions',
    'io.classify_files',
    'commands.main',
]
ROS = {'rclpy', 'sensor_msgs', 'std_msgs'}
TENSORFLOW = {'tensorflow', 'keras', 'tf_keras'}
ONNX = {'onnx', 'tf2onnx', 'ml_dtypes'}


def imports_of(*names: str) -> set[str]:
    """Give the names of all modules that importing ours asks for, in a fresh process."""
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM, *(f'{PACKAGE}.{name}' for name in names)],
        capture_output=True,
        text=True,
        # Away from the source tree, which has no messages.
        cwd='/',
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def packages(modules: set[str]) -> set[str]:
    """Give the outermost packages of modules."""
    return {name.partition('.')[0] for name in modules}


@pytest.mark.parametrize('name', CORE)
def test_core_needs_neither_ros_nor_tensorflow(name: str) -> None:
    """Whoever has pictures and no robot can use it."""
    assert not packages(imports_of(name)) & (ROS | TENSORFLOW)


def test_archive_needs_neither_ros_nor_tensorflow() -> None:
    """Workers of a cluster have pictures and no robot."""
    pytest.importorskip('distributed', reason='needs the extra [archive]')
    assert not packages(imports_of('io.parallel')) & (ROS | TENSORFLOW)


def test_the_plugin_for_tests_costs_nothing_until_it_is_used() -> None:
    """It is loaded with every pytest where the package is installed."""
    assert not packages(imports_of('ros.replay.pytest_plugin')) & (
        ROS | TENSORFLOW | {'cv2', 'numpy'}
    )


def test_node_needs_no_tensorflow() -> None:
    """A robot runs model files with ONNX Runtime alone."""
    names = packages(imports_of('ros.node.node'))
    assert 'rclpy' in names
    assert not names & TENSORFLOW


def test_networks_know_neither_data_nor_robots() -> None:
    """A network is designed and its cost measured before there is anything to train it on."""
    pytest.importorskip('tensorflow', reason='needs the extra [train]')
    names = imports_of('networks.builder', 'networks.cost')
    ours = {name.split('.')[1] for name in names if name.startswith(f'{PACKAGE}.')}
    assert ours <= {'inference', 'networks'}
    assert not packages(names) & ROS


def test_doctor_imports_nothing_before_it_checks() -> None:
    """It runs where everything else is broken, and never imports what needs ROS."""
    names = imports_of('doctor.registry')
    ours = {name.split('.')[1] for name in names if name.startswith(f'{PACKAGE}.')}
    assert ours == {'doctor'}
    assert not packages(names) & (ROS | {'ament_index_python', 'cv2', 'numpy', 'onnxruntime'})


def test_expectation_needs_neither_ros_nor_tensorflow() -> None:
    """An expectation is read and checked on any machine."""
    pytest.importorskip('pydantic', reason='needs the extra [replay]')
    assert not packages(imports_of('ros.replay.expectation')) & (ROS | TENSORFLOW)


def test_evaluation_needs_no_tensorflow() -> None:
    """What a model file is worth can be measured where it runs."""
    names = imports_of(
        'audit.audit',
        'evaluation.benchmark',
        'evaluation.classification',
        'evaluation.detection',
        'evaluation.crop_margins',
    )
    assert not packages(names) & (ROS | TENSORFLOW)


@pytest.mark.parametrize('name', ['datasets.registry', 'training.recipe'])
def test_training_needs_no_ros(name: str) -> None:
    """Whoever trains has no robot; data and recipes are read without TensorFlow, too."""
    if name == 'training.recipe':
        pytest.importorskip('pydantic')
    assert not packages(imports_of(name)) & (ROS | TENSORFLOW)


def test_only_networks_and_training_import_onnx() -> None:
    """Nor does any other module when it runs: on a robot it would bring another numpy."""
    root = Path(__file__).resolve().parents[1] / PACKAGE
    found = {
        path.relative_to(root).parts[0]
        for path in root.rglob('*.py')
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or '']
            if isinstance(node, ast.ImportFrom)
            else [each.name for each in node.names]
        )
        if name.partition('.')[0] in ONNX
    }
    assert found == {'networks', 'training'}


@pytest.mark.parametrize('name', ['explanation.panels', 'ros.node.node'])
def test_the_run_time_wing_loads_no_onnx(name: str) -> None:
    """Neither by itself nor through another package."""
    assert not packages(imports_of(name)) & ONNX
