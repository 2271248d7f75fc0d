"""Calibration of the score of a detector."""

import numpy as np
import pytest

pytest.importorskip('scipy', reason='needs the extra [train]')

from scipy.special import expit

from face_classification_ros.training.detector_calibration import (
    fit_score_calibration,
    ScoreCalibration,
)


def test_score_that_is_too_low_is_corrected() -> None:
    """As that of a distilled network: its logits are half of the true ones, less 1."""
    random = np.random.default_rng(0)
    true = random.normal(1, 3, 20_000)
    is_face = random.random(20_000) < expit(true)
    calibration = fit_score_calibration(expit(true / 2 - 1), is_face)
    assert calibration.scale == pytest.approx(2, rel=0.05)
    assert calibration.offset == pytest.approx(2, abs=0.1)


def test_calibrated_score_is_not_changed() -> None:
    """Also a score of exactly 0 or 1 is accepted."""
    random = np.random.default_rng(1)
    scores = np.append(random.random(20_000), (0.0, 1.0))
    calibration = fit_score_calibration(scores, random.random(20_002) < scores)
    assert calibration.scale == pytest.approx(1, rel=0.05)
    assert calibration.offset == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize('is_face', [True, False])
def test_without_faces_or_false_alarms_nothing_is_changed(is_face: bool) -> None:
    """One kind alone does not determine a calibration."""
    scores = np.array([0.2, 0.9])
    assert fit_score_calibration(scores, np.full(2, is_face)) == ScoreCalibration()
