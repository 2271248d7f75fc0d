"""`make test FULL_MATRIX=1` goes through Pythons and ROS distributions, and counts their tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path
import subprocess
import sys
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / '.github' / 'scripts' / 'test_matrix.py'

TESTS = """
import pytest

def test_passes(): pass
def test_passes_too(): pass
def test_fails(): assert False
def test_is_skipped(): pytest.skip()

@pytest.fixture
def broken(): raise ValueError

def test_has_no_fixture(broken): pass
"""

pytestmark = pytest.mark.skipif(
    not SCRIPT.exists(), reason='an installed package or source distribution has no .github'
)


@pytest.fixture
def script() -> ModuleType:
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location('test_matrix', SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_counts_are_the_sum_of_all_reports(script: ModuleType, tmp_path: Path) -> None:
    """As pytest writes them; a fixture that fails counts as a failure."""
    (tmp_path / 'test_all.py').write_text(TESTS)
    report = tmp_path / 'tests.xml'
    command = [sys.executable, '-m', 'pytest', '--junitxml', str(report), 'test_all.py']
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 1
    assert script.counts_of([report, tmp_path / 'missing.xml']) == (2, 2, 1)
    assert script.counts_of([report, report]) == (4, 4, 2)


def test_python_that_is_missing_is_a_line_and_no_failure(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an environment for it."""
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.setenv('PYENV_ROOT', str(tmp_path))
    result = script.run_tests('3.13', 'kilted')
    assert result.outcome not in ('passed', 'failed')
    assert 'python3.13' in str(result) and 'kilted' in str(result)


def test_matrix_without_any_python_fails(tmp_path: Path) -> None:
    """Nothing was tested, which must not look like success."""
    environment = {'PATH': str(tmp_path), 'PYENV_ROOT': str(tmp_path)}
    done = subprocess.run([sys.executable, SCRIPT], env=environment, capture_output=True)
    assert done.returncode == 1
    # One line for each when it is done, and again in the table.
    assert done.stdout.count(b'is not installed') == 2 * 5 * 2


def test_python_of_a_version_manager_is_found(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program on the path only prints that this version is not chosen."""
    (tmp_path / 'python3.13').write_text('#!/bin/sh\nexit 127\n')
    (tmp_path / 'python3.13').chmod(0o755)
    installed = tmp_path / 'versions' / '3.13.0' / 'bin' / 'python'
    installed.parent.mkdir(parents=True)
    installed.symlink_to(sys.executable)
    monkeypatch.setenv('PATH', str(tmp_path), prepend=':')
    monkeypatch.setenv('PYENV_ROOT', str(tmp_path))
    assert script.program_of('3.13') == str(installed)
