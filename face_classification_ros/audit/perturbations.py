"""Perturb faces without changing their true labels, and count which predictions change."""

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
from face_classification_ros.progress import progress
from face_classification_ros.training.glasses import (
    draw_glasses,
    Glasses,
    READING_GLASSES,
    SUNGLASSES,
)
from face_classification_ros.types import BoundingBox, Detection

Perturbation = Callable[[NDArray[np.uint8], Detection], NDArray[np.uint8]]
"""Image (uint8 H x W x C) and its face -> a perturbed copy of the image."""

BLUR = 0.04
"""Standard deviation of the blur, as a fraction of the longer side of the face's box."""

SMALL_FACE = 20
"""Longer side in pixels to which the box of a face is downscaled; smaller faces stay unchanged."""

OCCLUSION = 128
"""Gray level of the occluded half of a face."""


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


def _rotate(degrees: float) -> Perturbation:
    """Rotate around the center of the face's box, counter-clockwise for a positive angle."""

    def change(image: NDArray[np.uint8], face: Detection) -> NDArray[np.uint8]:
        box = face.box
        # The center of the first pixel is (0, 0), its corner (-0.5, -0.5).
        center = (box.x + (box.width - 1) / 2, box.y + (box.height - 1) / 2)
        matrix = cv2.getRotationMatrix2D(center, degrees, 1.0)
        rotated = cv2.warpAffine(
            image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE
        )
        return rotated.reshape(image.shape)

    return change


def downscale(size: int) -> Perturbation:
    """Return a perturbation that leaves the detail of a face of `size` pixels, its longer side."""

    def change(image: NDArray[np.uint8], face: Detection) -> NDArray[np.uint8]:
        height, width = image.shape[:2]
        scale = min(1.0, size / max(face.box.width, face.box.height))
        small_size = (max(1, round(scale * width)), max(1, round(scale * height)))
        small = cv2.resize(image, small_size, interpolation=cv2.INTER_AREA)
        large = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
        return large.reshape(image.shape)

    return change


def _occlude_lower_half(image: NDArray[np.uint8], face: Detection) -> NDArray[np.uint8]:
    box = face.box
    return _occlude(image, BoundingBox(box.x, box.y + box.height / 2, box.width, box.height / 2))


def _occlude_one_side(image: NDArray[np.uint8], face: Detection) -> NDArray[np.uint8]:
    box = face.box
    return _occlude(image, BoundingBox(box.x, box.y, box.width / 2, box.height))


def _occlude(image: NDArray[np.uint8], box: BoundingBox) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    inside = box.clipped(width, height)
    left, right = round(inside.x), round(inside.x + inside.width)
    top, bottom = round(inside.y), round(inside.y + inside.height)
    occluded = image.copy()
    occluded[top:bottom, left:right] = OCCLUSION
    return occluded


PERTURBATIONS: dict[str, Perturbation] = {
    'glasses': _draw(READING_GLASSES),
    'sunglasses': _draw(SUNGLASSES),
    'darker': _multiply(1 / 4),
    'brighter': _multiply(3 / 2),
    'blurred': _blur,
    'rotated by -20': _rotate(-20),
    'rotated by -10': _rotate(-10),
    'rotated by +10': _rotate(10),
    'rotated by +20': _rotate(20),
    'downscaled': downscale(SMALL_FACE),
    'lower half occluded': _occlude_lower_half,
    'one side occluded': _occlude_one_side,
}
"""Name -> perturbation: drawn glasses; two stops darker, or 1.5 times as bright with saturation;
blur by 4 % of the face; rotation in degrees, counter-clockwise; a face of 20 pixels; gray over
half of the face's box, the left one in the image. All but the downscaled face are independent of
the size of the face."""


def measure_perturbations(
    classifier: Classifier,
    dataset: FaceDataset,
    detections: Sequence[Detection | None],
    *,
    threshold: float = 0.0,
) -> dict[str, Any]:
    """Compare a classifier's predictions for the same faces before and after each perturbation.

    All crops are cut around the data set's own boxes, so that a detector that misses a perturbed
    face has no influence.

    Args:
        classifier: may estimate further attributes.
        dataset: the faces; their labels are needed for the accuracies alone.
        detections: one per face with landmarks, see `face_localization.find_faces`; faces without
            one are excluded.
        threshold: confidence below which the node publishes a label as unknown.

    Returns:
        `faces` (with landmarks), `of`, `accuracy`, `accuracy_interval` (95 %, Wilson), `example`
        (index of the correctly classified face whose prediction changes most often) and
        `perturbations`: name ->

        - `changed`, `changed_interval`: fraction of the faces with another label;
        - `accuracy`, `accuracy_interval`, `difference` (from the unperturbed faces), `p_value`
          (McNemar), `p_corrected` (Holm, over all perturbations);
        - `known`: fraction of the faces with a confidence of at least the threshold;
        - `certain_changes`, `certain_changes_interval`: fraction of the faces with a known label
          before and another known label after;
        - `certain_mistakes_before`, `certain_mistakes`: fraction of the faces with a wrong known
          label, before and after;
        - `labels`: label -> `before`, `after` (fractions of the faces), `difference`, `p_value`,
          `p_corrected` (Holm, over all labels and perturbations); `winner` is the one that gains
          most, None if none does;
        - `changes`: `from`, `to`, `count`, the most frequent first.

    Raises:
        ValueError: no face has landmarks; or the classifier does not estimate the data set's
            attribute, or has other labels.
    """
    has_landmarks = np.array([face is not None and bool(face.landmarks) for face in detections])
    if not has_landmarks.any():
        raise ValueError(
            f'no landmarks were found in any of {len(dataset)} images of {dataset.name}; '
            'use a detector with landmarks, such as libfacedetection or yunet'
        )
    faces = dataset.select(has_landmarks)
    before = classify_dataset(classifier, faces)
    correct = before.argmax(axis=1) == faces.y_true
    perturbed = _classify_perturbed(
        classifier, faces, [face for face in detections if face is not None and face.landmarks]
    )
    rows = {name: _compare(before, after, faces, threshold) for name, after in perturbed.items()}
    _correct(list(rows.values()))
    _correct([label for row in rows.values() for label in row['labels'].values()])
    changes = sum(after.argmax(axis=1) != before.argmax(axis=1) for after in perturbed.values())
    return {
        'faces': len(faces),
        'of': len(dataset),
        'accuracy': float(correct.mean()),
        'accuracy_interval': wilson_interval(correct),
        'example': int(np.flatnonzero(has_landmarks)[np.where(correct, changes, -1).argmax()]),
        'perturbations': rows,
    }


def _classify_perturbed(
    classifier: Classifier, faces: FaceDataset, detections: Sequence[Detection]
) -> dict[str, NDArray[np.float32]]:
    """Return perturbation -> probabilities for all perturbed faces, N x labels."""
    probabilities = {}
    for name, perturb in progress(PERTURBATIONS.items(), 'perturbation'):
        pairs = zip(faces.images, detections, strict=True)
        perturbed = replace(faces, images=[perturb(image, face) for image, face in pairs])
        probabilities[name] = classify_dataset(classifier, perturbed)
    return probabilities


def _compare(
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    faces: FaceDataset,
    threshold: float,
) -> dict[str, Any]:
    old, new = before.argmax(axis=1), after.argmax(axis=1)
    was_correct, is_correct, changed = old == faces.y_true, new == faces.y_true, old != new
    # In double precision as in the node, see `metrics.coverage`.
    was_known = before.max(axis=1).astype(np.float64) >= threshold
    is_known = after.max(axis=1).astype(np.float64) >= threshold
    certain = was_known & is_known & changed
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
        'accuracy': float(is_correct.mean()),
        'accuracy_interval': wilson_interval(is_correct),
        'difference': float(is_correct.mean() - was_correct.mean()),
        'p_value': compare_paired(was_correct, is_correct),
        'known': float(is_known.mean()),
        'certain_changes': float(certain.mean()),
        'certain_changes_interval': wilson_interval(certain),
        'certain_mistakes_before': float((was_known & ~was_correct).mean()),
        'certain_mistakes': float((is_known & ~is_correct).mean()),
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
