"""Explain the faces of a picture, and typical faces of every label."""

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
    PANEL_SIDE,
)
from face_classification_ros.explanation.explainer import Explainer
from face_classification_ros.types import Image

FIGURE_SIDE = 72
"""Height and width in pixels of each picture in a figure."""


def explain_faces(
    crops: NDArray[np.uint8],
    labels: Sequence[str],
    probabilities: NDArray[np.float32],
    explainer: Explainer,
    label: str = '',
) -> list[Image]:
    """Draw a panel for each face: the face, what was looked at, and the answer.

    Args:
        crops: uint8 N x H x W x C, as the model file wants them.
        labels: of the explained attribute, in the order of the model file.
        probabilities: the answers, N x labels.
        explainer: of the model file that gave them.
        label: whose score is explained, or 'told' for the label that is told for each face; ""
            explains the most active unit (with Grad-CAM, which has none, the told label).

    Returns:
        One per face, uint8 240 x 800 x 3 in BGR.

    Raises:
        ValueError: there is no such label.
    """
    if label not in ('', 'told', *labels):
        raise ValueError(f'unknown label {label!r}; there are: {", ".join(labels)}')
    if label in labels:
        chosen = np.full(len(crops), labels.index(label))
    else:
        chosen = probabilities.argmax(axis=1)
    if label or explainer.method == 'grad_cam':
        relevance = explainer.explain_label(crops, chosen.tolist())
    else:
        relevance = explainer.explain_unit(crops)
    return [
        draw_panel(crop, draw_relevance(explainer.method, each, crop, PANEL_SIDE), labels, answer)
        for crop, each, answer in zip(crops, relevance, probabilities, strict=True)
    ]


def explain_labels(
    crops: Sequence[NDArray[np.uint8]],
    truth: NDArray[np.int64],
    classifiers: Sequence[Classifier],
    explainers: Sequence[Explainer],
    faces: int,
    *,
    seed: int = 0,
) -> Image:
    """Draw some faces of every label beside what each network looked at, as the paper's figure 8.

    Args:
        crops: for each classifier the same N faces as it wants them, uint8 N x H x W x C.
        truth: N, indices of the true labels.
        classifiers: with the same labels.
        explainers: one for each classifier.
        faces: how many of each label; drawn by chance among those that all classifiers get right.
        seed: of the draw.

    Returns:
        uint8 H x W x 3 in BGR; a row for each label that has such faces.

    Raises:
        ValueError: there is no face that all get right.
    """
    attribute = explainers[0].attribute
    answers = [
        each.classify(own)[attribute].argmax(axis=1)
        for each, own in zip(classifiers, crops, strict=True)
    ]
    right = np.all([each == truth for each in answers], axis=0)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(right))
    rows = []
    for index, label in enumerate(classifiers[0].labels[attribute]):
        chosen = order[truth[order] == index][:faces]
        if not len(chosen):
            continue
        shown = [[draw_crop(each, FIGURE_SIDE) for each in crops[0][chosen]]]
        for explainer, own in zip(explainers, crops, strict=True):
            relevance = (
                explainer.explain_label(own[chosen], truth[chosen].tolist())
                if explainer.method == 'grad_cam'
                else explainer.explain_unit(own[chosen])
            )
            shown.append(
                [
                    draw_relevance(explainer.method, each, crop, FIGURE_SIDE)
                    for each, crop in zip(relevance, own[chosen], strict=True)
                ]
            )
        rows.append((label, list(zip(*shown, strict=True))))
    return draw_figure(rows, ', '.join(['face', *(each.path.stem for each in classifiers)]))


def relevance_drawer(explainer: Explainer) -> Callable[[NDArray[np.uint8]], Image]:
    """Give what draws the most active unit's explanation for a face.

    Returns:
        A function from a crop, uint8 H x W x C, to a picture, uint8 H x W x 3 in BGR.
    """

    def draw(crop: NDArray[np.uint8]) -> Image:
        (relevance,) = explainer.explain_unit(crop[np.newaxis])
        return draw_relevance(explainer.method, relevance, crop, crop.shape[0])

    return draw
