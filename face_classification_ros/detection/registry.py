"""The interface that all face detectors share, and the way to get one by its name."""

from __future__ import annotations

from typing import Protocol

from face_classification_ros.types import Detection, Image

DETECTORS = ('libfacedetection', 'haar', 'yunet')
"""The names of the detectors, the default first."""


class Detector(Protocol):
    """Finds the faces in a picture; an object is for one thread at a time."""

    def detect(self, image: Image) -> list[Detection]:
        """Find the faces in a picture.

        Args:
            image: uint8, H x W x 3, BGR, of any size.

        Returns:
            The faces in pixels of `image`, the most confident first. A box or a landmark may
            reach over the edge.

        Raises:
            ValueError: `image` is empty, or not uint8 with three channels.
        """
        ...


def create_detector(
    name: str,
    *,
    model: str = '',
    threshold: float = 0.6,
    width: int = 320,
    min_face_size: int = 0,
    num_threads: int = 1,
    interval: int = 1,
) -> Detector:
    """Make the detector of that name.

    Args:
        name: one of `DETECTORS`.
        model: path of the model: for `yunet` an ONNX file, for `haar` an OpenCV cascade
            ("" takes the frontal face that OpenCV brings); `libfacedetection` has its own and
            does not look at it, so that a node can change from one to the other step by step.
        threshold: faces below this confidence are dropped, 0 to 1.
        width: the longest side of the picture that is searched, 32 to 4096 pixels; a larger
            picture is scaled down to it, a smaller one is taken as it is.
        min_face_size: faces whose shorter side is below it are dropped, pixels of the incoming
            picture.
        num_threads: threads that work on an image, at least 1. With `haar` this sets
            the thread pool that OpenCV has for the whole process.
        interval: for pictures that follow each other: at least every so many-th is searched as a
            whole, the others around the faces of the one before; 1 searches each as a whole.

    Returns:
        The detector, ready to detect.

    Raises:
        ValueError: an argument is out of range, or the model is of another kind.
        FileNotFoundError: there is no file of that name, or no cascade on this machine.
        ImportError: the library behind the detector is missing or does not run here.
    """
    if name not in DETECTORS:
        raise ValueError(f'detector {name!r}: expected one of {", ".join(DETECTORS)}')
    if not 0 <= threshold <= 1:
        raise ValueError(f'detection threshold {threshold}: expected 0 to 1')
    if not 32 <= width <= 4096:
        raise ValueError(f'detection width {width}: expected 32 to 4096 pixels')
    if min_face_size < 0:
        raise ValueError(f'minimum face size {min_face_size}: expected 0 or more pixels')
    if num_threads < 1:
        raise ValueError(f'threads {num_threads}: expected 1 or more')
    if interval < 1:
        raise ValueError(f'detection interval {interval}: expected 1 or more pictures')
    # A detector's module loads the library behind it, and only the chosen one has to be there.
    from face_classification_ros.detection.region_of_interest import RegionOfInterestDetector
    from face_classification_ros.detection.scaling import Finder, ScalingDetector

    finder: Finder
    if name == 'yunet':
        from face_classification_ros.detection.yunet import YuNet

        finder = YuNet(model, num_threads)
    elif name == 'haar':
        from face_classification_ros.detection.haar import Haar

        finder = Haar(model, num_threads)
    else:
        from face_classification_ros.detection.libfacedetection import LibFaceDetection

        finder = LibFaceDetection(num_threads)
    detector = ScalingDetector(finder, threshold, width, min_face_size)
    return RegionOfInterestDetector(detector, interval) if interval > 1 else detector
