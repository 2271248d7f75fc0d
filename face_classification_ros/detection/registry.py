"""Create a face detector by its name."""

from __future__ import annotations

import importlib
from typing import Protocol

from face_classification_ros.config import AUTO, DetectorConfig, DETECTORS, SettingError
from face_classification_ros.detection.full_frame import DetectorBackend, FullFrameDetector
from face_classification_ros.detection.region_of_interest import RegionOfInterestDetector
from face_classification_ros.types import Detection, Image


class Detector(Protocol):
    """Detects faces in images; an object serves one thread at a time."""

    def detect(self, image: Image) -> list[Detection]:
        """Detect the faces in an image.

        Args:
            image: uint8 H x W x 3 in BGR, of any size.

        Returns:
            Faces in pixels of `image`, the most confident first. Boxes and landmarks may extend
            beyond the edge.

        Raises:
            ValueError: `image` is empty, or not uint8 with three channels.
        """
        ...

    @property
    def full_frame(self) -> Detector:
        """The detector that searches every image as a whole and remembers nothing."""
        ...


def create_detector(config: DetectorConfig) -> Detector:
    """Create the detector that a configuration describes.

    With a `detection_interval` above 1 it is meant for images that follow each other, see
    `RegionOfInterestDetector`.

    Raises:
        SettingError: there is a model file, but no named detector.
        ValueError: the model file is of another kind.
        FileNotFoundError: there is no file of that name, or no cascade on this machine.
        ImportError: the library of the detector is missing or does not run here.
    """
    backend = _automatic(config) if config.detector == AUTO else _load(config.detector, config)
    detector = FullFrameDetector(
        backend, config.detection_threshold, config.detection_size, config.min_face_size
    )
    if config.detection_interval == 1:
        return detector
    return RegionOfInterestDetector(detector, config.detection_interval)


def _load(name: str, config: DetectorConfig) -> DetectorBackend:
    # The module imports the library of the detector, which is only needed if it is chosen.
    module, backend = DETECTORS[name].split(':')
    loaded = importlib.import_module(f'face_classification_ros.detection.{module}')
    created: DetectorBackend = getattr(loaded, backend)(config.detector_model, config.num_threads)
    return created


def _automatic(config: DetectorConfig) -> DetectorBackend:
    """Return the first detector that works here."""
    if config.detector_model:
        raise SettingError(
            'detector_model',
            f'{config.detector_model!r} is the file of a certain detector: set detector, too',
        )
    reasons = []
    for name in DETECTORS:
        try:
            return _load(name, config)
        except (ImportError, FileNotFoundError, ValueError) as error:
            reasons.append(f'{name}: {error}')
    raise ImportError(f'no detector works on this machine; {"; ".join(reasons)}')
