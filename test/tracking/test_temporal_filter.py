"""The temporal filter averages by weight, and its label does not flicker."""

import numpy as np
import pytest

from face_classification_ros.tracking.temporal_filter import TemporalFilter

LABELS = ('happy', 'sad', 'neutral')


def distribution(happy: float, sad: float) -> np.ndarray:
    """Return a distribution; the rest is neutral."""
    return np.array([happy, sad, 1 - happy - sad], np.float32)


def labels_of(*predictions: np.ndarray, threshold: float = 0.4) -> list[str]:
    """Return the label after each prediction; the earlier ones have no weight in the average."""
    filter_ = TemporalFilter()
    labels = []
    for number, prediction in enumerate(predictions):
        filter_.add(prediction, 1000.0 * number, smoothing_time=1.0)
        labels.append(filter_.update_label(LABELS, threshold))
    return labels


def test_label_changes_only_if_another_one_clearly_leads() -> None:
    """Two labels of similar probability do not alternate; a clear change has immediate effect."""
    predictions = [distribution(0.5, 0.44), distribution(0.44, 0.5)] * 2 + [distribution(0.3, 0.6)]
    assert labels_of(*predictions) == ['happy'] * 4 + ['sad']


def test_unknown_ends_slightly_above_the_threshold() -> None:
    """No label is returned below the threshold, and none flickers around it."""
    probabilities = (0.51, 0.49, 0.51, 0.49, 0.56, 0.51)
    predictions = [distribution(each, 0.2) for each in probabilities]
    assert labels_of(*predictions, threshold=0.5) == ['happy', *['unknown'] * 3, 'happy', 'happy']


def test_first_label_needs_the_threshold_alone() -> None:
    """A new track has the label of a single image."""
    assert labels_of(distribution(0.5, 0.2), threshold=0.5) == ['happy']
    assert labels_of(distribution(0.49, 0.2), threshold=0.5) == ['unknown']


def test_unknown_can_end_with_a_threshold_near_one() -> None:
    """A probability of 1 is always enough for a label."""
    assert labels_of(distribution(0.9, 0), distribution(1, 0), threshold=0.98)[-1] == 'happy'


def test_better_images_have_more_weight() -> None:
    """Images are averaged by weight; each counts as one frame."""
    filter_ = TemporalFilter()
    filter_.add(distribution(1, 0), 0.0, 1e9, weight=0.9)
    filter_.add(distribution(0, 1), 0.1, 1e9, weight=0.1)
    assert np.allclose(filter_.probabilities, [0.9, 0.1, 0], atol=1e-6)
    assert filter_.frame_count == 2


def test_repeated_image_counts_once() -> None:
    """A camera that repeats an image does not change the estimate."""
    filter_ = TemporalFilter()
    filter_.add(distribution(1, 0), 0.0, 1.0)
    filter_.add(distribution(0, 1), 0.1, 1.0)
    once = filter_.probabilities
    filter_.add(distribution(0, 1), 0.1, 1.0)
    assert np.array_equal(filter_.probabilities, once)
    assert filter_.frame_count == 2


def test_image_without_weight_is_ignored() -> None:
    """It is not counted, and the average remains a distribution even after a long time."""
    filter_ = TemporalFilter()
    filter_.add(distribution(1, 0), 0.0, 0.01)
    filter_.add(distribution(0, 1), 50.0, 0.01, weight=0.0)
    assert list(filter_.probabilities) == [1, 0, 0]
    assert filter_.frame_count == 1


@pytest.mark.parametrize('weight', [0.0, 0.05, 1.0])
def test_first_image_counts_with_any_weight(weight: float) -> None:
    """No better image exists yet."""
    filter_ = TemporalFilter()
    filter_.add(distribution(0.7, 0.2), 0.0, 1.0, weight)
    assert np.allclose(filter_.probabilities, [0.7, 0.2, 0.1], atol=1e-6)
