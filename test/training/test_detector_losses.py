"""Losses of a detector, compared with values computed by hand."""

import math

import numpy as np
from numpy.typing import NDArray
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

from face_classification_ros.training.detector_losses import (
    box_loss,
    DetectionLoss,
    landmark_loss,
    score_loss,
)


def cells(*rows: list[float]) -> NDArray[np.float32]:
    """Return one image with cells of the first values given, the others 0."""
    values = np.zeros((1, len(rows), 15), np.float32)
    for cell, row in zip(values[0], rows, strict=True):
        cell[: len(row)] = row
    return values


def test_score_loss_is_cross_entropy_weighted_by_the_distance() -> None:
    """Logit 0 is 0.5: 0.5^1.5 ln 2 for a face, the same for an empty cell; one face in total."""
    loss = score_loss(cells([1], [0]), cells([0], [0]))
    assert float(loss) == pytest.approx(2 * 0.5**1.5 * math.log(2))


def test_score_loss_of_a_soft_target_is_zero_at_the_target() -> None:
    """Sigmoid(ln 3) is 0.75."""
    assert float(score_loss(cells([0.75]), cells([math.log(3)]))) == pytest.approx(0, abs=1e-6)


def test_box_loss_of_a_shifted_box() -> None:
    """Two unit squares, half a cell apart: IoU 1/3, squared distance 1/4, diagonal 1.5^2 + 1."""
    loss = box_loss(cells([0.5, 0, 0, 0, 0]), cells([9, 0.5, 0, 0, 0]))
    diou = 1 - 1 / 3 + 0.25 / 3.25
    smooth = 0.5 * 0.5**2 / 4
    # The score of 0.5 weights the cell; the sum of scores counts as 1 at least.
    assert float(loss) == pytest.approx(0.5 * (diou + smooth))


def test_box_loss_ignores_cells_without_a_face() -> None:
    """A wrong box in a cell of score 0 costs nothing, a right one in a face neither."""
    true = cells([1, 0.2, 0.3, 1, 1], [0, 0, 0, 0, 0])
    pred = cells([0, 0.2, 0.3, 1, 1], [0, 5, 5, 5, 5])
    assert float(box_loss(true, pred)) == pytest.approx(0, abs=1e-6)


def test_landmark_loss_is_quadratic_then_linear() -> None:
    """Differences of 0.5 and 3 in 10 values: 0.125 and 2.5."""
    true, pred = cells([1]), cells([0])
    pred[0, 0, 5:7] = 0.5, 3
    assert float(landmark_loss(true, pred)) == pytest.approx((0.125 + 2.5) / 10)


def test_loss_is_the_weighted_sum_and_can_be_restored() -> None:
    """A checkpoint stores its configuration."""
    true, pred = cells([1, 0, 0, 0, 0]), cells([0, 0.5, 0, 0, 0])
    loss = DetectionLoss.from_config(DetectionLoss(1.0, 2.0, 3.0).get_config())
    expected = (
        score_loss(true, pred, 1.0) + 2 * box_loss(true, pred) + 3 * landmark_loss(true, pred)
    )
    assert float(loss(true, pred)) == pytest.approx(float(expected))
