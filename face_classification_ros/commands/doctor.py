"""Check the installation: what works, what is missing and what to do."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from face_classification_ros.doctor import Finding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `doctor`."""
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the findings as JSON')


def run(arguments: argparse.Namespace) -> int:
    """Check everything; returns 1 if something must be repaired."""
    from face_classification_ros import doctor
    from face_classification_ros.io.records import write_json

    findings = []
    for finding in itertools.chain(doctor.examine(), _examine_ros()):
        print(doctor.lines_of(finding), flush=True)
        findings.append(finding)
    if arguments.json:
        write_json(arguments.json, [asdict(each) for each in findings])
    return doctor.exit_code(findings)


def _examine_ros() -> Iterator[Finding]:
    from face_classification_ros.doctor import check_module, OK

    rclpy = check_module(
        'rclpy',
        'source the setup files of ROS and of the workspace, or pip install this package; '
        'unset RMW_IMPLEMENTATION',
        'get_rmw_implementation_identifier()',
    )
    yield rclpy
    if rclpy.verdict == OK:
        from face_classification_ros.ros.doctor import examine_ros

        yield from examine_ros()
