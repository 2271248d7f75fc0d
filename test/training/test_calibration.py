"""Calibration turns the logits of a network that is too sure or biased into honest answers."""

import numpy as np
import pytest

pytest.importorskip('scipy', reason='needs the extra [train]')

from face_classification_ros.training.calibration import fit_calibration


def draw(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw honest logits of three labels, and truths that follow them."""
    logits = random.normal(0, 1.5, (count, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y_true = (probabilities.cumsum(axis=1) < random.random((count, 1))).sum(axis=1)
    return logits, y_true


def test_overconfident_and_biased_answers_become_honest() -> None:
    """Logits that are three times too large, with the last label told too often, are set right."""
    random = np.random.default_rng(0)
    bias = np.array([-0.5, -0.5, 1.0])
    (training, training_truth), (logits, y_true) = draw(random, 20_000), draw(random, 20_000)
    calibration = fit_calibration(
        3 * (training + bias), training_truth, 3 * (logits + bias), y_true
    )
    assert calibration.temperature == pytest.approx(3, rel=0.05)
    np.testing.assert_allclose(calibration.offsets, -3 * bias, atol=0.15)


def test_offsets_come_from_training_and_temperature_from_validation() -> None:
    """A network that is honest in training but too sure elsewhere keeps its labels."""
    random = np.random.default_rng(1)
    (training, training_truth), (logits, y_true) = draw(random, 20_000), draw(random, 20_000)
    calibration = fit_calibration(training, training_truth, 2 * logits, y_true)
    assert calibration.temperature == pytest.approx(2, rel=0.05)
    np.testing.assert_allclose(calibration.offsets, 0, atol=0.1)
