"""The detector `haar`: the cascade of boosted Haar features that the paper used."""

from __future__ import annotations

from pathlib import Path

import cv2

from face_classification_ros.types import BoundingBox, Detection, Image

_CASCADE = 'haarcascade_frontalface_default.xml'
_SYSTEM_FOLDERS = ('/usr/share/opencv4/haarcascades', '/usr/share/opencv/haarcascades')
_SCALE_FACTOR = 1.3
_HALF_SURE = 4
_CALL_COST = 1_000
"""What a search costs beside its pixels, in pixels; measured."""


class Haar:
    """OpenCV's cascade classifier for frontal faces.

    A cascade answers yes or no for each place and size it looks at, and a face gets many a yes
    around it. The number n of those that fall together is the confidence: n / (n + 4), so that
    0.6 is n = 6, the paper's `minNeighbors` = 5, and 0.43 is `minNeighbors` = 2. It only ever
    orders faces; it is not a probability.

    Source: Viola and Jones, "Rapid Object Detection using a Boosted Cascade of Simple Features",
    2001; scale factor 1.3 and minNeighbors 5 from Arriaga, Valdenegro-Toro and Ploeger,
    "Real-time Convolutional Neural Networks for Emotion and Gender Classification", 2017.
    """

    longest_side = 4096

    def __init__(self, model: str, num_threads: int) -> None:
        """Load a cascade.

        Args:
            model: path of an OpenCV cascade; "" takes the frontal face that OpenCV brings.
            num_threads: how many threads OpenCV may use, in the whole process.

        Raises:
            ImportError: this OpenCV has no cascade classifier.
            FileNotFoundError: the cascade is missing.
            ValueError: the file is not a cascade.
        """
        if not hasattr(cv2, 'CascadeClassifier'):
            raise ImportError(
                f'the detector haar needs OpenCV below 5 (this is {cv2.__version__}): '
                'pip install "opencv-python-headless<5", or choose another detector'
            )
        path = Path(model) if model else _default_cascade()
        if not path.is_file():
            raise FileNotFoundError(f'detector model {path}: no such file')
        try:
            self._cascade = cv2.CascadeClassifier(str(path))
            loaded = not self._cascade.empty()
        except (cv2.error, SystemError):
            loaded = False
        if not loaded:
            raise ValueError(f'detector model {path}: expected an OpenCV cascade (XML)')
        cv2.setNumThreads(num_threads)

    def find(self, picture: Image, threshold: float, min_size: float) -> list[Detection]:
        """See `Finder.find`; boxes are squares, and there are no landmarks."""
        # OpenCV demands more than `minNeighbors`, and with 0 it would not group at all.
        wanted = next((n for n in range(2, 1000) if _confidence(n) >= threshold), 1000)
        side = int(min_size)
        boxes, counts = self._cascade.detectMultiScale2(
            cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY),
            scaleFactor=_SCALE_FACTOR,
            minNeighbors=wanted - 1,
            minSize=(side, side),
        )
        return [
            Detection(BoundingBox(*map(float, box)), _confidence(int(count)))
            for box, count in zip(boxes, counts, strict=True)
        ]

    def cost(self, width: float, height: float) -> float:
        """See `Finder.cost`."""
        return width * height + _CALL_COST


def _confidence(count: int) -> float:
    return count / (count + _HALF_SURE)


def _default_cascade() -> Path:
    # OpenCV's wheels bring the cascades along; Debian and Ubuntu put them into a package of data.
    folders = [cv2.data.haarcascades] if hasattr(cv2, 'data') else []
    for folder in (*folders, *_SYSTEM_FOLDERS):
        path = Path(folder, _CASCADE)
        if path.is_file():
            return path
    raise FileNotFoundError(
        f'{_CASCADE} is not on this machine: apt install opencv-data, or '
        'pip install "opencv-python-headless<5", or give its path as detector model'
    )
