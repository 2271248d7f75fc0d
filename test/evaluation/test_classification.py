"""Figures of an evaluation are what their names say."""

import numpy as np
import pytest

from face_classification_ros.evaluation.classification import accuracy_interval, calibration_error


def test_the_interval_of_an_accuracy_narrows_with_the_number_of_faces() -> None:
    """Two standard errors either way: 8 points for 100 faces, 0.8 for 10,000."""
    for faces, half in ((100, 0.08), (10_000, 0.008)):
        right = np.arange(faces) % 5 != 0
        low, high = accuracy_interval(right)
        assert low == pytest.approx(0.8 - half, abs=half / 4)
        assert high == pytest.approx(0.8 + half, abs=half / 4)


def test_honest_probabilities_have_no_calibration_error() -> None:
    """Of the answers told with 75 % three in four are right."""
    confidence = np.full(400, 0.75, np.float32)
    assert calibration_error(confidence, np.arange(400) % 4 != 0) == pytest.approx(0)


def test_false_certainty_is_measured() -> None:
    """Told with 95 %, right in half of the cases: an error of 0.45."""
    confidence = np.full(400, 0.95, np.float32)
    error = calibration_error(confidence, np.arange(400) % 2 == 0)
    assert error == pytest.approx(0.45, abs=1e-6)
