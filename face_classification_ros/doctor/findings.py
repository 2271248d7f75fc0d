"""Findings of checks, and how checks are run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

OK, WARN, ERROR = 'OK', 'WARN', 'ERROR'
"""Statuses: all is well; something optional is missing; something has to be fixed."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        code: what was found, such as `shared-memory-too-small`; it never changes.
        status: `OK`, `WARN` or `ERROR`.
        subject: what was checked.
        text: what was found, in one line.
        remedy: what to do about it; "" if nothing.
    """

    code: str
    status: str
    subject: str
    text: str
    remedy: str = ''

    def __str__(self) -> str:
        line = f'{self.status:5} {self.subject}: {self.text}'
        return f'{line}\n      -> {self.remedy}' if self.remedy else line


@dataclass(frozen=True)
class Check:
    """A check of one or several things.

    Attributes:
        subject: what is checked, for the finding if the check itself fails.
        run: yields a finding per thing.
        needs: modules that `run` imports; without one of them the check is skipped.
    """

    subject: str
    run: Callable[[], Iterable[Finding]]
    needs: Collection[str] = ()


def run_checks(checks: Iterable[Check]) -> Iterator[Finding]:
    """Run checks one after the other; an exception in one is also a finding.

    A check that needs a module whose import failed in an earlier one is skipped: the import could
    end this process.
    """
    failed: list[str] = []
    for check in checks:
        missing = [module for module in failed if module in check.needs]
        if missing:
            text = f'not checked without {", ".join(missing)}'
            yield Finding('check-skipped', WARN, check.subject, text)
            continue
        try:
            for finding in check.run():
                if finding.code == import_failed(finding.subject):
                    failed.append(finding.subject)
                yield finding
        except Exception as error:
            yield Finding(
                'check-failed',
                ERROR,
                check.subject,
                error_text(error),
                'see the lines above, they may be the cause',
            )


def import_failed(module: str) -> str:
    """Return the code of a finding about a module that cannot be imported; it is the subject."""
    return f'{module}-import-failed'


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 1 if a finding is an error, else 0."""
    return int(any(finding.status == ERROR for finding in findings))


def error_text(error: Exception) -> str:
    """Return type and message of an exception in one line."""
    text = ' '.join(str(error).split())
    return f'{type(error).__name__}: {text}' if text else type(error).__name__
