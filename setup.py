"""Build a wheel for pip from the files that CMakeLists.txt builds and installs.

CMake uses the ROS wheels of the isolated build environment, see `requires` in pyproject.toml.
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

from setuptools import Distribution, setup
from setuptools.command.build import build

HERE = Path(__file__).resolve().parent
NAME = 'face_classification_ros'

# No wheels of tf2_msgs and vision_msgs exist, so ours contains copies; a robot has the official
# packages.
CMAKE_PROJECTS = (Path(), Path('wheel', 'tf2_msgs'), Path('wheel', 'vision_msgs'))

MODULES = f'lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages'

# In a wheel, only the scripts in bin/ have the path of their Python.
FORWARD = '#!/bin/sh\nexec "$(dirname "$(readlink -f "$0")")/../../bin/{name}" "$@"\n'


def check_tools() -> None:
    """Exit with one line if a tool is missing that pip cannot install; CMake would print fifty."""
    if not (shutil.which('c++') and shutil.which('cc')):
        sys.exit('A C and C++ compiler is missing, on Debian and Ubuntu: apt install g++')
    if not Path(sysconfig.get_path('include'), 'Python.h').exists():
        version = f'{sys.version_info.major}.{sys.version_info.minor}'
        sys.exit(f'Python.h is missing, on Debian and Ubuntu: apt install python{version}-dev')


class BinaryDistribution(Distribution):
    """A distribution for one version of Python and one platform."""

    def has_ext_modules(self) -> bool:
        """Return True, since the generated messages are extension modules."""
        return True


class CMakeBuild(build):
    """Build and install with CMake, and add the installed files to the wheel."""

    def run(self) -> None:
        """Fill build_lib with the modules and data_files with all other files."""
        check_tools()
        super().run()
        base = Path(self.build_base).resolve()
        source, stage = base / 'source', base / 'stage'
        # CMake rejects a project whose folder contains the environment that it builds with. Byte
        # code may change during the copy if the tree is in use.
        outputs = ('build', 'demo', 'install', 'log', 'site')
        unwanted = shutil.ignore_patterns('.*', '__pycache__', *outputs)
        shutil.copytree(HERE, source, ignore=unwanted)
        projects = [source / project for project in CMAKE_PROJECTS]
        with ThreadPoolExecutor() as pool:
            for _ in pool.map(lambda project: self._install(project, base, stage), projects):
                pass
        self._add_modules(stage / MODULES)
        self._add_other_files(stage)

    def _install(self, project: Path, base: Path, stage: Path) -> None:
        """Build one project with CMake and install it below the folder `stage`."""
        # A source distribution needs no ROS.
        import ament_package

        # ament_package is in PREFIX/lib/pythonX.Y/site-packages/ament_package.
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

    def _add_modules(self, modules: Path) -> None:
        """Copy modules to build_lib, without byte code and metadata."""
        unwanted = shutil.ignore_patterns('__pycache__', '*.egg-info', '*.c')
        shutil.copytree(modules, self.build_lib, ignore=unwanted, dirs_exist_ok=True)
        shutil.copy(HERE / 'wheel' / f'{NAME}.pth', self.build_lib)

    def _add_other_files(self, stage: Path) -> None:
        """Add all other files as data files, at the same place below the prefix."""
        for command in (stage / 'lib' / NAME).iterdir():
            command.write_text(FORWARD.format(name=command.name))
        for folder, _, names in os.walk(stage):
            place = Path(folder).relative_to(stage)
            if names and not place.is_relative_to(MODULES):
                files = [str(Path(folder) / name) for name in names]
                self.distribution.data_files.append((str(place), files))


# Build outside of the tree, so that the wheel has no files of an earlier build.
with tempfile.TemporaryDirectory() as scratch:
    setup(
        version=ElementTree.parse(HERE / 'package.xml').findtext('version'),
        distclass=BinaryDistribution,
        cmdclass={'build': CMakeBuild},
        data_files=[],
        options={'build': {'build_base': scratch}, 'egg_info': {'egg_base': scratch}},
    )
