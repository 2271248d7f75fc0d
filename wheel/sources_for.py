"""Write a source tree that uses the wheels of another ROS distribution, as links to this one.

    python3 wheel/sources_for.py kilted build/kilted && pip install build/kilted

Only pyproject.toml differs, which names the wheels of Jazzy.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import re

ROOT = Path(__file__).resolve().parents[1]

RENAMED = {
    'jazzy': {},
    'kilted': {
        'fastrtps-cmake-module': '',
        'python-cmake-module': 'ament-cmake-ros-core',
    },
}
"""Distribution with wheels -> wheel of Jazzy -> its name there, "" if there is none."""


def pyproject_for(text: str, distribution: str) -> str:
    """Return pyproject.toml with the wheels of a distribution."""
    for before, after in RENAMED[distribution].items():
        line = f"  'ros-jazzy-{before}',\n"
        text = text.replace(line, after and line.replace(before, after))
    return re.sub('(?<=[\'"])ros-jazzy-', f'ros-{distribution}-', text)


def write_sources(distribution: str, folder: Path) -> None:
    """Write a source tree into a folder, which may have an earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in ROOT.iterdir():
        link = folder / path.name
        if path.name.startswith('.') or path.name in ('build', 'pyproject.toml'):
            continue
        link.unlink(missing_ok=True)
        link.symlink_to(path)
    text = (ROOT / 'pyproject.toml').read_text()
    (folder / 'pyproject.toml').write_text(pyproject_for(text, distribution))


def main() -> None:
    """Write the source tree that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('distribution', choices=RENAMED, help='one for which PyPI has wheels')
    parser.add_argument('folder', type=Path, help='folder to write; it may exist')
    arguments = parser.parse_args()
    write_sources(arguments.distribution, arguments.folder)


if __name__ == '__main__':
    main()
