"""Measure how soon the node recovers from faults, by running test/ros/test_faults.py repeatedly.

python benchmarks/faults.py --rounds 5
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
import statistics
import subprocess
import sys
import tempfile
from xml.etree import ElementTree

from face_classification_ros.progress import progress

TESTS = Path(__file__).parents[1] / 'test' / 'ros' / 'test_faults.py'


def run_tests() -> tuple[int, int, list[tuple[str, float]]]:
    """Run the tests once; return their number, the number of failures, and the figures by name."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, 'report.xml')
        subprocess.run(
            [
                *(str(Path(sys.executable).with_name('pytest')), '-q', str(TESTS)),
                *('--junitxml', str(report), '-o', 'junit_family=xunit1'),
            ],
            cwd=TESTS.parents[2],
            stdout=subprocess.DEVNULL,
            check=False,
        )
        cases = ElementTree.parse(report).findall('.//testcase')
    failed = sum(
        each.find('failure') is not None or each.find('error') is not None for each in cases
    )
    figures = [
        (each.attrib['name'], float(each.attrib['value']))
        for case in cases
        for each in case.findall('.//property')
    ]
    return len(cases), failed, figures


def main() -> int:
    """Print a table; return 1 if a test failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=5, help='runs of the tests (5)')
    options = parser.parse_args()
    tried = failed = 0
    values: dict[str, list[float]] = defaultdict(list)
    for _ in progress(range(options.rounds), 'run of the tests'):
        count, failures, figures = run_tests()
        tried, failed = tried + count, failed + failures
        for name, value in figures:
            values[name].append(value)
    print(f'{tried} faults tried, {tried - failed} survived\n')
    print('| figure | median | worst |\n| --- | --- | --- |')
    for name, each in values.items():
        worst = min(each) if name.endswith('processed') else max(each)
        print(f'| {name} | {statistics.median(each):.3g} | {worst:.3g} |')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
