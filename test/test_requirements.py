"""Messages name the packages that a task lacks, with a command that an index or apt can follow."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
import re
import shlex

import pytest
import tomli

from face_classification_ros import requirements
from face_classification_ros.requirements import (
    EXTRAS,
    install_command,
    missing_modules,
    needs_modules,
    PACKAGES,
)

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomli.loads((ROOT / 'pyproject.toml').read_text())['project']


@pytest.fixture
def after_colcon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the package be built by colcon on a system with apt."""

    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, 'version', version)
    monkeypatch.setattr(requirements.shutil, 'which', lambda name: f'/usr/bin/{name}')


def test_extras_are_those_of_the_project() -> None:
    """Every extra of users has the same packages and versions as in pyproject.toml."""
    declared = dict(PROJECT['optional-dependencies'])
    del declared['docs'], declared['test']
    assert {
        name: sorted(PACKAGES[module].requirement for module in extra.modules)
        for name, extra in EXTRAS.items()
    } == {name: sorted(each) for name, each in declared.items()}


def test_other_packages_are_dependencies_of_the_project() -> None:
    """All modules that belong to no extra are needed by everything."""
    of_extras = {module for extra in EXTRAS.values() for module in extra.modules}
    needed = {each.partition(';')[0] for each in PROJECT['dependencies'] if 'ros-' not in each}
    assert {PACKAGES[module].requirement for module in PACKAGES.keys() - of_extras} == needed


def test_pip_installs_what_is_missing_next_to_pip() -> None:
    """One command has all packages with their versions, quoted for the shell."""
    command = install_command(['rosbags', 'distributed', 'skimage'])
    assert shlex.split(command) == [
        *('pip', 'install', 'rosbags>=0.11', 'dask[distributed]', 'scikit-image')
    ]


def test_apt_installs_what_it_has_after_colcon(after_colcon: None) -> None:
    """Packages of pip could replace the numpy of the distribution; the others come from pip."""
    assert install_command(['skimage']) == 'sudo apt install python3-skimage'
    apt, pip = install_command(['rosbags', 'distributed', 'skimage']).split(' && ')
    assert apt == 'sudo apt install python3-distributed python3-skimage'
    assert shlex.split(pip) == ['pip', 'install', 'rosbags>=0.11']


@pytest.mark.parametrize(('version', 'missing'), [('1.10.14', True), ('2.0rc1', False)])
def test_too_old_package_is_missing(
    monkeypatch: pytest.MonkeyPatch, version: str, missing: bool
) -> None:
    """Ubuntu 24.04 has pydantic 1.10."""
    monkeypatch.setattr(requirements, 'is_installed', lambda module: True)
    monkeypatch.setattr(importlib.metadata, 'version', lambda name: version)
    assert bool(missing_modules(['pydantic'])) == missing


def test_error_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that fails although everything is installed has another cause."""
    monkeypatch.setattr(requirements, 'is_installed', lambda module: module != 'scipy')
    with pytest.raises(ImportError, match=r'pip install scipy$'), needs_modules(['scipy'], 'it'):
        raise ImportError('no scipy')
    with pytest.raises(ImportError, match=r'^broken$'), needs_modules(['numpy'], 'it'):
        raise ImportError('broken')


def test_no_message_names_an_extra_as_a_package() -> None:
    """No index has this package, so that pip can install its extras from a checkout alone."""
    sources = [*(ROOT / 'face_classification_ros').rglob('*.py'), *ROOT.glob('benchmarks/*.py')]
    sources += [*(ROOT / 'docs').rglob('*.md'), ROOT / 'README.md']
    wrong = re.compile(r'pip install ["\']?face_classification_ros')
    assert [path for path in sources if wrong.search(path.read_text())] == []
