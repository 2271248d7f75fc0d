"""Check the installation: what works, what is missing and what to do."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `doctor`."""
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the findings as JSON')


def run(arguments: argparse.Namespace) -> int:
    """Check everything, what needs ROS if all libraries work; returns 1 if there is an error."""
    from face_classification_ros.doctor.findings import exit_code, import_failed, run_checks
    from face_classification_ros.doctor.packages import LIBRARIES
    from face_classification_ros.doctor.registry import CHECKS
    from face_classification_ros.io.records import write_json

    findings = []
    for finding in run_checks(CHECKS):
        print(finding, flush=True)
        findings.append(finding)
    codes = {finding.code for finding in findings}
    if codes.isdisjoint(map(import_failed, LIBRARIES)):
        from face_classification_ros.ros.doctor.registry import CHECKS as ROS_CHECKS

        for finding in run_checks(ROS_CHECKS):
            print(finding, flush=True)
            findings.append(finding)
    if arguments.json:
        write_json(arguments.json, [asdict(finding) for finding in findings])
    return exit_code(findings)
