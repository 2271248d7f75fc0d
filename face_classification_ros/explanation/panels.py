"""Explain the faces of an image, and example faces of every label."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.explanation.drawing import (
    draw_crop,
    draw_figure,
    draw_panel,
    draw_relevance,
    PANEL_SIZE,
)
from face_classification_ros.explanation.explainer import Explainer
from face_classification_ros.progress import progress
from face_classification_ros.types import Image

FIGURE_SIZE = 72
"""Height and width in pixels of each image in a figure."""


def explain_faces(
    crops: NDArray[np.uint8],
    labels: Sequence[str],
    probabilities: NDArray[np.float32],
    explainer: Explainer,
    label: str = '',
) -> list[Image]:
    """Draw a panel for each face: the face, its explanation and the prediction.

    Args:
        crops: uint8 N x H x W x C as the model file's input.
        labels: labels of the explained attribute, in the order of the model file.
        probabilities: predicted by the model file, N x labels.
        explainer: explainer of the same model file.
        label: whose logit is explained, or 'predicted' for the predicted label of each face; ""
            explains the most active unit (with Grad-CAM, the predicted label).

    Returns:
        One panel per face, uint8 240 x 800 x 3 in BGR.

    Raises:
        ValueError: the label is unknown.
    """
    if label not in ('', 'predicted', *labels):
        raise ValueError(f'unknown label {label!r}; expected predicted, {", ".join(labels)}')
    if label in labels:
        chosen = np.full(len(crops), labels.index(label))
    else:
        chosen = probabilities.argmax(axis=1)
    relevance = (
        explainer.explain_label(crops, chosen.tolist())
        if label
        else explain_by_default(crops, chosen.tolist(), explainer)
    )
    return [
        draw_panel(crop, draw_relevance(explainer.method, each, crop, PANEL_SIZE), labels, row)
        for crop, each, row in zip(crops, relevance, probabilities, strict=True)
    ]


def explain_by_default(
    crops: NDArray[np.uint8], labels: Sequence[int], explainer: Explainer
) -> NDArray[np.float32]:
    """Compute what a method explains if no label is chosen.

    Args:
        crops: uint8 N x H x W x C as the model file's input.
        labels: N, indices of labels.
        explainer: explainer of the same model file.

    Returns:
        float32 N x H x W x C, gradients of the most active unit as in the paper; with Grad-CAM
        N x H x W x 1, the support for the labels.
    """
    if explainer.method == 'grad_cam':
        return explainer.explain_label(crops, labels)
    return explainer.explain_unit(crops)


def explain_labels(
    crops: Sequence[NDArray[np.uint8]],
    y_true: NDArray[np.int64],
    classifiers: Sequence[Classifier],
    explainers: Sequence[Explainer],
    faces: int,
    *,
    seed: int = 0,
) -> Image:
    """Draw faces of every label with the explanation of each network, as the paper's figure 8.

    Args:
        crops: for each classifier the same N faces as its input, uint8 N x H x W x C.
        y_true: N, indices of the true labels.
        classifiers: with the same labels.
        explainers: one for each classifier.
        faces: how many of each label, drawn at random from those that all classifiers predict
            correctly.
        seed: seed of the random number generator.

    Returns:
        uint8 H x W x 3 in BGR; one row for each label with such faces.

    Raises:
        ValueError: no face is predicted correctly by all classifiers.
    """
    attribute = explainers[0].attribute
    y_pred = [
        each.classify(own)[attribute].argmax(axis=1)
        for each, own in zip(progress(classifiers, 'model', task='classify'), crops, strict=True)
    ]
    is_correct = np.all([each == y_true for each in y_pred], axis=0)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(is_correct))
    rows = []
    labels = classifiers[0].labels[attribute]
    for index, label in enumerate(progress(labels, 'label', task='explain')):
        chosen = order[y_true[order] == index][:faces]
        if not len(chosen):
            continue
        columns = [[draw_crop(each, FIGURE_SIZE) for each in crops[0][chosen]]]
        for explainer, own in zip(explainers, crops, strict=True):
            relevance = explain_by_default(own[chosen], y_true[chosen].tolist(), explainer)
            columns.append(
                [
                    draw_relevance(explainer.method, each, crop, FIGURE_SIZE)
                    for each, crop in zip(relevance, own[chosen], strict=True)
                ]
            )
        rows.append((label, list(zip(*columns, strict=True))))
    return draw_figure(rows, ', '.join(['face', *(each.path.stem for each in classifiers)]))


def relevance_drawer(explainer: Explainer) -> Callable[[NDArray[np.uint8]], Image]:
    """Return a function that draws the explanation of the most active unit for a face.

    Returns:
        A function from a crop, uint8 H x W x C, to an image, uint8 H x W x 3 in BGR.
    """

    def draw(crop: NDArray[np.uint8]) -> Image:
        (relevance,) = explainer.explain_unit(crop[np.newaxis])
        return draw_relevance(explainer.method, relevance, crop, crop.shape[0])

    return draw
