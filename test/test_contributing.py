"""The worked examples of CONTRIBUTING.md work as they are written."""

import json
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
import textwrap

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'face_classification_ros'

USE_DETECTOR = """
import json
import numpy as np
from face_classification_ros.config import PipelineConfig
from face_classification_ros.pipeline import create_pipeline

pipeline = create_pipeline(PipelineConfig(detector='center', models=()))
faces = pipeline.process_still(np.zeros((240, 320, 3), np.uint8))
print(json.dumps([face.to_dict()['box'] for face in faces]))
"""


def code_blocks(section: str, language: str) -> list[str]:
    """Return the code blocks of a language in a section of CONTRIBUTING.md."""
    text = (ROOT / 'CONTRIBUTING.md').read_text()
    (content,) = re.findall(rf'^## {section}\n(.*?)(?=^## |\Z)', text, re.DOTALL | re.MULTILINE)
    blocks = re.findall(rf'^( *)```{language}\n(.*?)^ *```$', content, re.DOTALL | re.MULTILINE)
    return [re.sub(rf'^{indent}', '', block, flags=re.MULTILINE) for indent, block in blocks]


def add_line(file: Path, start: str, line: str) -> None:
    """Add a line to a registry that begins with `start`."""
    content = file.read_text()
    assert start in content
    file.write_text(content.replace(start, start + line))


def run(folder: Path, *arguments: str) -> str:
    """Run Python with the copy of the package in a folder, and return what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a copy of the package that may be changed."""
    return Path(shutil.copytree(PACKAGE, tmp_path / PACKAGE.name))


def test_detector_is_one_module_and_one_line(package: Path) -> None:
    """The example of "Add a detector" detects."""
    module, line = code_blocks('Add a detector', 'python')
    (package / 'detection' / 'center.py').write_text(module)
    add_line(package / 'config.py', 'DETECTORS = {\n', line)
    boxes = json.loads(run(package.parent, '-c', USE_DETECTOR))
    assert boxes == [[100.0, 60.0, 120.0, 120.0]]


def test_command_is_one_module_and_one_line(package: Path) -> None:
    """The example of "Add a command" counts the faces of an image."""
    skimage = pytest.importorskip('skimage', reason='has the image')
    image = Path(skimage.__file__).parent / 'data' / 'astronaut.png'
    module, line = code_blocks('Add a command', 'python')
    (package / 'commands' / 'count.py').write_text(module)
    add_line(package / 'commands' / 'registry.py', 'COMMANDS = {\n', line)
    main = 'import sys; from face_classification_ros.commands.main import main; sys.exit(main())'
    assert run(package.parent, '-c', main, 'count', str(image)) == '1\n'


def test_attribute_is_a_recipe_of_three_lines(tmp_path: Path) -> None:
    """The recipe of "Add an attribute" is complete: the rest has defaults."""
    pytest.importorskip('pydantic', reason='needs the extra [train]')
    from face_classification_ros.training.recipe import read_recipe

    (recipe,) = code_blocks('Add an attribute', 'yaml')
    path = tmp_path / 'headwear.yaml'
    path.write_text(textwrap.dedent(recipe))
    assert read_recipe(path).attributes == ('headwear',)
