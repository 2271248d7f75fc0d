"""Findings are printed, and decide on the exit code."""

from collections.abc import Iterator

import pytest

from face_classification_ros.doctor.findings import (
    Check,
    ERROR,
    exit_code,
    Finding,
    import_failed,
    OK,
    run_checks,
    WARN,
)


def finding(status: str, remedy: str = '') -> Finding:
    """Return a finding."""
    return Finding('code', status, 'subject', 'text', remedy)


def test_remedy_is_printed_on_a_line_of_its_own() -> None:
    """A finding without a remedy has one line."""
    assert str(finding(OK)) == 'OK    subject: text'
    assert str(finding(WARN, 'fix it')) == 'WARN  subject: text\n      -> fix it'


@pytest.mark.parametrize(('statuses', 'code'), [([], 0), ([OK, WARN], 0), ([OK, ERROR, WARN], 1)])
def test_exit_code_is_1_for_errors(statuses: list[str], code: int) -> None:
    """Warnings are not a failure."""
    assert exit_code(map(finding, statuses)) == code


def test_check_is_skipped_without_a_module_that_it_needs() -> None:
    """Its import could end the process; checks that need other modules run."""

    def never() -> Iterator[Finding]:
        raise AssertionError('must not run')
        yield

    failed = Finding(import_failed('numpy'), ERROR, 'numpy', 'broken')
    checks = [
        Check('libraries', lambda: [failed]),
        Check('models', never, needs=('cv2', 'numpy')),
        Check('other', lambda: [finding(OK)], needs=('cv2',)),
    ]
    first, skipped, other = run_checks(checks)
    assert (first, other) == (failed, finding(OK))
    assert (skipped.code, skipped.status, skipped.subject) == ('check-skipped', WARN, 'models')
    assert 'numpy' in skipped.text and 'cv2' not in skipped.text


def test_failing_check_is_a_finding() -> None:
    """What it yielded before stays, and the next check runs."""

    def fail() -> Iterator[Finding]:
        yield finding(OK)
        raise OSError('no such\ndevice')

    checks = [Check('first', fail), Check('second', lambda: [finding(WARN)])]
    first, failure, second = run_checks(checks)
    assert (first, second) == (finding(OK), finding(WARN))
    assert (failure.code, failure.status, failure.subject) == ('check-failed', ERROR, 'first')
    assert failure.text == 'OSError: no such device'
