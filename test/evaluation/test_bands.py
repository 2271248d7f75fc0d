"""Bands of ages: centers, expected values and neighbors."""

import numpy as np
import pytest

from face_classification_ros.evaluation.bands import (
    are_bands,
    band_centers,
    expected_values,
    within_one_band,
)

AGES = ('0-2', '3-9', '60-69', '70+')


def test_centers_are_in_the_middle_of_whole_years() -> None:
    """The open band counts as wide as the one before it."""
    assert band_centers(AGES).tolist() == [1.5, 6.5, 65, 75]


def test_an_expected_age_is_between_the_bands() -> None:
    """Half 3 to 9 and half 60 to 69."""
    ages = expected_values(np.array([[0, 0.5, 0.5, 0], [0, 0, 0, 1]], np.float32), AGES)
    assert ages.tolist() == pytest.approx([35.75, 75])


def test_neighbors_count_as_one_band_off() -> None:
    """Right, one off and two off."""
    assert within_one_band(np.array([0, 1, 3]), np.array([0, 2, 1])) == pytest.approx(2 / 3)


@pytest.mark.parametrize(('labels', 'expected'), [(AGES, True), (('woman', 'man'), False)])
def test_bands_are_told_from_other_labels(labels: tuple[str, ...], expected: bool) -> None:
    """By their form."""
    assert are_bands(labels) is expected


def test_a_label_that_is_not_a_band_is_named() -> None:
    """The message says what was expected."""
    with pytest.raises(ValueError, match="'old' is not a band; expected two numbers as in 10-19"):
        band_centers(('0-2', 'old'))
