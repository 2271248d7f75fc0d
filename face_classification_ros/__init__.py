"""Detect and track faces in camera images, and classify their attributes.

    import cv2
    from face_classification_ros import create_pipeline, draw_faces

    pipeline = create_pipeline()
    image = cv2.imread('people.jpg')
    faces = pipeline.process(image)
    for face in faces:
        print(face.detection.box, {name: each.label for name, each in face.attributes.items()})
    cv2.imwrite('annotated.jpg', draw_faces(image, faces))

The public names are loaded when they are first used, so that importing one module of the
package does not load all others.
"""

import importlib
import os
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from face_classification_ros.config import PipelineConfig
    from face_classification_ros.pipeline import create_pipeline, FacePipeline
    from face_classification_ros.tracking.tracker import Tracker
    from face_classification_ros.types import AttributeEstimate, BoundingBox, Detection, Face
    from face_classification_ros.visualization.annotation import draw_faces

__all__ = [
    'AttributeEstimate',
    'BoundingBox',
    'Detection',
    'Face',
    'FacePipeline',
    'PipelineConfig',
    'Tracker',
    'create_pipeline',
    'draw_faces',
]

_MODULES = {
    'AttributeEstimate': 'types',
    'BoundingBox': 'types',
    'Detection': 'types',
    'Face': 'types',
    'FacePipeline': 'pipeline',
    'PipelineConfig': 'config',
    'Tracker': 'tracking.tracker',
    'create_pipeline': 'pipeline',
    'draw_faces': 'visualization.annotation',
}

# ONNX Runtime 1.32 and later reports its use over the network and keeps an identifier of the
# machine in the home folder, unless this is set before its first import. A robot's perception
# must do neither.
os.environ['ORT_DISABLE_TELEMETRY'] = '1'

# TensorFlow does not use Intel's oneDNN on many processors of other vendors, where training takes
# twice as long without it.
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
# Hide what TensorFlow prints about processors at every start, such as the error that a machine
# without a GPU has none. What concerns the user is an exception in Python.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

MAX_PIXELS = 64_000_000
"""Size of the largest image that is decoded, five times the 12 megapixels of large cameras."""

# Unless it was imported before, OpenCV enforces this limit, too, from the size in a file's header.
# Set the variable to read larger images.
os.environ.setdefault('OPENCV_IO_MAX_IMAGE_PIXELS', str(MAX_PIXELS))
# Every unreadable image raises an error, and OpenCV's log adds nothing to it.
os.environ.setdefault('OPENCV_LOG_LEVEL', 'FATAL')


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_MODULES[name]}'), name)


def __dir__() -> list[str]:
    """Return the names of the module and all public names, for completion."""
    return sorted({*globals(), *__all__})
