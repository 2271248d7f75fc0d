"""Evaluate counters and state of the node as levels, codes and messages for diagnostics."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.ros.node.state import NodeState, Reason
from face_classification_ros.ros.node.statistics import (
    ImageStatistics,
    PositionStatistics,
    TransformStatistics,
)

WINDOW = 5
"""Number of evaluations, one a second, over which rates are computed and problems persist."""


class Level(IntEnum):
    """Severity, as in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Status:
    """The status of one part of the node.

    Attributes:
        level: severity.
        code: `ok` or a stable code of the problem; of several, separated by commas, the most
            severe first.
        message: one line for people.
        values: name -> value, in the order in which they are shown.
    """

    level: Level
    code: str
    message: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Problem:
    level: Level
    code: str
    message: str


class ImageStatus:
    """Evaluates the processing of images from the counters of the last seconds.

    Rates and ages are of the steady clock, so they are valid while simulated time stands still.
    """

    def __init__(self) -> None:
        """Start without any counters."""
        self._past: deque[tuple[float, ImageStatistics]] = deque(maxlen=WINDOW)
        self._received_before = 0

    def start(self, statistics: ImageStatistics, now: float) -> None:
        """Start again, because the node starts to process images.

        Args:
            statistics: up to now.
            now: seconds of the steady clock.
        """
        self._past.clear()
        self._past.append((now, replace(statistics)))
        self._received_before = statistics.received

    def evaluate(
        self,
        statistics: ImageStatistics,
        now: float,
        limits: NodeConfig,
        incompatible_publishers: Sequence[str] = (),
    ) -> Status:
        """Evaluate the last seconds; call it once a second while images are processed.

        The codes are `no_images_yet` (STALE), `no_images` and `malformed_images` (ERROR if no
        image could be read, else WARN), and with WARN `low_rate`, `lost_images`, `no_stamps`,
        `late`, `early` and `incompatible_qos`.

        Args:
            statistics: up to now.
            now: seconds of the steady clock.
            limits: `max_image_age`, `max_latency` and `min_output_rate` count.
            incompatible_publishers: publishers of the topic with an incompatible reliability.
        """
        since, before = self._past[0]
        duration = max(now - since, 1e-3)
        age = now - statistics.last_arrival
        values = _image_values(statistics, before, duration, age)
        if statistics.received == self._received_before:
            # Rates count from the first image on.
            self.start(statistics, now)
            problems = [_Problem(Level.STALE, 'no_images_yet', f'no image yet, for {age:.0f} s')]
        else:
            is_window_full = len(self._past) == WINDOW
            self._past.append((now, replace(statistics)))
            rate = (statistics.processed - before.processed) / duration
            problems = _delivery_problems(statistics, before, age, limits)
            if age <= limits.max_image_age and is_window_full and rate < limits.min_output_rate:
                expected = f'{limits.min_output_rate:g}'
                text = f'{rate:.1f} images per second processed, expected {expected}'
                problems.append(_Problem(Level.WARN, 'low_rate', text))
            if statistics.processed > before.processed:
                problems += _time_problems(statistics, limits)
        if incompatible_publishers:
            text = f'incompatible publishers: {", ".join(incompatible_publishers)}'
            problems.append(_Problem(Level.WARN, 'incompatible_qos', text))
        if not problems:
            return Status(Level.OK, 'ok', 'images are processed', values)
        problems.sort(key=lambda each: each.level, reverse=True)
        codes = ','.join(each.code for each in problems)
        text = '; '.join(each.message for each in problems)
        return Status(problems[0].level, codes, text, values)


def evaluate_inactive(reason: Reason) -> Status:
    """Return the status of images while none are processed, which somebody asked for."""
    return Status(Level.OK, reason.code, reason.text)


def evaluate_models(state: NodeState, config: NodeConfig) -> Status:
    """Return the status of detector and models: `ok`, `not_loaded` or `load_failed`."""
    values = {'detector': config.detector, 'models': ', '.join(config.models)}
    if state.load_error:
        return Status(Level.ERROR, 'load_failed', state.load_error, values)
    if not state.is_loaded:
        return Status(Level.OK, 'not_loaded', 'detector and models are not loaded')
    return Status(Level.OK, 'ok', 'detector and models are loaded', values)


def evaluate_positions(statistics: PositionStatistics, problem: str) -> Status:
    """Return the status of positions: `ok` or `no_positions`.

    Args:
        statistics: up to now.
        problem: why faces have no positions, "" if they have.
    """
    values = {
        'depth images': str(statistics.depth_images),
        'malformed': str(statistics.malformed),
        'faces with a position': str(statistics.located),
        'faces without a position': str(statistics.unlocated),
    }
    if problem:
        return Status(Level.WARN, 'no_positions', problem, values)
    return Status(Level.OK, 'ok', 'positions are computed from depth images', values)


def evaluate_transforms(
    statistics: TransformStatistics, problem: str, config: NodeConfig
) -> Status:
    """Return the status of the transforms to the target frame: `ok` or `no_transform`.

    Args:
        statistics: up to now.
        problem: which transform is missing, since when and why; "" if none is.
        config: has the target frame.
    """
    values = {
        'target frame': config.target_frame,
        'images with a transform': str(statistics.transformed),
        'images without a transform': str(statistics.untransformed),
    }
    if problem:
        return Status(Level.WARN, 'no_transform', problem, values)
    return Status(Level.OK, 'ok', f'positions are in {config.target_frame}', values)


def _image_values(
    statistics: ImageStatistics, before: ImageStatistics, duration: float, age: float
) -> dict[str, str]:
    at_least = '' if statistics.are_gaps_known else 'at least '
    return {
        'input rate (Hz)': f'{(statistics.sent - before.sent) / duration:.1f}',
        'output rate (Hz)': f'{(statistics.processed - before.processed) / duration:.1f}',
        'age of the newest image (s)': f'{age:.2f}',
        'latency (s)': f'{statistics.latency:.3f}',
        'processing time (s)': f'{statistics.processing_time:.4f}',
        'faces': str(statistics.faces),
        'received': str(statistics.received),
        'processed': str(statistics.processed),
        'malformed': str(statistics.malformed),
        'dropped': at_least + str(statistics.dropped),
        'superseded': at_least + str(statistics.superseded),
        'rate limited': str(statistics.rate_limited),
        'lost in transport': str(statistics.lost),
    }


def _delivery_problems(
    statistics: ImageStatistics, before: ImageStatistics, age: float, limits: NodeConfig
) -> list[_Problem]:
    """Return what is wrong with the images that arrive."""
    problems = []
    if age > limits.max_image_age:
        problems.append(_Problem(Level.ERROR, 'no_images', f'no image for {age:.1f} s'))
    if malformed := statistics.malformed - before.malformed:
        level = Level.WARN if statistics.processed > before.processed else Level.ERROR
        received = statistics.received - before.received
        text = f'{malformed} of {received} images malformed: {statistics.malformed_reason}'
        problems.append(_Problem(level, 'malformed_images', text))
    if lost := statistics.lost - before.lost:
        problems.append(_Problem(Level.WARN, 'lost_images', f'images lost in transport: {lost}'))
    return problems


def _time_problems(statistics: ImageStatistics, limits: NodeConfig) -> list[_Problem]:
    """Return what is wrong with stamps and latency."""
    problems = []
    if not statistics.has_stamps:
        text = 'stamps are zero or constant, so images have the time of their arrival'
        problems.append(_Problem(Level.WARN, 'no_stamps', text))
    latency = statistics.latency
    if latency < -limits.max_latency:
        text = f'stamps are {-latency:.3g} s ahead of the clock of the node'
        problems.append(_Problem(Level.WARN, 'early', text))
    elif latency > limits.max_latency:
        text = f'faces come {latency:.3g} s after the stamp, expected {limits.max_latency:g} s'
        if latency > 3600:
            # Not a delay: a recording is played, or the camera has another clock.
            text += ': stamps are of another clock (use_sim_time?)'
        problems.append(_Problem(Level.WARN, 'late', text))
    return problems
