"""Run `make test` with every Python and ROS distribution that has wheels, and print one table.

python3 .github/scripts/test_matrix.py    all; what make test FULL_MATRIX=1 does
python3 .github/scripts/test_matrix.py --python 3.12 --ros kilted    one of them

Each has an environment of its own, such as .venv-kilted-3.12, which the next run uses again. JOBS
and PYTEST_ADDOPTS apply to all of them.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import shutil
import subprocess
import sys
import time
from typing import NamedTuple
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]

PYTHONS = ['3.10', '3.11', '3.12', '3.13', '3.14']
DISTRIBUTIONS = ['jazzy', 'kilted']
REPORTS = ['tests.xml', 'install.xml']
"""What `make test` writes into an environment."""

# Of the surrounding make, whose target and variables are not those of the inner one.
UNWANTED = ['FULL_MATRIX', 'MAKEFLAGS', 'MAKELEVEL', 'MAKEOVERRIDES', 'MFLAGS']


class Counts(NamedTuple):
    """Numbers of tests."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0


class Result(NamedTuple):
    """What a Python and a distribution gave.

    Attributes:
        python: such as 3.12.
        ros: such as jazzy.
        outcome: "passed", "failed", or why nothing was run.
        counts: of the tests that were run.
        minutes: with the installation.
    """

    python: str
    ros: str
    outcome: str
    counts: Counts = Counts()
    minutes: float = 0.0

    def __str__(self) -> str:
        """Return the line of the table."""
        row = f'{self.python:6} {self.ros:7}'
        if self.outcome in ('passed', 'failed'):
            row += ''.join(f'{count:8}' for count in self.counts) + f'{self.minutes:8.0f}'
        return f'{row}  {self.outcome}'


def counts_of(reports: list[Path]) -> Counts:
    """Return the sum of the reports in JUnit's format that exist."""
    passed = failed = skipped = 0
    for report in filter(Path.exists, reports):
        for suite in ElementTree.parse(report).iter('testsuite'):
            bad = int(suite.attrib['failures']) + int(suite.attrib['errors'])
            passed += int(suite.attrib['tests']) - bad - int(suite.attrib['skipped'])
            failed += bad
            skipped += int(suite.attrib['skipped'])
    return Counts(passed, failed, skipped)


def program_of(python: str) -> str | None:
    """Return the path of an installed Python, of the system or of pyenv, None if there is none."""
    versions = Path(os.environ.get('PYENV_ROOT', Path.home() / '.pyenv'), 'versions')
    programs = [shutil.which(f'python{python}'), *versions.glob(f'{python}.*/bin/python')]
    for program in filter(None, programs):
        # The program that pyenv puts on the path may only print that this version is not chosen.
        if subprocess.run([program, '-c', ''], capture_output=True).returncode == 0:
            return str(program)
    return None


def environment_for(python: str, ros: str) -> tuple[Path, str]:
    """Create an environment, and return its folder and why it can't be tested, "" if it can."""
    folder = ROOT / f'.venv-{ros}-{python}'
    program = program_of(python)
    if program is None:
        return folder, f'python{python} is not installed'
    inner = folder / 'bin' / 'python'
    if not inner.exists():
        subprocess.run([program, '-m', 'venv', folder], check=True)
    install = [inner, '-m', 'pip', 'install', '--dry-run', '--only-binary', 'ros-rclpy']
    wheels = subprocess.run([*install, f'ros-{ros}-rclpy'], capture_output=True, text=True)
    if wheels.returncode == 0:
        return folder, ''
    missing = [line for line in wheels.stderr.splitlines() if 'No matching distribution' in line]
    if not missing:
        raise SystemExit(f'{wheels.stderr}\npip cannot look for the wheels of {ros}')
    return folder, missing[0]


def run_tests(python: str, ros: str) -> Result:
    """Test with one Python and one distribution."""
    folder, obstacle = environment_for(python, ros)
    if obstacle:
        return Result(python, ros, obstacle)
    reports = [folder / name for name in REPORTS]
    for report in reports:
        report.unlink(missing_ok=True)
    kept = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    command = ['make', 'test', f'ROS_DISTRO={ros}', f'VENV={folder.name}']
    start = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env=kept).returncode
    minutes = (time.monotonic() - start) / 60
    return Result(python, ros, 'failed' if code else 'passed', counts_of(reports), minutes)


def main() -> int:
    """Test what the command line asks for, and return 1 if anything failed or nothing was run."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--python', choices=PYTHONS, action='append', help='only this version')
    parser.add_argument('--ros', choices=DISTRIBUTIONS, action='append', help='only this one')
    arguments = parser.parse_args()
    results = []
    for python in arguments.python or PYTHONS:
        for ros in arguments.ros or DISTRIBUTIONS:
            results.append(run_tests(python, ros))
            print(results[-1], flush=True)
    print('\nPython ROS      passed  failed skipped minutes', *results, sep='\n')
    outcomes = {result.outcome for result in results}
    return int('failed' in outcomes or 'passed' not in outcomes)


if __name__ == '__main__':
    sys.exit(main())
