"""The package as a library: its public names load only what they need."""

import importlib
import json
import subprocess
import sys

from command_process import ASTRONAUT
import cv2
import pytest

import face_classification_ros

EXAMPLE = f"""
import cv2
from face_classification_ros import create_pipeline, draw_faces

pipeline = create_pipeline()
image = cv2.imread({str(ASTRONAUT)!r})
(face,) = pipeline.process(image)
assert face.attributes['gender'].label == 'woman'
assert draw_faces(image, [face]).shape == image.shape
"""

HEAVY = {'cv2', 'numpy', 'onnxruntime', 'rclpy', 'sensor_msgs', 'tensorflow', 'yaml'}


def loaded_by(program: str) -> set[str]:
    """Return the heavy packages that a program loads."""
    done = subprocess.run(
        [sys.executable, '-c', f'{program}\nimport json, sys; print(json.dumps([*sys.modules]))'],
        capture_output=True,
        text=True,
        # Outside of the source tree, which has no generated messages.
        cwd='/',
    )
    assert done.returncode == 0, done.stderr
    return HEAVY & set(json.loads(done.stdout))


def test_importing_the_package_loads_nothing_else() -> None:
    """The import of one module does not load all others."""
    assert loaded_by('import face_classification_ros') == set()


def test_a_configuration_needs_neither_opencv_nor_onnx_runtime() -> None:
    """A public name loads its own module."""
    program = 'from face_classification_ros import PipelineConfig; PipelineConfig()'
    assert loaded_by(program) <= {'numpy'}


def test_a_pipeline_works_without_ros() -> None:
    """The example of the README: ten lines from an image to an annotated one."""
    assert len(EXAMPLE.strip().splitlines()) <= 10
    assert not loaded_by(EXAMPLE) & {'rclpy', 'sensor_msgs', 'tensorflow'}


@pytest.mark.parametrize('name', face_classification_ros.__all__)
def test_a_public_name_is_that_of_its_module(name: str) -> None:
    """The lazily loaded objects are those of the type annotations."""
    public = getattr(face_classification_ros, name)
    assert getattr(importlib.import_module(public.__module__), name) is public
    assert name in dir(face_classification_ros)


def test_an_unknown_name_is_an_error() -> None:
    """As in any module."""
    with pytest.raises(AttributeError, match='no_such_name'):
        face_classification_ros.no_such_name  # noqa: B018


def test_a_face_has_its_attributes_by_name() -> None:
    """With label, confidence and probabilities."""
    (face,) = face_classification_ros.create_pipeline().process(cv2.imread(str(ASTRONAUT)))
    estimate = face.attributes['emotion']
    assert estimate.label in estimate.labels
    assert estimate.confidence == pytest.approx(float(max(estimate.probabilities)))
