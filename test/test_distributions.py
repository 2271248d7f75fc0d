"""The wheels of one ROS distribution are used, which is a choice of one word."""

from __future__ import annotations

from pathlib import Path
import re
import subprocess
import sys
from typing import Any

from installing import ROOT, sources_for
import pytest
import tomli

WHEEL = re.compile('ros-([a-z]+)-(.+)')


def settings(folder: Path) -> dict[str, Any]:
    """Return the settings of a source tree."""
    return tomli.loads((folder / 'pyproject.toml').read_text())


def wheels(project: dict[str, Any]) -> dict[str, set[tuple[str, ...]]]:
    """Return distribution and package of the ROS wheels for building, running and testing."""
    required = {
        'build': project['build-system']['requires'],
        'run': project['project']['dependencies'],
        'test': project['project']['optional-dependencies']['test'],
    }
    return {
        purpose: {match.groups() for each in names if (match := WHEEL.fullmatch(each))}
        for purpose, names in required.items()
    }


def test_sources_for_kilted_use_its_wheels(tmp_path: Path) -> None:
    """Two build packages of Jazzy were replaced by one; the others have the same names."""
    jazzy, kilted = (
        wheels(settings(folder)) for folder in (ROOT, sources_for('kilted', tmp_path))
    )
    for purpose in ('build', 'run', 'test'):
        assert {ros for ros, _ in jazzy[purpose]} == {'jazzy'}
        assert {ros for ros, _ in kilted[purpose]} == {'kilted'}
    names = {
        purpose: [{name for _, name in each[purpose]} for each in (jazzy, kilted)]
        for purpose in jazzy
    }
    assert names['run'][0] == names['run'][1] and names['test'][0] == names['test'][1]
    before, after = names['build']
    assert before - after == {'fastrtps-cmake-module', 'python-cmake-module'}
    assert after - before == {'ament-cmake-ros-core'}


def test_sources_for_jazzy_are_the_tree_itself(tmp_path: Path) -> None:
    """All but pyproject.toml are links, and it is equal."""
    folder = sources_for('jazzy', tmp_path)
    assert settings(folder) == settings(ROOT)
    assert {path.name for path in folder.iterdir() if not path.is_symlink()} == {'pyproject.toml'}
    assert (folder / 'package.xml').resolve() == ROOT / 'package.xml'


def test_sources_are_written_again_after_a_change(tmp_path: Path) -> None:
    """As make does before every build."""
    sources_for('kilted', tmp_path)
    (tmp_path / 'pyproject.toml').write_text('')
    assert wheels(settings(sources_for('kilted', tmp_path)))['run']


@pytest.mark.parametrize('name', ['lyrical', 'humble', ''])
def test_distribution_without_wheels_is_rejected(name: str, tmp_path: Path) -> None:
    """There the package is built by colcon."""
    command = [sys.executable, ROOT / 'wheel' / 'sources_for.py', name, tmp_path / 'sources']
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert 'jazzy' in done.stderr and 'kilted' in done.stderr
    assert not (tmp_path / 'sources').exists()
