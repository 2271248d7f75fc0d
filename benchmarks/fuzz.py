"""Fuzz all functions that read bytes from outside, with changed samples.

    nice python benchmarks/fuzz.py --seconds 300 model video

Inputs are guided by coverage if atheris is installed (pip install atheris; for targets that are
written in Python), and random otherwise. Inputs that a target does not reject as documented are
written to --output, and the exit code is 1. The targets are those of test/fuzz_targets.py, which
the property tests use, too.
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
    from fuzz_targets import FUZZ_TARGETS
else:
    import atheris

    # The package and the readers in Python that it uses; all modules would take minutes.
    with atheris.instrument_imports(include=['face_classification_ros', 'yaml', 'rosbags']):
        from fuzz_targets import FUZZ_TARGETS

NUMBERS = (b'\xff' * 4, bytes(4), b'\x7f\xff\xff\xff', b'\x00\x01\x86\xa0', b'\xa0\x86\x01\x00')


def main() -> int:
    """Fuzz each target in a process of its own, so that none can end another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'targets', nargs='*', metavar='TARGET', help=f'{", ".join(FUZZ_TARGETS)} (default: all)'
    )
    parser.add_argument(
        '--seconds', type=float, default=60.0, help='time for each target (default: 60)'
    )
    parser.add_argument(
        '--output', type=Path, default=Path('fuzz'), help='folder for bad inputs (default: fuzz)'
    )
    parser.add_argument('--here', action='store_true', help='fuzz a single target in this process')
    arguments = parser.parse_args()
    names = arguments.targets or list(FUZZ_TARGETS)
    if unknown := set(names) - set(FUZZ_TARGETS):
        parser.error(f'unknown target {", ".join(sorted(unknown))}')
    if arguments.here:
        return fuzz(names[0], arguments.seconds, arguments.output)
    from face_classification_ros.progress import progress

    codes = {}
    for name in progress(names, 'target'):
        command = [sys.executable, __file__, name, '--here', f'--seconds={arguments.seconds}']
        # Libraries report bad bytes in their own ways; the results are on stdout.
        done = subprocess.run(
            [*command, f'--output={arguments.output}'], stderr=subprocess.DEVNULL
        )
        codes[name] = done.returncode
        if done.returncode < 0:
            last = arguments.output / f'{name}.last'
            print(f'{name}: ended by signal {-done.returncode}, see {last}', flush=True)
    return int(any(codes.values()))


def fuzz(name: str, seconds: float, output: Path) -> int:
    """Fuzz a target for some seconds, and print how many inputs it got and accepted."""
    faulthandler.enable()
    output.mkdir(parents=True, exist_ok=True)
    target = FUZZ_TARGETS[name]
    tried, accepted, bad = 0, 0, 0
    start = time.monotonic()

    def one(data: bytes) -> None:
        nonlocal tried, accepted, bad
        (output / f'{name}.last').write_bytes(data)
        tried += 1
        try:
            accepted += target.accepts(data)
        except Exception:
            bad += 1
            (output / f'{name}.{bad}').write_bytes(data)
            (output / f'{name}.{bad}.txt').write_text(traceback.format_exc())

    def finish() -> int:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f'{name}: {tried} inputs in {time.monotonic() - start:.0f} s, {accepted} accepted, '
            f'{bad} not rejected as documented, at most {peak} MB',
            flush=True,
        )
        return int(bad > 0)

    if importlib.util.find_spec('atheris') is not None:
        _run_guided(one, target.samples(), seconds, finish)
    chance = random.Random(0)
    while time.monotonic() < start + seconds:
        one(changed(chance.choice(target.samples()), chance))
    return finish()


def changed(sample: bytes, chance: random.Random) -> bytes:
    """Return a sample with some bytes changed, removed, inserted or repeated, or truncated."""
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
    """Let atheris choose the inputs, and end the process, since its own loop does not end."""
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
