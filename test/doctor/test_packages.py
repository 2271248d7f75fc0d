"""Python, libraries and extras are checked."""

from pathlib import Path

import pytest

from face_classification_ros import requirements
from face_classification_ros.doctor import packages
from face_classification_ros.doctor.findings import ERROR, OK, WARN


@pytest.mark.parametrize(
    ('version', 'code', 'status'),
    [((3, 9, 18), 'python-too-old', ERROR), ((3, 13, 0), 'python-ok', OK)],
)
def test_version_of_python_is_compared(version: tuple[int, ...], code: str, status: str) -> None:
    """With the oldest supported one."""
    finding = packages.evaluate_python(version)
    assert (finding.code, finding.status) == (code, status)
    assert bool(finding.remedy) == (status == ERROR)


@pytest.mark.parametrize(
    ('source', 'text'),
    [
        ('import os\nos.abort()', 'code -6'),
        ('raise ImportError("not for this Python")', 'ImportError: not for this Python'),
    ],
)
def test_library_that_cannot_be_imported_is_an_error(
    source: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that ends the process, as a library built for another numpy does."""
    (tmp_path / 'broken.py').write_text(source)
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    finding = packages.check_library('broken', 'broken.__version__', 'install it')
    assert (finding.code, finding.status) == ('broken-import-failed', ERROR)
    assert text in finding.text and finding.remedy == 'install it'


@pytest.mark.parametrize(
    'source',
    [
        # What the OpenCV 4.6 of pip and that of Ubuntu 24.04 do.
        'import sys; sys.stderr.write("module compiled against ABI version 0x1000009 but this '
        'version of numpy is 0x2000000\\n"); '
        'raise ImportError("numpy.core.multiarray failed to import")',
        'raise AttributeError("_ARRAY_API not found")',
    ],
)
def test_opencv_for_numpy_1_has_its_own_remedy(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The OpenCV of the distribution next to numpy 2 needs numpy 1, or an OpenCV of pip."""
    (tmp_path / 'cv2.py').write_text(source)
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    monkeypatch.setattr(requirements, '_is_from_colcon', lambda: True)
    finding = packages.check_library('cv2', 'cv2.__version__', packages.remedy_for('cv2'))
    assert (finding.code, finding.status) == ('cv2-import-failed', ERROR)
    assert packages.DOWNGRADE_NUMPY in finding.remedy
    assert requirements.pip_command(['cv2']) in finding.remedy
    assert 'apt' not in finding.remedy


@pytest.mark.parametrize(
    ('version', 'code', 'status'),
    [('4.12.0', 'cv2-ok', OK), ('5.0.0', 'cv2-too-new-for-haar', WARN)],
)
def test_opencv_without_cascades_is_a_warning(version: str, code: str, status: str) -> None:
    """Version 5 of OpenCV has no cascade classifier."""
    finding = packages.check_library('cv2', repr(version), 'install 4')
    assert (finding.code, finding.status) == (code, status)


@pytest.mark.parametrize(
    ('is_installed', 'code', 'status'), [(True, 'videos-ok', OK), (False, 'pyav-missing', WARN)]
)
def test_missing_pyav_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, is_installed: bool, code: str, status: str
) -> None:
    """The node does not need it; the remedy names the package of Ubuntu, which rosdep lacks."""
    monkeypatch.setattr(requirements, '_is_from_colcon', lambda: True)
    finding = packages.evaluate_videos(is_installed)
    assert (finding.code, finding.status) == (code, status)
    assert finding.remedy == ('' if is_installed else 'sudo apt install python3-av')


def test_missing_extra_is_a_warning() -> None:
    """Nobody needs all extras; the remedy installs this one."""
    finding = packages.evaluate_extra('train', 'training', ['tensorflow'])
    assert (finding.code, finding.status) == ('extra-missing', WARN)
    assert 'tensorflow' in finding.text
    assert finding.remedy == 'pip install tensorflow'
    assert packages.evaluate_extra('train', 'training', []).code == 'extra-ok'
