"""The core works without ROS, and only training needs TensorFlow."""

import ast
import json
from pathlib import Path
import subprocess
import sys

import pytest

PACKAGE = 'face_classification_ros'

# Also lists imports that fail and are caught, so that packages that are not installed are found.
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
    """Return the names of all modules that are imported with ours, in a new process."""
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM, *(f'{PACKAGE}.{name}' for name in names)],
        capture_output=True,
        text=True,
        # Outside of the source tree, which has no generated messages.
        cwd='/',
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def packages(modules: set[str]) -> set[str]:
    """Return the top-level packages of modules."""
    return {name.partition('.')[0] for name in modules}


@pytest.mark.parametrize('name', CORE)
def test_core_needs_neither_ros_nor_tensorflow(name: str) -> None:
    """The core can process images without a robot."""
    assert not packages(imports_of(name)) & (ROS | TENSORFLOW)


def test_archive_needs_neither_ros_nor_tensorflow() -> None:
    """Workers of a cluster have images but no ROS."""
    pytest.importorskip('distributed', reason='needs the extra [archive]')
    assert not packages(imports_of('io.parallel')) & (ROS | TENSORFLOW)


def test_pytest_plugin_imports_nothing_until_it_is_used() -> None:
    """It is loaded by every pytest if the package is installed."""
    assert not packages(imports_of('ros.replay.pytest_plugin')) & (
        ROS | TENSORFLOW | {'cv2', 'numpy'}
    )


def test_node_needs_no_tensorflow() -> None:
    """A robot needs only ONNX Runtime to run a model file."""
    names = packages(imports_of('ros.node.node'))
    assert 'rclpy' in names
    assert not names & TENSORFLOW


@pytest.mark.parametrize('name', ['commands.classify', 'io.classify_files', 'ros.node.node'])
def test_only_videos_need_pyav(name: str) -> None:
    """A robot without it runs the node, and classifies images."""
    assert 'av' not in packages(imports_of(name))


def test_networks_need_neither_data_nor_ros() -> None:
    """A network can be designed, and its cost computed, before there is any data."""
    pytest.importorskip('tensorflow', reason='needs the extra [train]')
    names = imports_of('networks.builder', 'networks.cost')
    ours = {name.split('.')[1] for name in names if name.startswith(f'{PACKAGE}.')}
    assert ours <= {'inference', 'networks'}
    assert not packages(names) & ROS


def test_doctor_imports_nothing_before_it_checks() -> None:
    """It works even if all other dependencies are broken, and never imports ROS itself."""
    names = imports_of('doctor.registry')
    ours = {name.split('.')[1] for name in names if name.startswith(f'{PACKAGE}.')}
    assert ours == {'doctor', 'requirements'}
    assert not packages(names) & (ROS | {'ament_index_python', 'cv2', 'numpy', 'onnxruntime'})


def test_expectation_needs_neither_ros_nor_tensorflow() -> None:
    """An expectation is read and checked on any machine."""
    pytest.importorskip('pydantic', reason='needs the extra [replay]')
    assert not packages(imports_of('ros.replay.expectation')) & (ROS | TENSORFLOW)


def test_evaluation_needs_no_tensorflow() -> None:
    """A model file can be evaluated where it is used."""
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
    """Data and recipes are read without ROS, and without TensorFlow."""
    if name == 'training.recipe':
        pytest.importorskip('pydantic')
    assert not packages(imports_of(name)) & (ROS | TENSORFLOW)


def test_only_networks_and_training_import_onnx() -> None:
    """On a robot, onnx would require another numpy."""
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
    """Neither directly nor through another package."""
    assert not packages(imports_of(name)) & ONNX
