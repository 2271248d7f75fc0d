"""Limit how often the log repeats the reasons of a problem that occurs with every image."""

from __future__ import annotations

MAX_REASONS = 3
"""Number of different reasons that are logged within one period."""


class ReasonLog:
    """Admits each reason once in a period, and few reasons in all, as some contain numbers."""

    def __init__(self, period: float) -> None:
        """Start without reasons; `period` is in seconds."""
        self._period = period
        self._logged: dict[str, float] = {}

    def admit(self, reason: str, now: float) -> bool:
        """Return whether a reason is to be logged at a time, in seconds of the steady clock."""
        recent = {
            each: since for each, since in self._logged.items() if now - since < self._period
        }
        self._logged = recent
        if reason in recent or len(recent) >= MAX_REASONS:
            return False
        recent[reason] = now
        return True
