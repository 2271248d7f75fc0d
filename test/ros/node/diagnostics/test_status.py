"""Counters and states are evaluated as levels, codes and messages."""

from __future__ import annotations

import pytest

from face_classification_ros.ros.node.diagnostics.status import (
    evaluate_inactive,
    evaluate_models,
    evaluate_positions,
    evaluate_transforms,
    ImageStatus,
    Level,
    Status,
)
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.ros.node.state import Lifecycle, NodeState, Reason
from face_classification_ros.ros.node.statistics import (
    ImageStatistics,
    PositionStatistics,
    TransformStatistics,
)

LIMITS = NodeConfig(max_image_age=2.0, max_latency=0.5, min_output_rate=5.0)


def evaluated(
    seconds: int, statistics: ImageStatistics | None = None, **every_second: int
) -> Status:
    """Return the status after some seconds in which the counters increase."""
    statistics = statistics or ImageStatistics(latency=0.02)
    status = ImageStatus()
    status.start(statistics, 100.0)
    statistics.last_arrival = 100.0
    for now in range(101, 101 + seconds):
        for name, more in every_second.items():
            setattr(statistics, name, getattr(statistics, name) + more)
        if every_second.get('received'):
            statistics.last_arrival = now
        last = status.evaluate(statistics, now, LIMITS)
    return last


def test_processed_images_are_ok() -> None:
    """The rates are those of the last seconds."""
    status = evaluated(8, received=30, processed=15, rate_limited=15)
    assert (status.level, status.code) == (Level.OK, 'ok')
    assert status.values['input rate (Hz)'] == '30.0'
    assert status.values['output rate (Hz)'] == '15.0'
    assert status.values['rate limited'] == '120'


def test_input_rate_includes_all_images_that_were_sent() -> None:
    """Superseded images count, too; they are not a problem of a node that is fast enough."""
    status = evaluated(8, received=10, processed=8, rate_limited=2, sequence_gaps=20)
    assert (status.level, status.code) == (Level.OK, 'ok')
    assert status.values['input rate (Hz)'] == '30.0'
    assert status.values['superseded'] == '160'
    assert status.values['dropped'] == '176'
    status = evaluated(8, received=10, processed=10, sequence_gaps=20, lost=5)
    assert status.values['input rate (Hz)'] == '30.0'
    assert status.values['superseded'] == status.values['dropped'] == '120'


def test_superseded_images_that_cannot_be_counted_are_a_lower_bound() -> None:
    """Sequence numbers of several publishers do not show all gaps."""
    statistics = ImageStatistics(are_gaps_known=False)
    status = evaluated(8, statistics, received=10, processed=10, sequence_gaps=1)
    assert status.values['superseded'] == status.values['dropped'] == 'at least 8'


@pytest.mark.parametrize(
    'every_second, level, code, text',
    [
        ({}, Level.STALE, 'no_images_yet', 'no image yet, for 8 s'),
        (
            {'received': 9, 'processed': 8, 'malformed': 1},
            Level.WARN,
            'malformed_images',
            '5 of 45 images malformed',
        ),
        (
            {'received': 9, 'malformed': 9},
            Level.ERROR,
            'malformed_images,low_rate',
            '45 of 45 images malformed',
        ),
        (
            {'received': 9, 'processed': 9, 'lost': 2},
            Level.WARN,
            'lost_images',
            'images lost in transport: 10',
        ),
        (
            {'received': 3, 'processed': 3},
            Level.WARN,
            'low_rate',
            '3.0 images per second processed, expected 5',
        ),
    ],
)
def test_problems_have_level_code_and_message(
    every_second: dict[str, int], level: Level, code: str, text: str
) -> None:
    """The most severe problem comes first."""
    status = evaluated(8, None, **every_second)
    assert (status.level, status.code) == (level, code)
    assert status.message.startswith(text)


def test_status_of_malformed_images_has_the_newest_reason() -> None:
    """So that it is known without the log."""
    statistics = ImageStatistics(latency=0.02, malformed=1, malformed_reason='step 1')
    statistics.record_malformed('encoding foo')
    status = evaluated(8, statistics, received=9, malformed=9)
    assert 'encoding foo' in status.message
    assert 'step 1' not in status.message


@pytest.mark.parametrize(
    'latency, code, text',
    [
        (0.7, 'late', 'faces come 0.7 s after the stamp, expected 0.5 s'),
        (1e9, 'late', 'stamps are of another clock'),
        (-3.0, 'early', 'stamps are 3 s ahead of the clock'),
    ],
)
def test_late_faces_are_a_warning(latency: float, code: str, text: str) -> None:
    """The message distinguishes a slow node from stamps of another clock."""
    status = evaluated(8, ImageStatistics(latency=latency), received=9, processed=9)
    assert (status.level, status.code) == (Level.WARN, code)
    assert text in status.message


def test_stamps_that_are_not_used_are_a_warning() -> None:
    """Latencies are then measured from the arrival and hide the problem."""
    statistics = ImageStatistics(latency=0.02, has_stamps=False)
    status = evaluated(8, statistics, received=9, processed=9)
    assert (status.level, status.code) == (Level.WARN, 'no_stamps')
    assert (
        status.message == 'stamps are zero or constant, so images have the time of their arrival'
    )


def test_incompatible_publisher_is_a_warning() -> None:
    """While no image has arrived, the level remains STALE, and both codes are given."""
    statistics, status = ImageStatistics(), ImageStatus()
    status.start(statistics, 0.0)
    found = status.evaluate(statistics, 1.0, LIMITS, ['/camera (best_effort)'])
    assert (found.level, found.code) == (Level.STALE, 'no_images_yet,incompatible_qos')
    assert found.message.endswith('incompatible publishers: /camera (best_effort)')


def test_camera_that_stops_is_an_error_until_it_continues() -> None:
    """The error depends on the age of the newest image, and is over after the window."""
    statistics, status = ImageStatistics(), ImageStatus()
    status.start(statistics, 0.0)
    found = []
    for now in range(1, 21):
        if not 5 < now <= 10:
            statistics.received += 10
            statistics.processed += 10
            statistics.last_arrival = now
        found.append(status.evaluate(statistics, now, LIMITS))
    assert [each.code for each in found[:5]] == ['ok'] * 5
    assert [(each.level, each.code) for each in found[7:10]] == [(Level.ERROR, 'no_images')] * 3
    assert found[9].message == 'no image for 5.0 s'
    assert [each.code for each in found[16:]] == ['ok'] * 4


def test_inactive_node_is_ok() -> None:
    """Somebody asked for it."""
    status = evaluate_inactive(Reason('disabled', 'the node is disabled'))
    assert status == Status(Level.OK, 'disabled', 'the node is disabled')


def test_models_are_loaded_not_loaded_or_failed() -> None:
    """Each has a code, and a failure has its reason."""
    config, state = NodeConfig(models=('a', 'b')), NodeState('/node')
    assert evaluate_models(state, config).code == 'not_loaded'
    state.lifecycle = Lifecycle.INACTIVE
    loaded = evaluate_models(state, config)
    assert (loaded.level, loaded.code) == (Level.OK, 'ok')
    assert loaded.values == {'detector': 'auto', 'models': 'a, b'}
    state.lifecycle, state.load_error = Lifecycle.UNCONFIGURED, 'no such file'
    failed = evaluate_models(state, config)
    assert (failed.level, failed.code) == (Level.ERROR, 'load_failed')
    assert failed.message == 'no such file'


def test_missing_positions_are_a_warning() -> None:
    """The values have the counters."""
    statistics = PositionStatistics(depth_images=5, malformed=1, located=3, unlocated=2)
    status = evaluate_positions(statistics, '')
    assert (status.level, status.code) == (Level.OK, 'ok')
    assert list(status.values.values()) == ['5', '1', '3', '2']
    status = evaluate_positions(statistics, 'no calibration')
    assert status.level is Level.WARN
    assert (status.code, status.message) == ('no_positions', 'no calibration')


def test_missing_transforms_are_a_warning() -> None:
    """The values have the target frame and the counters."""
    statistics, config = TransformStatistics(), NodeConfig(target_frame='map')
    for is_transformed in (True, True, False):
        statistics.record_image(is_transformed=is_transformed)
    status = evaluate_transforms(statistics, '', config)
    assert (status.level, status.code) == (Level.OK, 'ok')
    assert list(status.values.values()) == ['map', '2', '1']
    status = evaluate_transforms(statistics, 'for 3 s: no transform', config)
    assert status.level is Level.WARN
    assert (status.code, status.message) == ('no_transform', 'for 3 s: no transform')
