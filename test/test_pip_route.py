"""pip installs a working package on a machine without ROS."""

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
import skimage

from face_classification_ros.ros.compat import distribution

ASTRONAUT = Path(skimage.__file__).parent / 'data' / 'astronaut.png'

pytestmark = MARKS


def test_pip_installs_everything_into_a_new_environment(tmp_path: Path, domain: int) -> None:
    """Messages, commands and the share folder work without a sourced workspace."""
    names_before = sorted(os.listdir(ROOT))
    venv = tmp_path / 'venv'
    sources = sources_for(distribution(), tmp_path / 'sources')
    programs = make_venv(sys.executable, venv, str(sources))
    assert sorted(os.listdir(ROOT)) == names_before, 'the build left something in the tree'

    run(programs / 'python', '-m', 'pip', 'check', cwd=tmp_path)
    use = tmp_path / 'use.py'
    use.write_text(USE)
    environment = clean_environment(ROS_DOMAIN_ID=str(domain))
    run(programs / 'python', use, venv, cwd=tmp_path, env=environment, limit=60)
    hello = 'from vision_msgs.msg import Detection2DArray, LabelInfo'
    run(programs / 'python', '-c', hello, cwd=tmp_path)
    for folder in (programs, venv / 'lib' / NAME):
        assert 'usage' in run(folder / 'face_classification', '--help', cwd=tmp_path).lower()
        assert all(os.access(folder / name, os.X_OK) for name in COMMANDS)
    output = run(programs / 'face_classification', 'classify', ASTRONAUT, cwd=tmp_path)
    assert 'woman' in output and 'happy' in output
