"""Measure how long a newcomer waits: first faces, first network, first behavior, tests, docs.

    python benchmarks/newcomer.py [--keep-pip-cache] [--tests]

Everything happens in a fresh clone of what is committed, in a temporary home folder, with no other
environment variable than PATH: nothing that is installed or downloaded for this user is used,
unless `--keep-pip-cache` lends pip's cache.

Prints a table; of a step that fails its output.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time

from face_classification_ros.progress import progress

ROOT = Path(__file__).resolve().parents[1]

DATA = """
import cv2, numpy, pathlib
random = numpy.random.default_rng(0)
for label in ('none', 'hat'):
    folder = pathlib.Path('headwear', label)
    folder.mkdir(parents=True)
    for number in range(100):
        image = random.integers(0, 120, (64, 64), numpy.uint8)
        cv2.circle(image, (32, 38), int(random.integers(14, 22)), 160, -1)
        if label == 'hat':
            cv2.rectangle(image, (12, 6), (52, int(random.integers(14, 22))), 250, -1)
        cv2.imwrite(f'{folder}/{number}.png', image)
"""
"""Draws heads with and without a hat: a bright bar above a circle."""

NETWORK = f"""
.venv/bin/python -c "{DATA}"
echo '{{attributes: [headwear], network: mini_xception, epochs: 3}}' > headwear.yaml
.venv/bin/face_classification train headwear.yaml --data headwear --output run
test -s run/headwear_mini_xception.onnx
"""

BEHAVIOR = """
export ROS_DOMAIN_ID=86 ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
.venv/bin/face_classification demo --view --no-browser --port 0 &
trap "kill $!; wait" EXIT
cd .venv
until bin/python ../examples/greet_guest.py --node /demo/face_classification | grep Welcome
do kill -0 $!; sleep 0.2; done
"""
"""Asks until the node is there and has seen somebody."""

STEPS = {
    'first faces (make demo)': 'make demo && test -s demo/faces.json',
    'developer tools (make venv)': 'make venv',
    'first own network (3 epochs, 200 images)': NETWORK,
    'first behavior (greet_guest.py beside the demo)': BEHAVIOR,
    'documentation (make docs)': 'make docs',
    'all tests (make test)': 'make test',
}
"""What is measured, in order -> how."""


def run(script: str, clone: Path, pip_cache: str) -> None:
    """Run a script of bash in the clone; if it fails, exit with its output."""
    home = {'HOME': str(clone.parent), 'TMPDIR': str(clone.parent), 'PATH': os.environ['PATH']}
    done = subprocess.run(
        ['bash', '-euo', 'pipefail', '-c', script],
        cwd=clone,
        env={**home, **({'PIP_CACHE_DIR': pip_cache} if pip_cache else {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.exit(f'{done.stdout}\nexit code {done.returncode} of: {script}')


def main() -> None:
    """Measure each step."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--keep-pip-cache', action='store_true', help='download nothing again')
    parser.add_argument('--tests', action='store_true', help='also measure make test')
    options = parser.parse_args()
    pip_cache = ''
    if options.keep_pip_cache:
        show = [sys.executable, '-m', 'pip', 'cache', 'dir']
        pip_cache = subprocess.run(show, check=True, capture_output=True, text=True).stdout.strip()
    steps = {
        name: STEPS[name] for name in STEPS if options.tests or 'make test' not in STEPS[name]
    }
    table, begin = [], time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        clone = Path(home, 'face_classification_ros')
        subprocess.run(['git', 'clone', '--quiet', ROOT, clone], check=True)
        for name, script in progress(steps.items(), 'step', total=len(steps)):
            start = time.monotonic()
            run(script, clone, pip_cache)
            now = time.monotonic()
            table.append(f'{name:50}{now - start:8.0f}{now - begin:8.0f}')
    print(f'pip cache: {pip_cache or "empty"}\n{"":50}{"seconds":>8}{"in all":>8}')
    print('\n'.join(table))


if __name__ == '__main__':
    main()
