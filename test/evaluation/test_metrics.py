"""Figures are what their names say: each is worked out by hand."""

import math

import numpy as np
import pytest

from face_classification_ros.evaluation.metrics import (
    accuracy_interval,
    balanced_accuracy,
    calibration_error,
    confusion_matrix,
    coverage,
    macro_f1,
    negative_log_likelihood,
    precision_recall_f1,
    reliability,
    row_shares,
    wilson_interval,
)

CONFUSION = np.array([[6, 2, 0], [1, 1, 0], [0, 0, 0]])
"""Ten faces of two labels, and a third label that nobody has and nobody is told."""


def test_a_confusion_matrix_has_rows_of_truth_and_columns_of_answers() -> None:
    """One face of label 0 was told as 2, and nothing else."""
    confusion = confusion_matrix(np.array([0, 1]), np.array([2, 1]), 3)
    assert confusion.tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_normalized_rows_have_the_sum_one() -> None:
    """Three of four are 75 %; a label without faces has nothing to share."""
    assert row_shares(CONFUSION).tolist() == [[0.75, 0.25, 0], [0.5, 0.5, 0], [0, 0, 0]]


def test_precision_is_of_the_told_and_recall_of_the_true() -> None:
    """Label 1: told three times, once rightly; true of two, once told."""
    precision, recall, f1 = precision_recall_f1(CONFUSION)
    assert precision.tolist() == pytest.approx([6 / 7, 1 / 3, 0])
    assert recall.tolist() == pytest.approx([6 / 8, 1 / 2, 0])
    assert f1.tolist() == pytest.approx([0.8, 0.4, 0])


def test_precision_and_recall_change_places_with_truth_and_answer() -> None:
    """And F1, which is between them, stays."""
    precision, recall, f1 = precision_recall_f1(CONFUSION)
    mirrored = precision_recall_f1(CONFUSION.T)
    np.testing.assert_allclose(mirrored, (recall, precision, f1))


def test_rare_labels_count_as_much_as_frequent_ones() -> None:
    """Accuracy is 70 % here; the rare label pulls the means of the labels down."""
    assert balanced_accuracy(CONFUSION) == pytest.approx((0.75 + 0.5) / 2)
    assert macro_f1(CONFUSION) == pytest.approx((0.8 + 0.4) / 2)


def test_a_label_that_is_told_of_nobody_rightly_lowers_f1_alone() -> None:
    """It has no recall, as nobody has it, but its answers are wrong ones."""
    confusion = np.array([[3, 1], [0, 0]])
    assert balanced_accuracy(confusion) == 0.75
    assert macro_f1(confusion) == pytest.approx((6 / 7 + 0) / 2)


def test_the_interval_of_an_accuracy_narrows_with_the_number_of_faces() -> None:
    """Two standard errors either way: 8 points for 100 faces, 0.8 for 10,000."""
    for faces, half in ((100, 0.08), (10_000, 0.008)):
        right = np.arange(faces) % 5 != 0
        low, high = accuracy_interval(right)
        assert low == pytest.approx(0.8 - half, abs=half / 4)
        assert high == pytest.approx(0.8 + half, abs=half / 4)


@pytest.mark.parametrize(
    ('right', 'faces', 'interval'),
    [(8, 10, (0.4902, 0.9433)), (10, 10, (0.7225, 1.0)), (0, 10, (0.0, 0.2775))],
)
def test_the_interval_of_a_small_group_is_wide_even_where_all_are_right(
    right: int, faces: int, interval: tuple[float, float]
) -> None:
    """Textbook values of Wilson's interval."""
    assert wilson_interval(np.arange(faces) < right) == pytest.approx(interval, abs=1e-4)


def test_both_intervals_agree_on_many_faces() -> None:
    """They differ where there are few faces only."""
    right = np.arange(2000) % 10 != 0
    assert wilson_interval(right) == pytest.approx(accuracy_interval(right), abs=0.002)


def test_the_likelihood_is_of_the_true_label() -> None:
    """One face is told rightly with 80 %, one wrongly with 75 %."""
    probabilities = np.array([[0.8, 0.2], [0.75, 0.25]], np.float32)
    expected = -(math.log(0.8) + math.log(0.25)) / 2
    assert negative_log_likelihood(probabilities, np.array([0, 1])) == pytest.approx(expected)


def test_false_certainty_costs_much_but_not_without_end() -> None:
    """A probability of 0 for the true label would make the mean of all faces infinite."""
    certain = np.array([[1.0, 0.0]], np.float32)
    assert negative_log_likelihood(certain, np.array([0])) == 0
    assert 15 < negative_log_likelihood(certain, np.array([1])) < 17


def test_honest_probabilities_have_no_calibration_error() -> None:
    """Of the answers told with 75 % three in four are right."""
    confidence = np.full(400, 0.75, np.float32)
    assert calibration_error(confidence, np.arange(400) % 4 != 0) == pytest.approx(0)


def test_false_certainty_is_measured() -> None:
    """Told with 95 %, right in half of the cases: an error of 0.45."""
    confidence = np.full(400, 0.95, np.float32)
    error = calibration_error(confidence, np.arange(400) % 2 == 0)
    assert error == pytest.approx(0.45, abs=1e-6)


def test_too_much_and_too_little_confidence_do_not_cancel_out() -> None:
    """A quarter told with 90 % and wrong, the others with 60 % and right."""
    confidence = np.array([0.9, 0.6, 0.6, 0.6], np.float32)
    right = np.array([False, True, True, True])
    assert calibration_error(confidence, right) == pytest.approx((0.9 + 3 * 0.4) / 4)


def test_faces_of_like_confidence_are_counted_together() -> None:
    """Bins are a fifteenth wide; only those with faces are told, and 100 % is in the last."""
    confidence = np.array([0.5, 0.52, 1.0], np.float32)
    low, high = reliability(confidence, np.array([True, False, True]))
    assert (low['low'], low['high']) == pytest.approx((7 / 15, 8 / 15))
    assert (low['faces'], low['accuracy']) == (2, 0.5)
    assert low['confidence'] == pytest.approx(0.51)
    assert (high['high'], high['faces'], high['accuracy']) == (1.0, 1, 1.0)


def test_withheld_answers_are_neither_right_nor_wrong() -> None:
    """Three of four are told, and two of those are right."""
    confidence = np.array([0.95, 0.75, 0.8, 0.6], np.float32)
    y_pred = coverage(confidence, np.array([True, False, True, False]), 0.75)
    assert y_pred == {'threshold': 0.75, 'share': 0.75, 'accuracy': pytest.approx(2 / 3)}
    assert coverage(confidence, np.ones(4, bool), 0.99)['accuracy'] is None
    assert coverage(confidence, np.ones(4, bool), 0.0)['share'] == 1


def test_a_confidence_is_compared_as_the_node_compares_it() -> None:
    """What float32 makes of 0.7 is a little less, and "unknown"."""
    confidence = np.array([0.7], np.float32)
    assert coverage(confidence, np.array([True]), 0.7)['share'] == 0
