"""Significance of differences, corrected for multiple tests."""

import numpy as np
import pytest

pytest.importorskip('scipy', reason='needs the extra [train]')

from face_classification_ros.audit.significance import (
    compare_paired,
    compare_with_others,
    correct_p_values,
    difference_interval,
)


def test_group_is_compared_with_all_other_faces() -> None:
    """Fisher's lady tasting tea: 3 of 4 against 1 of 4 is random in 34 of 70 draws."""
    correct = np.array([1, 1, 1, 0, 0, 0, 0, 1], bool)
    inside = np.arange(8) < 4
    assert compare_with_others(correct, inside) == pytest.approx(34 / 70)
    assert compare_with_others(correct, ~inside) == pytest.approx(34 / 70)


def test_large_difference_of_many_faces_is_significant() -> None:
    """90 % of 500 against 80 % of 500."""
    correct = np.concatenate([np.arange(500) < 450, np.arange(500) < 400])
    assert compare_with_others(correct, np.arange(1000) < 500) < 0.001


def test_paired_comparison_depends_on_changed_faces_alone() -> None:
    """6 faces lost and none gained: one in 64, in either direction one in 32."""
    before = np.arange(20) < 15
    after = before & (np.arange(20) >= 6)
    assert compare_paired(before, after) == pytest.approx(2 / 64)
    assert compare_paired(after, before) == pytest.approx(2 / 64)
    twice = np.concatenate([before, np.ones(100, bool)]), np.concatenate([after, np.ones(100)])
    assert compare_paired(twice[0], twice[1].astype(bool)) == pytest.approx(2 / 64)


def test_paired_comparison_without_changes_is_not_significant() -> None:
    """Nothing is lost or gained."""
    assert compare_paired(np.ones(5, bool), np.ones(5, bool)) == 1


def test_p_values_grow_with_the_number_of_tests() -> None:
    """Holm: the smallest times 4, the next times 3, never below the previous one, at most 1."""
    assert correct_p_values([0.04, 0.01, 0.03, 0.6]) == pytest.approx([0.09, 0.04, 0.09, 0.6])
    assert correct_p_values([0.9, 0.8]) == [1, 1]
    assert correct_p_values([]) == []


def test_interval_of_a_difference_has_published_values() -> None:
    """Newcombe 1998, table II, contrast (a), method 10: 56 of 70 against 48 of 80."""
    low, high = difference_interval(np.arange(70) < 56, np.arange(80) < 48)
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_interval_of_extreme_proportions_has_a_width() -> None:
    """Newcombe 1998, contrast (h): 10 of 10 against 0 of 10."""
    low, high = difference_interval(np.ones(10, bool), np.zeros(10, bool))
    assert (low, high) == pytest.approx((0.6075, 1.0), abs=1e-4)
