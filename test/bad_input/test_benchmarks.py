"""Benchmarks report missing files like the command: one line, exit code 2."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import pytest

pytest.importorskip('scipy', reason='needs the extra [train]')

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'


@pytest.mark.parametrize(
    ('benchmark', 'options'),
    [
        ('calibration.py', ['--model', 'missing', '--data', '.']),
        ('calibration.py', ['--model', 'multitask_mini_xception', '--data', 'missing']),
        ('input_conditions.py', ['--model', 'multitask_mini_xception', '--data', 'missing']),
        ('calibration.py', ['--model', 'multitask_mini_xception', '--data', 'empty']),
        ('input_conditions.py', ['--model', 'multitask_mini_xception', '--data', 'empty']),
        ('int8.py', ['emotion', '--data', 'missing']),
        ('detection_interval.py', ['missing.mp4']),
        ('tracks.py', ['missing.mp4']),
        ('people.py', ['missing.mp4']),
    ],
)
def test_missing_file_is_reported_in_one_line(
    benchmark: str, options: list[str], tmp_path: Path
) -> None:
    """With the names of the program and of what is missing or empty."""
    (tmp_path / 'empty').mkdir()
    done = subprocess.run(
        [sys.executable, BENCHMARKS / benchmark, *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f'{benchmark}: ')
    (name,) = {'missing', 'missing.mp4', 'empty'}.intersection(options)
    assert name in line
