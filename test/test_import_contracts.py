"""The contracts of [tool.importlinter] in pyproject.toml: who may import whom."""

from pathlib import Path
import shutil
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_imports_keep_the_contracts() -> None:
    """Layers, siblings and wings import only what they may, also lazily."""
    program = shutil.which('lint-imports', path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip('import-linter is not installed')
    done = subprocess.run(
        [program, '--no-cache'], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
