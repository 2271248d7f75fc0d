"""A short run of `benchmarks/soak.py`, which otherwise runs for an hour."""

import json
from pathlib import Path
import subprocess
import sys

SOAK = Path(__file__).parents[2] / 'benchmarks' / 'soak.py'


def test_memory_is_flat_and_every_image_is_counted(tmp_path: Path, domain: int) -> None:
    """Thousands of images are processed, superseded or malformed, and none is kept."""
    path = tmp_path / 'soak.json'
    done = subprocess.run(
        [
            *(sys.executable, str(SOAK), '--rounds', '20', '--warm-up', '5', '--every', '3'),
            *('--domain', str(domain), '--parameter', 'detection_size:=160'),
            *('--json', str(path)),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert path.is_file(), done.stderr
    record = json.loads(path.read_text())
    assert record['is_complete'], done.stdout
    assert record['is_memory_flat'], done.stdout
    counts = record['counts']
    assert counts['processed'] > 2000
    assert counts['superseded'] > 0
    assert counts['malformed'] > 0
