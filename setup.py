"""The pip route: make a wheel from what CMakeLists.txt builds and installs.

CMake runs against the ROS wheels of the isolated build environment that pyproject.toml asks for.
"""

from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from xml.etree import ElementTree

import ament_package
from setuptools import Distribution, setup
from setuptools.command.build import build

HERE = Path(__file__).resolve().parent
NAME = 'face_classification_ros'

# vision_msgs is in no wheel, so the wheel brings its own; a robot has the official package.
CMAKE_PROJECTS = (Path(), Path('wheel', 'vision_msgs'))

MODULES = f'lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages'

# In a wheel only the scripts in bin/ know which Python they belong to.
FORWARD = '#!/bin/sh\nexec "$(dirname "$(readlink -f "$0")")/../../bin/{name}" "$@"\n'


def complain_of_missing_tools() -> None:
    """Say in one line what pip cannot bring, before CMake says it in fifty."""
    if not (shutil.which('c++') and shutil.which('cc')):
        sys.exit('A C and C++ compiler is missing, on Debian and Ubuntu: apt install g++')
    if not Path(sysconfig.get_path('include'), 'Python.h').exists():
        version = f'{sys.version_info.major}.{sys.version_info.minor}'
        sys.exit(f'Python.h is missing, on Debian and Ubuntu: apt install python{version}-dev')


class BinaryDistribution(Distribution):
    """A distribution that is bound to one Python and one platform."""

    def has_ext_modules(self) -> bool:
        """Answer yes: the generated messages are extension modules."""
        return True


class CMakeBuild(build):
    """Build and install with CMake, then hand the installed files on to the wheel."""

    def run(self) -> None:
        """Fill build_lib with the modules and data_files with all other files."""
        complain_of_missing_tools()
        super().run()
        base = Path(self.build_base).resolve()
        source, stage = base / 'source', base / 'stage'
        # CMake refuses a project in whose folder the environment lies that it builds with. Byte
        # code may come and go meanwhile, where the tree is in use.
        unwanted = shutil.ignore_patterns('.*', '__pycache__', 'build', 'demo', 'install', 'log')
        shutil.copytree(HERE, source, ignore=unwanted)
        projects = [source / project for project in CMAKE_PROJECTS]
        with ThreadPoolExecutor() as pool:
            for _ in pool.map(lambda project: self._install(project, base, stage), projects):
                pass
        self._take_modules(stage / MODULES)
        self._take_other_files(stage)

    def _install(self, project: Path, base: Path, stage: Path) -> None:
        """Let CMake build one project and install it below the folder `stage`."""
        # ament_package lies in PREFIX/lib/pythonX.Y/site-packages/ament_package.
        prefix = str(Path(ament_package.__file__).resolve().parents[4])
        environment = {**os.environ, 'AMENT_PREFIX_PATH': prefix, 'CMAKE_PREFIX_PATH': prefix}
        binaries = str(base / 'binaries' / project.name)
        configure = [
            'cmake',
            '-G',
            'Ninja',
            '-S',
            str(project),
            '-B',
            binaries,
            '-DBUILD_TESTING=OFF',
            '-DCMAKE_BUILD_TYPE=Release',
            f'-DCMAKE_INSTALL_PREFIX={stage}',
            f'-DPYTHON_INSTALL_DIR={MODULES}',
            f'-DPython3_EXECUTABLE={sys.executable}',
        ]
        subprocess.run(configure, env=environment, check=True)
        subprocess.run(['cmake', '--build', binaries], env=environment, check=True)
        subprocess.run(['cmake', '--install', binaries, '--strip'], env=environment, check=True)

    def _take_modules(self, modules: Path) -> None:
        """Lay modules into build_lib, but no byte code and no second list of files."""
        unwanted = shutil.ignore_patterns('__pycache__', '*.egg-info', '*.c')
        shutil.copytree(modules, self.build_lib, ignore=unwanted, dirs_exist_ok=True)
        shutil.copy(HERE / 'wheel' / f'{NAME}.pth', self.build_lib)

    def _take_other_files(self, stage: Path) -> None:
        """List all that is not a module as data files, at the same place below the prefix."""
        for command in (stage / 'lib' / NAME).iterdir():
            command.write_text(FORWARD.format(name=command.name))
        for folder, _, names in os.walk(stage):
            place = Path(folder).relative_to(stage)
            if names and not place.is_relative_to(MODULES):
                files = [str(Path(folder) / name) for name in names]
                self.distribution.data_files.append((str(place), files))


# What is built is kept out of the tree: nothing of an earlier build may get into the wheel.
with tempfile.TemporaryDirectory() as scratch:
    setup(
        version=ElementTree.parse(HERE / 'package.xml').findtext('version'),
        distclass=BinaryDistribution,
        cmdclass={'build': CMakeBuild},
        data_files=[],
        options={'build': {'build_base': scratch}, 'egg_info': {'egg_base': scratch}},
    )
