"""The detector `haar`: the cascade of boosted Haar features that the paper used."""

from __future__ import annotations

from pathlib import Path

import cv2

from face_classification_ros.requirements import install_command
from face_classification_ros.types import BoundingBox, Detection, Image

_CASCADE = 'haarcascade_frontalface_default.xml'
_SYSTEM_FOLDERS = ('/usr/share/opencv4/haarcascades', '/usr/share/opencv/haarcascades')
_SCALE_FACTOR = 1.3
_HALF_SURE = 4
_CALL_COST = 1_000
"""Measured cost of a call in addition to its pixels, in pixels."""


class Haar:
    """OpenCV's cascade classifier for frontal faces.

    A cascade accepts or rejects every place and size, and accepts many around a face. Their number
    n gives the confidence n / (n + 4), so that 0.6 is n = 6, the paper's `minNeighbors` = 5, and
    0.43 is `minNeighbors` = 2. It orders faces; it is not a probability.

    Source: Viola and Jones, "Rapid Object Detection using a Boosted Cascade of Simple Features",
    2001; scale factor 1.3 and minNeighbors 5 from Arriaga, Valdenegro-Toro and Ploeger,
    "Real-time Convolutional Neural Networks for Emotion and Gender Classification", 2017.
    """

    max_size = 4096

    def __init__(self, model: str, num_threads: int) -> None:
        """Load a cascade.

        Args:
            model: path of an OpenCV cascade; "" is the frontal face cascade of OpenCV.
            num_threads: number of threads of OpenCV in the whole process.

        Raises:
            ImportError: this OpenCV has no cascade classifier.
            FileNotFoundError: the cascade is missing.
            ValueError: the file is not a cascade.
        """
        if not hasattr(cv2, 'CascadeClassifier'):
            raise ImportError(
                f'the detector haar needs OpenCV below 5 (this is {cv2.__version__}): '
                f'{install_command(["cv2"])}, or choose another detector'
            )
        path = Path(model) if model else _default_cascade()
        if not path.is_file():
            raise FileNotFoundError(f'detector model {path}: no such file')
        try:
            # From memory, since OpenCV crashes at names that are not UTF-8.
            storage = cv2.FileStorage(
                path.read_text(), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY
            )
            self._cascade = cv2.CascadeClassifier()
            loaded = self._cascade.read(storage.getFirstTopLevelNode())
        except (cv2.error, SystemError, UnicodeDecodeError):
            loaded = False
        if not loaded:
            raise ValueError(f'detector model {path}: expected an OpenCV cascade (XML)')
        cv2.setNumThreads(num_threads)

    def find(self, image: Image, threshold: float, min_size: float) -> list[Detection]:
        """See `DetectorBackend.find`; boxes are squares, and there are no landmarks."""
        # OpenCV requires more than `minNeighbors`, and with 0 it would not group at all.
        wanted = next((n for n in range(2, 1000) if _confidence(n) >= threshold), 1000)
        side = int(min_size)
        boxes, counts = self._cascade.detectMultiScale2(
            cv2.cvtColor(image, cv2.COLOR_BGR2GRAY),
            scaleFactor=_SCALE_FACTOR,
            minNeighbors=wanted - 1,
            minSize=(side, side),
        )
        return [
            Detection(BoundingBox(*map(float, box)), _confidence(int(count)))
            for box, count in zip(boxes, counts, strict=True)
        ]

    def cost(self, width: float, height: float) -> float:
        """See `DetectorBackend.cost`."""
        return width * height + _CALL_COST


def _confidence(count: int) -> float:
    return count / (count + _HALF_SURE)


def _default_cascade() -> Path:
    # The wheels of OpenCV contain the cascades; Debian and Ubuntu have a package of data.
    folders = [cv2.data.haarcascades] if hasattr(cv2, 'data') else []
    for folder in (*folders, *_SYSTEM_FOLDERS):
        path = Path(folder, _CASCADE)
        if path.is_file():
            return path
    raise FileNotFoundError(
        f'{_CASCADE} is not on this machine: sudo apt install opencv-data, or set detector_model '
        'to its path'
    )
