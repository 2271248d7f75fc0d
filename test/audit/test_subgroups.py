"""Groups of people are compared fairly: with intervals, and only where there are enough faces."""

import numpy as np
import pytest

from face_classification_ros.audit.subgroups import accuracy_by_group
from face_classification_ros.evaluation.metrics import wilson_interval


def test_each_group_has_its_own_accuracy() -> None:
    """60 faces of which 90 % are right, 50 of which 60 % are, and their gap."""
    race = np.array(['asian'] * 60 + ['black'] * 50)
    right = np.concatenate([np.arange(60) < 54, np.arange(50) < 30])
    compared = accuracy_by_group(right, {'race': race})['race']
    assert compared['groups']['asian'] == {
        'count': 60,
        'accuracy': 0.9,
        'accuracy_interval': wilson_interval(right[:60]),
    }
    assert compared['groups']['black']['accuracy'] == 0.6
    assert compared['largest_gap'] == {
        'best': 'asian',
        'worst': 'black',
        'gap': pytest.approx(0.3),
    }


def test_the_gap_is_as_large_for_the_other_group() -> None:
    """Where the second group has the better answers, they change places."""
    race = np.array(['asian'] * 50 + ['black'] * 50)
    right = np.concatenate([np.arange(50) < 30, np.arange(50) < 45])
    gap = accuracy_by_group(right, {'race': race})['race']['largest_gap']
    assert gap == {'best': 'black', 'worst': 'asian', 'gap': pytest.approx(0.3)}


def test_a_few_faces_make_no_gap() -> None:
    """49 faces are told, but compared with nobody."""
    race = np.array(['asian'] * 60 + ['black'] * 49)
    compared = accuracy_by_group(np.arange(109) < 60, {'race': race})['race']
    assert compared['groups']['black']['count'] == 49
    assert compared['largest_gap'] is None


def test_ages_are_put_together_to_bands() -> None:
    """Bands begin at 13, 20, and every ten years up to 70; only those with faces are told."""
    age = np.array([5, 13, 19, 20, 29, 30, 69, 70, 116])
    right = np.array([1, 1, 0, 1, 1, 0, 0, 1, 0], bool)
    groups = accuracy_by_group(right, {'age': age})['age']['groups']
    assert {name: (group['count'], group['accuracy']) for name, group in groups.items()} == {
        '0-12': (1, 1.0),
        '13-19': (2, 0.5),
        '20-29': (2, 1.0),
        '30-39': (1, 0.0),
        '60-69': (1, 0.0),
        '70+': (2, 0.5),
    }


def test_a_data_set_that_tells_no_groups_has_none() -> None:
    """FER-2013 says nothing of whom it shows."""
    assert accuracy_by_group(np.array([True]), {}) == {}
