"""Print the findings of all checks that need no ROS."""

from face_classification_ros.doctor.findings import exit_code, run_checks
from face_classification_ros.doctor.registry import CHECKS


def main() -> int:
    """Print each finding as soon as it is known, and return the exit code."""
    findings = []
    for finding in run_checks(CHECKS):
        findings.append(finding)
        print(finding, flush=True)
    return exit_code(findings)


if __name__ == '__main__':
    raise SystemExit(main())
