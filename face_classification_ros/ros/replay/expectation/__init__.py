"""What a recording is expected to show: read from YAML, compared with results, proposed."""

from face_classification_ros.ros.replay.expectation.entries import Difference
from face_classification_ros.ros.replay.expectation.proposal import propose_expectation
from face_classification_ros.ros.replay.expectation.reader import (
    Expectation,
    ExpectationError,
    parse_expectation,
    Problem,
    read_expectation,
)

__all__ = [
    'Difference',
    'Expectation',
    'ExpectationError',
    'Problem',
    'parse_expectation',
    'propose_expectation',
    'read_expectation',
]
