"""Counts become levels and words."""

from __future__ import annotations

import pytest

from face_classification_ros.ros.node.diagnostics.status import (
    ImageStatus,
    Level,
    Limits,
    Status,
)
from face_classification_ros.ros.node.statistics import ImageStatistics

LIMITS = Limits(max_image_age=2.0, max_latency=0.5, min_output_rate=5.0)


def judged(seconds: int, counts: ImageStatistics | None = None, **every_second: int) -> Status:
    """Judge a node once a second, whose counts rise by so much in each."""
    counts = counts or ImageStatistics(latency=0.02)
    status = ImageStatus()
    status.start(counts, 100.0)
    counts.last_arrival = 100.0
    for now in range(101, 101 + seconds):
        for name, more in every_second.items():
            setattr(counts, name, getattr(counts, name) + more)
        if every_second.get('received'):
            counts.last_arrival = now
        last = status.evaluate(counts, now, LIMITS)
    return last


def test_pictures_that_are_answered_are_ok() -> None:
    """The rates are those of the last seconds."""
    status = judged(8, received=30, processed=15, rate_limited=15)
    assert (status.level, status.message) == (Level.OK, '15.0 pictures a second')
    assert status.values['input rate (Hz)'] == '30.0'
    assert status.values['output rate (Hz)'] == '15.0'
    assert status.values['left out by max_processing_rate'] == '120'


def test_input_rate_is_of_all_that_was_sent() -> None:
    """Also of those that newer ones replaced; a slow node is no trouble as long as it answers."""
    status = judged(8, received=10, processed=8, rate_limited=2, sequence_gaps=20)
    assert (status.level, status.message) == (Level.OK, '8.0 pictures a second')
    assert status.values['input rate (Hz)'] == '30.0'
    assert status.values['replaced by newer ones'] == '160'
    assert status.values['dropped'] == '176'
    status = judged(8, received=10, processed=10, sequence_gaps=20, lost=5)
    assert status.values['input rate (Hz)'] == '30.0'
    assert status.values['replaced by newer ones'] == status.values['dropped'] == '120'


def test_replaced_pictures_that_cannot_be_counted_are_told_plainly() -> None:
    """Those of several publishers, so there may be more."""
    status = judged(
        8, ImageStatistics(are_gaps_known=False), received=10, processed=10, sequence_gaps=1
    )
    assert status.values['replaced by newer ones'] == status.values['dropped'] == 'at least 8'


@pytest.mark.parametrize(
    'every_second, level, text',
    [
        ({}, Level.STALE, 'no picture yet, for 8 s'),
        (
            {'received': 9, 'processed': 8, 'malformed': 1},
            Level.WARN,
            '5 of 45 pictures malformed',
        ),
        ({'received': 9, 'malformed': 9}, Level.ERROR, '45 of 45 pictures malformed'),
        ({'received': 9, 'processed': 9, 'lost': 2}, Level.WARN, '10 pictures lost on the way'),
        ({'received': 3, 'processed': 3}, Level.WARN, '3.0 pictures a second, expected 5'),
    ],
)
def test_troubles_are_told(every_second: dict[str, int], level: Level, text: str) -> None:
    """Each has its level and says how much."""
    status = judged(8, None, **every_second)
    assert status.level == level
    assert text in status.message


@pytest.mark.parametrize(
    'latency, text',
    [(0.7, 'faces come 0.7 s after'), (1e9, 'of another clock'), (-3.0, '3 s ahead of the clock')],
)
def test_late_faces_are_told(latency: float, text: str) -> None:
    """Stamps of another clock are told from a slow node."""
    status = judged(8, ImageStatistics(latency=latency), received=9, processed=9)
    assert status.level == Level.WARN
    assert text in status.message


def test_stamps_that_tell_no_time_are_told() -> None:
    """Latencies are then those from the arrival, and hide that."""
    counts = ImageStatistics(latency=0.02, have_stamps=False)
    status = judged(8, counts, received=9, processed=9)
    assert status.level == Level.WARN
    assert status.message == 'stamps are zero or stand still, so time is that of the arrival'


def test_a_camera_that_stops_is_an_error_and_recovers() -> None:
    """By the age of the last picture; troubles are forgotten after the window."""
    counts, status = ImageStatistics(), ImageStatus()
    status.start(counts, 0.0)
    levels = []
    for now in range(1, 21):
        if not 5 < now <= 10:
            counts.received += 10
            counts.processed += 10
            counts.last_arrival = now
        levels.append(status.evaluate(counts, now, LIMITS).level)
    assert levels[:5] == [Level.OK] * 5
    assert levels[7:10] == [Level.ERROR] * 3
    assert levels[16:] == [Level.OK] * 4
