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


def test_detector_is_one_module_and_one_line(tmp_path: Path) -> None:
    """The example of "Add a detector" detects in a copy of the package."""
    module, line = code_blocks('Add a detector', 'python')
    copy = shutil.copytree(PACKAGE, tmp_path / PACKAGE.name)
    (copy / 'detection' / 'center.py').write_text(module)
    config = copy / 'config.py'
    start = 'DETECTORS = {\n'
    assert start in config.read_text()
    config.write_text(config.read_text().replace(start, start + line))
    done = subprocess.run(
        [sys.executable, '-c', USE_DETECTOR],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[100.0, 60.0, 120.0, 120.0]]


def test_attribute_is_a_recipe_of_three_lines(tmp_path: Path) -> None:
    """The recipe of "Add an attribute" is complete: the rest has defaults."""
    pytest.importorskip('pydantic', reason='needs the extra [train]')
    from face_classification_ros.training.recipe import read_recipe

    (recipe,) = code_blocks('Add an attribute', 'yaml')
    path = tmp_path / 'headwear.yaml'
    path.write_text(textwrap.dedent(recipe))
    assert read_recipe(path).attributes == ('headwear',)
