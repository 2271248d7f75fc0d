"""Change faces in ways that leave the right answer as it is, and see which answers change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.audit.significance import compare_paired, correct_p_values
from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.evaluation.classification import classify_dataset
from face_classification_ros.evaluation.metrics import wilson_interval
from face_classification_ros.training.glasses import (
    draw_glasses,
    Glasses,
    READING_GLASSES,
    SUNGLASSES,
)
from face_classification_ros.types import BoundingBox, Detection

Perturbation = Callable[[NDArray[np.uint8], Detection], NDArray[np.uint8]]
"""Picture (uint8 H x W x C) and the face in it -> a changed copy of the picture."""

BLUR = 0.04
"""Standard deviation of the blur, as a share of the longer side of the face's box."""

SMALL_SIDE = 20
"""Longer side in pixels that the box of a small face is shown with; a box that is smaller is left
as it is."""

COVER = 128
"""Gray level of what covers half of a face."""


def _draw(glasses: Glasses) -> Perturbation:
    def change(image: NDArray[np.uint8], face: Detection) -> NDArray[np.uint8]:
        right, left = face.landmarks[:2]
        return draw_glasses(image, (right, left), glasses)

    return change


def _multiply(factor: float) -> Perturbation:
    def change(image: NDArray[np.uint8], face: Detection) -> NDArray[np.uint8]:
        return np.rint(np.minimum(factor * np.arange(256), 255)).astype(np.uint8)[image]

    return change


def _blur(image: NDArray[np.uint8], face: Detection) -> NDArray[np.uint8]:
    deviation = BLUR * max(face.box.width, face.box.height)
    blurred = cv2.GaussianBlur(image, (0, 0), deviation, borderType=cv2.BORDER_REPLICATE)
    return blurred.reshape(image.shape)


def _turn(degrees: float) -> Perturbation:
    """Turn around the middle of the face's box, counter-clockwise for a positive angle."""

    def change(image: NDArray[np.uint8], face: Detection) -> NDArray[np.uint8]:
        box = face.box
        # Pixel (0, 0) has its center there, and its corner at -0.5.
        center = (box.x + (box.width - 1) / 2, box.y + (box.height - 1) / 2)
        matrix = cv2.getRotationMatrix2D(center, degrees, 1.0)
        rotated = cv2.warpAffine(
            image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE
        )
        return rotated.reshape(image.shape)

    return change


def _shrink(image: NDArray[np.uint8], face: Detection) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    scale = min(1.0, SMALL_SIDE / max(face.box.width, face.box.height))
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return large.reshape(image.shape)


def _cover_lower_half(image: NDArray[np.uint8], face: Detection) -> NDArray[np.uint8]:
    box = face.box
    return _cover(image, BoundingBox(box.x, box.y + box.height / 2, box.width, box.height / 2))


def _cover_one_side(image: NDArray[np.uint8], face: Detection) -> NDArray[np.uint8]:
    box = face.box
    return _cover(image, BoundingBox(box.x, box.y, box.width / 2, box.height))


def _cover(image: NDArray[np.uint8], box: BoundingBox) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    inside = box.clipped(width, height)
    left, right = round(inside.x), round(inside.x + inside.width)
    top, bottom = round(inside.y), round(inside.y + inside.height)
    covered = image.copy()
    covered[top:bottom, left:right] = COVER
    return covered


PERTURBATIONS: dict[str, Perturbation] = {
    'glasses': _draw(READING_GLASSES),
    'sunglasses': _draw(SUNGLASSES),
    'darker': _multiply(1 / 4),
    'lighter': _multiply(3 / 2),
    'blurred': _blur,
    'turned by -20': _turn(-20),
    'turned by -10': _turn(-10),
    'turned by +10': _turn(10),
    'turned by +20': _turn(20),
    'small': _shrink,
    'lower half covered': _cover_lower_half,
    'one side covered': _cover_one_side,
}
"""Name -> what is done to a face: drawn glasses; light halved twice, and half as much again, cut
off at white; blur by 4 % of the face; degrees, counter-clockwise; 20 pixels wide; gray over half
of the face's box, its left one in the picture. All but the small face mean the same for a face of
any size."""


def measure_perturbations(
    classifier: Classifier,
    dataset: FaceDataset,
    detections: Sequence[Detection | None],
    *,
    threshold: float = 0.0,
) -> dict[str, Any]:
    """Compare a classifier's answers for the same faces before and after each perturbation.

    The crops are cut around the data set's own boxes, before and after, so that a detector that
    loses a changed face plays no part.

    Args:
        classifier: may tell other attributes than the data set's, too.
        dataset: the faces; their labels are only needed for the accuracies.
        detections: where each face is, with landmarks, see `face_localization.find_faces`; a face
            without is left out.
        threshold: confidence below which the node withholds an answer.

    Returns:
        `faces` (with landmarks), `of`, `accuracy`, `accuracy_interval` (95 %, Wilson), `example`
        (number in the data set of the face that is told rightly and changes most often) and
        `perturbations`: name ->

        - `changed`, `changed_interval`: share of the faces that get another label;
        - `accuracy`, `accuracy_interval`, `difference` (from the unchanged faces' accuracy),
          `p_value` (McNemar), `p_corrected` (Holm, over all perturbations);
        - `told`: share of the faces with a confidence from the threshold on;
        - `certain_changes`, `certain_changes_interval`: share of the faces told from the
          threshold on before and, with another label, from the threshold on after;
        - `certain_mistakes_before`, `certain_mistakes`: share of the faces with a wrong answer
          from the threshold on, before and after;
        - `labels`: label -> `before`, `after` (shares of the faces that get it), `difference`,
          `p_value`, `p_corrected` (Holm, over all labels and perturbations); `winner` is the one
          that gains most, None where none does;
        - `changes`: `from`, `to`, `count`, the most frequent first.

    Raises:
        ValueError: no face has landmarks; or the classifier does not tell the data set's
            attribute, or not with its labels.
    """
    known = [face for face in detections if face is not None and face.landmarks]
    if not known:
        raise ValueError(
            f'no face with landmarks was found in any of {len(dataset)} pictures; expected a '
            'detector that tells landmarks, as libfacedetection and yunet do'
        )
    is_known = np.array([face is not None and bool(face.landmarks) for face in detections])
    faces = dataset.select(is_known)
    before = classify_dataset(classifier, faces)
    right = before.argmax(axis=1) == faces.y_true
    rows, changes = {}, np.zeros(len(faces), np.int64)
    for name, change in PERTURBATIONS.items():
        images = [change(image, face) for image, face in zip(faces.images, known, strict=True)]
        after = classify_dataset(classifier, replace(faces, images=images))
        rows[name] = _compare(before, after, faces, threshold)
        changes += after.argmax(axis=1) != before.argmax(axis=1)
    _correct(list(rows.values()))
    _correct([label for row in rows.values() for label in row['labels'].values()])
    return {
        'faces': len(faces),
        'of': len(dataset),
        'accuracy': float(right.mean()),
        'accuracy_interval': wilson_interval(right),
        'example': int(np.flatnonzero(is_known)[np.where(right, changes, -1).argmax()]),
        'perturbations': rows,
    }


def _compare(
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    faces: FaceDataset,
    threshold: float,
) -> dict[str, Any]:
    old, new = before.argmax(axis=1), after.argmax(axis=1)
    was_right, is_right, changed = old == faces.y_true, new == faces.y_true, old != new
    # In double precision as the node compares, see `metrics.coverage`.
    was_told = before.max(axis=1).astype(np.float64) >= threshold
    is_told = after.max(axis=1).astype(np.float64) >= threshold
    certain = was_told & is_told & changed
    labels = {
        label: {
            'before': float((old == index).mean()),
            'after': float((new == index).mean()),
            'difference': float((new == index).mean() - (old == index).mean()),
            'p_value': compare_paired(old == index, new == index),
        }
        for index, label in enumerate(faces.labels)
    }
    winner = max(labels, key=lambda label: labels[label]['difference'])
    pairs = Counter(zip(old[changed].tolist(), new[changed].tolist(), strict=True))
    return {
        'changed': float(changed.mean()),
        'changed_interval': wilson_interval(changed),
        'accuracy': float(is_right.mean()),
        'accuracy_interval': wilson_interval(is_right),
        'difference': float(is_right.mean() - was_right.mean()),
        'p_value': compare_paired(was_right, is_right),
        'told': float(is_told.mean()),
        'certain_changes': float(certain.mean()),
        'certain_changes_interval': wilson_interval(certain),
        'certain_mistakes_before': float((was_told & ~was_right).mean()),
        'certain_mistakes': float((is_told & ~is_right).mean()),
        'labels': labels,
        'winner': winner if labels[winner]['difference'] > 0 else None,
        'changes': [
            {'from': faces.labels[old_label], 'to': faces.labels[new_label], 'count': count}
            for (old_label, new_label), count in pairs.most_common()
        ],
    }


def _correct(tests: list[dict[str, Any]]) -> None:
    """Add `p_corrected` to rows with a `p_value`."""
    corrected = correct_p_values([test['p_value'] for test in tests])
    for test, p_value in zip(tests, corrected, strict=True):
        test['p_corrected'] = p_value
