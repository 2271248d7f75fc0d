"""Metrics against values computed by hand."""

import math

import numpy as np
import pytest

from face_classification_ros.evaluation.metrics import (
    balanced_accuracy,
    calibration_error,
    confusion_matrix,
    coverage,
    macro_f1,
    negative_log_likelihood,
    normalize_rows,
    precision_recall_f1,
    reliability,
    wilson_interval,
)

CONFUSION = np.array([[6, 2, 0], [1, 1, 0], [0, 0, 0]])
"""Ten faces of two labels, and a third label that is neither true nor predicted."""


def test_confusion_matrix_has_true_labels_in_rows() -> None:
    """One face of label 0 is predicted as 2."""
    confusion = confusion_matrix(np.array([0, 1]), np.array([2, 1]), 3)
    assert confusion.tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_normalized_rows_have_a_sum_of_one() -> None:
    """Three of four are 75 %; the row of a label without faces is zero."""
    assert normalize_rows(CONFUSION).tolist() == [[0.75, 0.25, 0], [0.5, 0.5, 0], [0, 0, 0]]


def test_precision_is_by_prediction_and_recall_by_true_label() -> None:
    """Label 1 is predicted three times, once correctly; it is true for two."""
    precision, recall, f1 = precision_recall_f1(CONFUSION)
    assert precision.tolist() == pytest.approx([6 / 7, 1 / 3, 0])
    assert recall.tolist() == pytest.approx([6 / 8, 1 / 2, 0])
    assert f1.tolist() == pytest.approx([0.8, 0.4, 0])


def test_transposed_confusion_exchanges_precision_and_recall() -> None:
    """F1 stays the same."""
    precision, recall, f1 = precision_recall_f1(CONFUSION)
    mirrored = precision_recall_f1(CONFUSION.T)
    np.testing.assert_allclose(mirrored, (recall, precision, f1))


def test_rare_labels_weigh_as_much_as_frequent_ones() -> None:
    """The accuracy is 70 %; the rare label lowers the means over labels."""
    assert balanced_accuracy(CONFUSION) == pytest.approx((0.75 + 0.5) / 2)
    assert macro_f1(CONFUSION) == pytest.approx((0.8 + 0.4) / 2)


def test_label_without_faces_lowers_f1_alone() -> None:
    """Its recall is undefined, but its predictions are wrong."""
    confusion = np.array([[3, 1], [0, 0]])
    assert balanced_accuracy(confusion) == 0.75
    assert macro_f1(confusion) == pytest.approx((6 / 7 + 0) / 2)


@pytest.mark.parametrize(
    ('correct', 'faces', 'interval'),
    [(8, 10, (0.4902, 0.9433)), (10, 10, (0.7225, 1.0)), (0, 10, (0.0, 0.2775))],
)
def test_wilson_interval_has_textbook_values(
    correct: int, faces: int, interval: tuple[float, float]
) -> None:
    """It is wide for small groups, even if all predictions are correct."""
    assert wilson_interval(np.arange(faces) < correct) == pytest.approx(interval, abs=1e-4)


def test_interval_narrows_with_the_number_of_faces() -> None:
    """Two standard errors on either side: 8 points for 100 faces, 0.8 for 10,000."""
    for faces, half in ((100, 0.08), (10_000, 0.008)):
        low, high = wilson_interval(np.arange(faces) % 5 != 0)
        assert low == pytest.approx(0.8 - half, abs=half / 4)
        assert high == pytest.approx(0.8 + half, abs=half / 4)


def test_likelihood_is_that_of_the_true_label() -> None:
    """One prediction is correct with 80 %, one wrong with 75 %."""
    probabilities = np.array([[0.8, 0.2], [0.75, 0.25]], np.float32)
    expected = -(math.log(0.8) + math.log(0.25)) / 2
    assert negative_log_likelihood(probabilities, np.array([0, 1])) == pytest.approx(expected)


def test_likelihood_of_a_zero_probability_is_finite() -> None:
    """It would make the mean over all faces infinite."""
    certain = np.array([[1.0, 0.0]], np.float32)
    assert negative_log_likelihood(certain, np.array([0])) == 0
    assert 15 < negative_log_likelihood(certain, np.array([1])) < 17


def test_calibrated_probabilities_have_no_calibration_error() -> None:
    """Three in four predictions with a confidence of 75 % are correct."""
    confidence = np.full(400, 0.75, np.float32)
    assert calibration_error(confidence, np.arange(400) % 4 != 0) == pytest.approx(0)


def test_overconfidence_is_a_calibration_error() -> None:
    """Confidence 95 %, accuracy 50 %: an error of 0.45."""
    confidence = np.full(400, 0.95, np.float32)
    error = calibration_error(confidence, np.arange(400) % 2 == 0)
    assert error == pytest.approx(0.45, abs=1e-6)


def test_overconfidence_and_underconfidence_do_not_cancel_out() -> None:
    """A quarter is wrong with 90 %, the others are correct with 60 %."""
    confidence = np.array([0.9, 0.6, 0.6, 0.6], np.float32)
    correct = np.array([False, True, True, True])
    assert calibration_error(confidence, correct) == pytest.approx((0.9 + 3 * 0.4) / 4)


def test_faces_of_similar_confidence_are_in_one_bin() -> None:
    """Bins are a fifteenth wide; those without faces are absent, and 100 % is in the last."""
    confidence = np.array([0.5, 0.52, 1.0], np.float32)
    low, high = reliability(confidence, np.array([True, False, True]))
    assert (low['low'], low['high']) == pytest.approx((7 / 15, 8 / 15))
    assert (low['faces'], low['accuracy']) == (2, 0.5)
    assert low['confidence'] == pytest.approx(0.51)
    assert (high['high'], high['faces'], high['accuracy']) == (1.0, 1, 1.0)


def test_unknown_labels_are_excluded_from_the_accuracy() -> None:
    """Three of four are known, and two of those are correct."""
    confidence = np.array([0.95, 0.75, 0.8, 0.6], np.float32)
    result = coverage(confidence, np.array([True, False, True, False]), 0.75)
    assert result == {'threshold': 0.75, 'fraction': 0.75, 'accuracy': pytest.approx(2 / 3)}
    assert coverage(confidence, np.ones(4, bool), 0.99)['accuracy'] is None
    assert coverage(confidence, np.ones(4, bool), 0.0)['fraction'] == 1


def test_threshold_is_compared_in_double_precision() -> None:
    """0.7 in float32 is slightly less than 0.7, as in the node."""
    confidence = np.array([0.7], np.float32)
    assert coverage(confidence, np.array([True]), 0.7)['fraction'] == 0
