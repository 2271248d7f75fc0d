"""Losses of a detector that is trained on the dense predictions of a teacher."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

PACKAGE = 'face_classification_ros'


@keras.saving.register_keras_serializable(PACKAGE)
class DetectionLoss(keras.losses.Loss):
    """Loss of the scores, boxes and landmarks of all cells.

    Targets and predictions are N x cells x 15 as in `blocks.detection_head`, but the target of
    the score is a probability, that of the prediction a logit. Boxes and landmarks count by the
    target score. Every part is divided by the sum of the target scores in the batch.
    """

    def __init__(
        self,
        score_exponent: float = 1.5,
        box_weight: float = 1.0,
        landmark_weight: float = 1.0,
        **options: Any,
    ) -> None:
        """Set exponent and weights, see `DetectorRecipe`."""
        super().__init__(**options)
        self._parameters = {
            'score_exponent': score_exponent,
            'box_weight': box_weight,
            'landmark_weight': landmark_weight,
        }

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of the batch, a scalar."""
        parameters = self._parameters
        return (
            score_loss(y_true, y_pred, parameters['score_exponent'])
            + parameters['box_weight'] * box_loss(y_true, y_pred)
            + parameters['landmark_weight'] * landmark_loss(y_true, y_pred)
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, for a checkpoint."""
        return {**super().get_config(), **self._parameters}


def score_loss(y_true: Any, y_pred: Any, exponent: float = 1.5) -> Any:
    """Return the quality focal loss of the scores (Li et al. 2020), a scalar.

    Binary cross-entropy, weighted by the distance of score and target to the power of `exponent`.
    """
    target, logit = y_true[..., 0], y_pred[..., 0]
    entropy = ops.maximum(logit, 0.0) - logit * target + ops.softplus(-ops.abs(logit))
    # The gradient of a power below 2 is not finite at 0.
    distance = ops.maximum(ops.abs(ops.sigmoid(logit) - target), 1e-6)
    return ops.sum(distance**exponent * entropy) / _total(y_true)


def box_loss(y_true: Any, y_pred: Any) -> Any:
    """Return distance-IoU loss (Zheng et al. 2020) plus smooth L1 of the boxes, a scalar."""
    true, pred = y_true[..., 1:5], y_pred[..., 1:5]
    # An untrained network must not overflow.
    true_size, pred_size = ops.exp(true[..., 2:]), ops.exp(ops.minimum(pred[..., 2:], 6.0))
    true_low, pred_low = true[..., :2] - true_size / 2, pred[..., :2] - pred_size / 2
    true_high, pred_high = true_low + true_size, pred_low + pred_size
    overlap = ops.maximum(ops.minimum(true_high, pred_high) - ops.maximum(true_low, pred_low), 0.0)
    common = overlap[..., 0] * overlap[..., 1]
    union = true_size[..., 0] * true_size[..., 1] + pred_size[..., 0] * pred_size[..., 1] - common
    around = ops.maximum(true_high, pred_high) - ops.minimum(true_low, pred_low)
    distance = ops.sum((true[..., :2] - pred[..., :2]) ** 2, -1)
    diou = 1.0 - common / union + distance / ops.sum(around**2, -1)
    return ops.sum(y_true[..., 0] * (diou + _smooth_l1(true - pred))) / _total(y_true)


def landmark_loss(y_true: Any, y_pred: Any) -> Any:
    """Return the smooth L1 loss of the landmarks in cells, a scalar."""
    losses = _smooth_l1(y_true[..., 5:] - y_pred[..., 5:])
    return ops.sum(y_true[..., 0] * losses) / _total(y_true)


def _smooth_l1(difference: Any) -> Any:
    """Return the mean over the last axis; quadratic below 1, linear above."""
    size = ops.abs(difference)
    return ops.mean(ops.where(size < 1.0, 0.5 * size**2, size - 0.5), -1)


def _total(y_true: Any) -> Any:
    return ops.maximum(ops.sum(y_true[..., 0]), 1.0)
