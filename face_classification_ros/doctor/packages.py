"""Check Python, the libraries, the extras and the package itself."""

from __future__ import annotations

from collections.abc import Iterator
import importlib.metadata
import importlib.util
import platform
import subprocess
import sys

from face_classification_ros.doctor.findings import ERROR, Finding, import_failed, OK, WARN

DISTRIBUTION = 'face_classification_ros'

MIN_PYTHON = (3, 10)

MAX_OPENCV = 4
"""Major version of the last OpenCV with a cascade classifier."""

LIBRARIES = {
    'numpy': ('numpy.__version__', 'pip install numpy'),
    'cv2': ('cv2.__version__', 'pip install "opencv-python-headless<5"'),
    'onnxruntime': ('onnxruntime.__version__', 'pip install onnxruntime'),
    'yaml': ('yaml.__version__', 'pip install PyYAML'),
    'rclpy': (
        'rclpy.get_rmw_implementation_identifier()',
        'source the setup files of ROS and of the workspace, or pip install this package; '
        'unset RMW_IMPLEMENTATION',
    ),
}
"""Module -> expression for its version, and what to do if it cannot be imported."""

EXTRAS = {
    'archive': (
        'classification of bags and in parallel',
        ('rosbags', 'distributed', 'tqdm', 'cryptography'),
    ),
    'demo': ('the sample of demo and benchmark', ('skimage',)),
    'replay': ('replay of bags, and expectations', ('rosbags', 'pydantic')),
    'train': (
        'training, audits and plots',
        ('tensorflow', 'onnx', 'tf2onnx', 'pydantic', 'matplotlib', 'scipy', 'jinja2'),
    ),
}
"""Extra -> what it is for, and its modules."""


def check_python() -> Iterator[Finding]:
    """Check the version of Python."""
    yield evaluate_python(sys.version_info[:3])


def evaluate_python(version: tuple[int, ...]) -> Finding:
    """Compare a version of Python with the oldest supported one."""
    system = platform.freedesktop_os_release().get('PRETTY_NAME', 'Linux')
    text = (
        f'{platform.python_implementation()} {".".join(map(str, version))} on {system}, '
        f'{platform.machine()}'
    )
    if version < MIN_PYTHON:
        remedy = f'install Python {".".join(map(str, MIN_PYTHON))} or later'
        return Finding('python-too-old', ERROR, 'Python', text, remedy)
    return Finding('python-ok', OK, 'Python', text)


def check_libraries() -> Iterator[Finding]:
    """Import each library that everything needs."""
    for module, (version, remedy) in LIBRARIES.items():
        yield check_library(module, version, remedy)


def check_library(module: str, version: str, remedy: str) -> Finding:
    """Import a library in a child process, which may crash.

    A library that was built for another numpy ends the process, and so does a missing DDS.

    Args:
        module: its name.
        version: Python expression for its version.
        remedy: what to do if it cannot be imported.
    """
    probe = subprocess.run(
        [sys.executable, '-c', f'import {module}; print({version})'],
        capture_output=True,
        text=True,
    )
    if probe.returncode != 0:
        lines = probe.stderr.strip().splitlines()
        text = lines[-1] if lines else f'the import ends Python with code {probe.returncode}'
        return Finding(import_failed(module), ERROR, module, text, remedy)
    found = probe.stdout.strip()
    if module == 'cv2' and int(found.partition('.')[0]) > MAX_OPENCV:
        text = f'OpenCV {found} lacks the cascades of the detector haar'
        return Finding('cv2-too-new-for-haar', WARN, module, text, remedy)
    return Finding(f'{module}-ok', OK, module, found)


def check_installation() -> Iterator[Finding]:
    """Locate the files of the package."""
    from face_classification_ros.inference.model_zoo import share_folder

    try:
        version = importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        version = 'built by colcon'
    yield Finding('package-ok', OK, 'package', f'{version} in {share_folder()}')


def check_videos() -> Iterator[Finding]:
    """Check whether PyAV is installed, which has no rosdep key."""
    yield evaluate_videos(is_installed('av'))


def evaluate_videos(is_pyav_installed: bool) -> Finding:
    """Report whether videos can be read."""
    if is_pyav_installed:
        return Finding('videos-ok', OK, 'videos', 'read by PyAV')
    remedy = 'apt install python3-av, or in a virtual environment pip install av'
    return Finding('pyav-missing', WARN, 'videos', 'PyAV, which reads them, is missing', remedy)


def check_extras() -> Iterator[Finding]:
    """Check whether the modules of each extra are installed."""
    for extra, (purpose, modules) in EXTRAS.items():
        missing = [module for module in modules if not is_installed(module)]
        yield evaluate_extra(extra, purpose, missing)


def evaluate_extra(extra: str, purpose: str, missing: list[str]) -> Finding:
    """Report which modules of an extra are missing."""
    if missing:
        return Finding(
            'extra-missing',
            WARN,
            f'extra [{extra}]',
            f'{purpose}: {", ".join(missing)} not installed',
            f"pip install '{DISTRIBUTION}[{extra}]'",
        )
    return Finding('extra-ok', OK, f'extra [{extra}]', purpose)


def is_installed(module: str) -> bool:
    """Return whether a module is installed, without importing it."""
    return importlib.util.find_spec(module) is not None
