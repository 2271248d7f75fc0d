"""What is believed of an attribute: weights, and a label that does not flicker."""

import numpy as np
import pytest

from face_classification_ros.tracking.temporal_filter import TemporalFilter

LABELS = ('happy', 'sad', 'neutral')


def distribution(happy: float, sad: float) -> np.ndarray:
    """Make a distribution; the rest is neutral."""
    return np.array([happy, sad, 1 - happy - sad], np.float32)


def told(*answers: np.ndarray, threshold: float = 0.4) -> list[str]:
    """Give the label after each answer, each of which replaces the one before in the average."""
    filter_ = TemporalFilter()
    labels = []
    for number, answer in enumerate(answers):
        filter_.add(answer, 1000.0 * number, smoothing_time=1.0)
        labels.append(filter_.update_label(LABELS, threshold))
    return labels


def test_label_changes_only_where_another_one_leads() -> None:
    """Two that are about as probable do not take turns; a clear change is told at once."""
    answers = [distribution(0.5, 0.44), distribution(0.44, 0.5)] * 2 + [distribution(0.3, 0.6)]
    assert told(*answers) == ['happy'] * 4 + ['sad']


def test_unknown_is_told_at_once_and_left_a_little_above_the_threshold() -> None:
    """No label is ever told below the threshold, and none comes and goes around it."""
    shares = (0.51, 0.49, 0.51, 0.49, 0.56, 0.51)
    answers = [distribution(each, 0.2) for each in shares]
    assert told(*answers, threshold=0.5) == ['happy', *['unknown'] * 3, 'happy', 'happy']


def test_first_label_needs_the_threshold_alone() -> None:
    """As in a single picture."""
    assert told(distribution(0.5, 0.2), threshold=0.5) == ['happy']
    assert told(distribution(0.49, 0.2), threshold=0.5) == ['unknown']


def test_certainty_can_be_told_again_even_with_a_threshold_near_one() -> None:
    """There is always a probability from which a label is told."""
    assert told(distribution(0.9, 0), distribution(1, 0), threshold=0.98)[-1] == 'happy'


def test_better_pictures_count_more() -> None:
    """A sharp one outweighs a blurred one by their weights; each is one observation."""
    filter_ = TemporalFilter()
    filter_.add(distribution(1, 0), 0.0, 1e9, weight=0.9)
    filter_.add(distribution(0, 1), 0.1, 1e9, weight=0.1)
    assert np.allclose(filter_.probabilities, [0.9, 0.1, 0], atol=1e-6)
    assert filter_.frame_count == 2


def test_picture_that_comes_twice_counts_once() -> None:
    """A camera that repeats itself makes nothing more certain."""
    filter_ = TemporalFilter()
    filter_.add(distribution(1, 0), 0.0, 1.0)
    filter_.add(distribution(0, 1), 0.1, 1.0)
    once = filter_.probabilities
    filter_.add(distribution(0, 1), 0.1, 1.0)
    assert np.array_equal(filter_.probabilities, once)
    assert filter_.frame_count == 2


def test_picture_without_weight_changes_nothing() -> None:
    """It is not even counted, and long after it the average is still a distribution."""
    filter_ = TemporalFilter()
    filter_.add(distribution(1, 0), 0.0, 0.01)
    filter_.add(distribution(0, 1), 50.0, 0.01, weight=0.0)
    assert list(filter_.probabilities) == [1, 0, 0]
    assert filter_.frame_count == 1


@pytest.mark.parametrize('weight', [0.0, 0.05, 1.0])
def test_first_picture_is_told_whatever_it_is_worth(weight: float) -> None:
    """There is nothing better yet."""
    filter_ = TemporalFilter()
    filter_.add(distribution(0.7, 0.2), 0.0, 1.0, weight)
    assert np.allclose(filter_.probabilities, [0.7, 0.2, 0.1], atol=1e-6)
