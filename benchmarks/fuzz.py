"""Try the doors by which bytes come in with changed samples, for as long as one likes.

    nice python benchmarks/fuzz.py --seconds 300 model video

Guided by coverage where atheris is installed (pip install atheris; for the doors that are written
in Python), else by chance. What a door did not refuse as it should is written to --output, and
the exit code is 1. The doors are those of test/doors.py, which the property tests try at every
run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import faulthandler
import importlib.util
import os
from pathlib import Path
import random
import resource
import subprocess
import sys
import time
import traceback
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'test'))

if importlib.util.find_spec('atheris') is None:
    from fuzz_targets import DOORS
else:
    import atheris

    # Ours and the readers in Python that it uses; all there is would take minutes.
    with atheris.instrument_imports(include=['face_classification_ros', 'yaml', 'rosbags']):
        from fuzz_targets import DOORS

NUMBERS = (b'\xff' * 4, bytes(4), b'\x7f\xff\xff\xff', b'\x00\x01\x86\xa0', b'\xa0\x86\x01\x00')


def main() -> int:
    """Try each door in a process of its own, so that none can take another down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('doors', nargs='*', metavar='DOOR', help=f'of {", ".join(DOORS)}')
    parser.add_argument('--seconds', type=float, default=60.0, help='for each door')
    parser.add_argument('--output', type=Path, default=Path('fuzz'), help='for bad inputs')
    parser.add_argument('--here', action='store_true', help='in this process: one door')
    arguments = parser.parse_args()
    names = arguments.doors or list(DOORS)
    if unknown := set(names) - set(DOORS):
        parser.error(f'unknown door {", ".join(sorted(unknown))}')
    if arguments.here:
        return try_door(names[0], arguments.seconds, arguments.output)
    codes = {}
    for name in names:
        command = [sys.executable, __file__, name, '--here', f'--seconds={arguments.seconds}']
        # Libraries complain of bad bytes in their own ways; what counts is told on stdout.
        done = subprocess.run(
            [*command, f'--output={arguments.output}'], stderr=subprocess.DEVNULL
        )
        codes[name] = done.returncode
        if done.returncode < 0:
            last = arguments.output / f'{name}.last'
            print(f'{name}: ended by signal {-done.returncode}, see {last}', flush=True)
    return int(any(codes.values()))


def try_door(name: str, seconds: float, output: Path) -> int:
    """Try a door for some seconds; tell how many inputs it got and how many it let in."""
    faulthandler.enable()
    output.mkdir(parents=True, exist_ok=True)
    door = DOORS[name]
    tried, entered, bad = 0, 0, 0
    start = time.monotonic()

    def one(data: bytes) -> None:
        nonlocal tried, entered, bad
        (output / f'{name}.last').write_bytes(data)
        tried += 1
        try:
            entered += door.knock(data)
        except Exception:
            bad += 1
            (output / f'{name}.{bad}').write_bytes(data)
            (output / f'{name}.{bad}.txt').write_text(traceback.format_exc())

    def finish() -> int:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f'{name}: {tried} inputs in {time.monotonic() - start:.0f} s, {entered} let in, {bad} '
            f'not refused as documented, at most {peak} MB',
            flush=True,
        )
        return int(bad > 0)

    if importlib.util.find_spec('atheris') is not None:
        _run_guided(one, door.samples(), seconds, finish)
    chance = random.Random(0)
    while time.monotonic() < start + seconds:
        one(changed(chance.choice(door.samples()), chance))
    return finish()


def changed(sample: bytes, chance: random.Random) -> bytes:
    """Give a sample with some bytes changed, left out, put in or doubled, or its beginning."""
    data = bytearray(sample)
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(data) + 1)
        how = chance.randrange(6)
        if how == 0:
            data[at : at + 1] = chance.randbytes(1)
        elif how == 1:
            data[at : at + 4] = chance.choice(NUMBERS)
        elif how == 2:
            data[at:at] = chance.randbytes(chance.randint(1, 40))
        elif how == 3:
            del data[at : at + chance.randint(1, 40)]
        elif how == 4:
            data[at:at] = data[at : at + chance.randint(1, 400)]
        else:
            del data[at:]
    return bytes(data)


def _run_guided(
    one: Callable[[bytes], None],
    samples: list[bytes],
    seconds: float,
    finish: Callable[[], int],
) -> NoReturn:
    """Let atheris choose the inputs, and end the process: its own loop has no end."""
    chance = random.Random(0)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        if seed % 3:
            return bytes(atheris.Mutate(data or samples[0], max_size))
        return changed(chance.choice([data, *samples]), chance)[:max_size]

    end = time.monotonic() + seconds

    def until_the_end(data: bytes) -> None:
        if time.monotonic() > end:
            os._exit(finish())
        one(data)

    longest = str(2 * max(map(len, samples)))
    atheris.Setup(
        [sys.argv[0], f'-max_len={longest}', '-rss_limit_mb=4096'],
        until_the_end,
        custom_mutator=mutate,
    )
    atheris.Fuzz()
    raise AssertionError('atheris does not return')


if __name__ == '__main__':
    raise SystemExit(main())
