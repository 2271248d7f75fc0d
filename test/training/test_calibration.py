"""Calibration of overconfident and biased logits."""

import numpy as np
import pytest

pytest.importorskip('scipy', reason='needs the extra [train]')

from face_classification_ros.training.calibration import fit_calibration


def draw(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw calibrated logits of three labels, and true labels by their probabilities."""
    logits = random.normal(0, 1.5, (count, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y_true = (probabilities.cumsum(axis=1) < random.random((count, 1))).sum(axis=1)
    return logits, y_true


def test_overconfidence_and_bias_are_corrected() -> None:
    """Logits are three times too large, and the last label is predicted too often."""
    random = np.random.default_rng(0)
    bias = np.array([-0.5, -0.5, 1.0])
    (training, training_y_true), (logits, y_true) = draw(random, 20_000), draw(random, 20_000)
    calibration = fit_calibration(
        [(3 * (training + bias), training_y_true)], [(3 * (logits + bias), y_true)]
    )
    assert calibration.temperature == pytest.approx(3, rel=0.05)
    np.testing.assert_allclose(calibration.offsets, -3 * bias, atol=0.15)


def test_offsets_come_from_training_and_temperature_from_validation() -> None:
    """A network that is calibrated in training but overconfident elsewhere keeps its labels."""
    random = np.random.default_rng(1)
    (training, training_y_true), (logits, y_true) = draw(random, 20_000), draw(random, 20_000)
    calibration = fit_calibration([(training, training_y_true)], [(2 * logits, y_true)])
    assert calibration.temperature == pytest.approx(2, rel=0.05)
    np.testing.assert_allclose(calibration.offsets, 0, atol=0.1)


def test_each_data_set_has_the_same_weight() -> None:
    """The temperature does not depend on the number of faces of a data set."""
    random = np.random.default_rng(2)
    (large, large_truth), (small, small_truth) = draw(random, 20_000), draw(random, 1_000)
    few, many = (large[:1000], large_truth[:1000]), (large, large_truth)
    other = (4 * small, small_truth)
    temperatures = [fit_calibration([many], [each, other]).temperature for each in (few, many)]
    assert temperatures[0] == pytest.approx(temperatures[1], rel=0.1)
    assert temperatures[0] > 1.5
