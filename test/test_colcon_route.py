"""colcon builds and installs a working package."""

import os
from pathlib import Path
import sys

from installing import (
    clean_environment,
    COMMANDS,
    make_venv,
    MARKS,
    NAME,
    ROOT,
    run,
    sources_for,
    USE,
)
import pytest
import tomli

from face_classification_ros.ros.compat import distribution

pytestmark = MARKS


@pytest.fixture(scope='module')
def underlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment with colcon and the ROS wheels, which replaces /opt/ros."""
    folder = tmp_path_factory.mktemp('underlay')
    venv, ros = folder / 'venv', distribution()
    project = tomli.loads((sources_for(ros, folder / 'sources') / 'pyproject.toml').read_text())
    build_wheels = project['build-system']['requires']
    run_time = [f'ros-{ros}-rclpy', f'ros-{ros}-rmw-fastrtps-cpp']
    make_venv(sys.executable, venv, *build_wheels, *run_time, 'colcon-common-extensions')
    return venv


@pytest.mark.parametrize('options', [[], ['--symlink-install']], ids=['plain', 'symlink-install'])
def test_colcon_builds_and_installs_everything(
    underlay: Path, tmp_path: Path, domain: int, options: list[str]
) -> None:
    """As on a robot, with the sources in a workspace and ROS as the underlay."""
    sources = tmp_path / 'src'
    sources.mkdir()
    (sources / NAME).symlink_to(ROOT)
    environment = clean_environment(
        AMENT_PREFIX_PATH=str(underlay),
        CMAKE_PREFIX_PATH=str(underlay),
        PATH=os.pathsep.join([str(underlay / 'bin'), os.environ['PATH']]),
        ROS_DOMAIN_ID=str(domain),
        VIRTUAL_ENV=str(underlay),
    )
    packages = run('colcon', 'list', '--names-only', cwd=tmp_path, env=environment)
    assert packages.split() == [NAME], 'colcon must not see the vision_msgs of the wheel'
    run('colcon', 'build', *options, cwd=tmp_path, env=environment)

    prefix = tmp_path / 'install' / NAME
    use = tmp_path / 'use.py'
    use.write_text(USE)
    sourced = f'. install/setup.bash && python {use} {prefix}'
    run('bash', '-c', sourced, cwd=tmp_path, env=environment, limit=60)

    assert sorted(path.name for path in (prefix / 'lib' / NAME).iterdir()) == COMMANDS
    assert all(os.access(prefix / 'lib' / NAME / name, os.X_OK) for name in COMMANDS)
    (installed,) = prefix.glob(f'lib/python*/site-packages/{NAME}')
    missing = [
        module
        for module in (ROOT / NAME).rglob('*.py')
        if not (installed / module.relative_to(ROOT / NAME)).exists()
    ]
    assert not missing
    assert (installed / 'types.py').is_symlink() == bool(options)
    assert (prefix / 'share' / NAME / 'package.xml').is_symlink() == bool(options)
