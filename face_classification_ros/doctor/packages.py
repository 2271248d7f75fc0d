"""Check Python, the libraries, the extras and the package itself."""

from __future__ import annotations

from collections.abc import Iterator
import importlib.metadata
import platform
import subprocess
import sys

from face_classification_ros.doctor.findings import ERROR, Finding, import_failed, OK, WARN
from face_classification_ros.requirements import (
    DISTRIBUTION,
    EXTRAS,
    install_command,
    is_installed,
    missing_modules,
    pip_command,
)

MIN_PYTHON = (3, 10)

MAX_OPENCV = 4
"""Major version of the last OpenCV with a cascade classifier."""

LIBRARIES = {
    'numpy': 'numpy.__version__',
    'cv2': 'cv2.__version__',
    'onnxruntime': 'onnxruntime.__version__',
    'yaml': 'yaml.__version__',
    'tqdm': 'tqdm.__version__',
    'rclpy': 'rclpy.get_rmw_implementation_identifier()',
}
"""Module -> expression for its version."""

INSTALL_ROS = (
    'source the setup files of ROS and of the workspace, or pip install this package; '
    'unset RMW_IMPLEMENTATION'
)
"""What to do if rclpy cannot be imported."""

DOWNGRADE_NUMPY = "pip install 'numpy<2'"
"""What to do if a library of the distribution was built for numpy 1."""

BUILT_FOR_NUMPY_1 = ('numpy.core.multiarray failed to import', '_ARRAY_API not found')
"""What the import of such a library prints with numpy 2."""


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
    for module, version in LIBRARIES.items():
        yield check_library(module, version, remedy_for(module))


def remedy_for(library: str) -> str:
    """Return what to do if a library cannot be imported."""
    return INSTALL_ROS if library == 'rclpy' else install_command([library])


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
        if any(each in probe.stderr for each in BUILT_FOR_NUMPY_1):
            text = f'{text}: it was built for numpy 1, and numpy 2 is installed'
            # Wheels are built for both.
            remedy = f'{DOWNGRADE_NUMPY}, or {pip_command([module])}'
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
    text = 'PyAV, which reads them, is missing'
    return Finding('pyav-missing', WARN, 'videos', text, install_command(['av']))


def check_extras() -> Iterator[Finding]:
    """Check whether the modules of each extra are installed."""
    for name, extra in EXTRAS.items():
        yield evaluate_extra(name, extra.purpose, missing_modules(extra.modules))


def evaluate_extra(extra: str, purpose: str, missing: list[str]) -> Finding:
    """Report which modules of an extra are missing."""
    if missing:
        return Finding(
            'extra-missing',
            WARN,
            f'extra [{extra}]',
            f'{purpose}: {", ".join(missing)} not installed',
            install_command(missing),
        )
    return Finding('extra-ok', OK, f'extra [{extra}]', purpose)
