"""Accuracy by group of people."""

import numpy as np
import pytest

from face_classification_ros.evaluation.group_accuracy import accuracy_by_group
from face_classification_ros.evaluation.metrics import wilson_interval


def test_each_group_has_its_own_accuracy() -> None:
    """60 faces with an accuracy of 90 %, 50 with 60 %, and their gap."""
    race = np.array(['asian'] * 60 + ['black'] * 50)
    correct = np.concatenate([np.arange(60) < 54, np.arange(50) < 30])
    compared = accuracy_by_group(correct, {'race': race})['race']
    assert compared['groups']['asian'] == {
        'count': 60,
        'accuracy': 0.9,
        'accuracy_interval': wilson_interval(correct[:60]),
    }
    assert compared['groups']['black']['accuracy'] == 0.6
    assert compared['largest_gap'] == {
        'best': 'asian',
        'worst': 'black',
        'gap': pytest.approx(0.3),
    }


def test_gap_is_symmetric() -> None:
    """If the second group has the higher accuracy, best and worst change places."""
    race = np.array(['asian'] * 50 + ['black'] * 50)
    correct = np.concatenate([np.arange(50) < 30, np.arange(50) < 45])
    gap = accuracy_by_group(correct, {'race': race})['race']['largest_gap']
    assert gap == {'best': 'black', 'worst': 'asian', 'gap': pytest.approx(0.3)}


def test_small_groups_have_no_gap() -> None:
    """49 faces have an accuracy, but are not compared."""
    race = np.array(['asian'] * 60 + ['black'] * 49)
    compared = accuracy_by_group(np.arange(109) < 60, {'race': race})['race']
    assert compared['groups']['black']['count'] == 49
    assert compared['largest_gap'] is None


def test_ages_are_grouped_into_bands() -> None:
    """Bands begin at 0, 3, 10 and every ten years up to 70; those without faces are absent."""
    age = np.array([2, 3, 9, 10, 20, 29, 30, 69, 70, 116])
    correct = np.array([1, 1, 1, 0, 1, 1, 0, 0, 1, 0], bool)
    groups = accuracy_by_group(correct, {'age': age})['age']['groups']
    assert {name: (group['count'], group['accuracy']) for name, group in groups.items()} == {
        '0-2': (1, 1.0),
        '3-9': (2, 1.0),
        '10-19': (1, 0.0),
        '20-29': (2, 1.0),
        '30-39': (1, 0.0),
        '60-69': (1, 0.0),
        '70+': (2, 0.5),
    }


def test_data_set_without_groups_has_no_columns() -> None:
    """FER-2013 has no information about the people."""
    assert accuracy_by_group(np.array([True]), {}) == {}


def test_groups_of_ages_are_in_the_order_of_ages() -> None:
    """3-9 is before 10-19, which has the lower first digit."""
    ages = np.array(['70+', '10-19', '3-9', '20-29'] * 50)
    compared = accuracy_by_group(np.arange(200) < 120, {'age': ages})['age']
    assert list(compared['groups']) == ['3-9', '10-19', '20-29', '70+']
