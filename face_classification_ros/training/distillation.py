"""Soft targets from teachers: knowledge distillation (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import hashlib
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.classification.crops import InputSpec
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.training.recipe import Recipe, Teacher

BATCH = 256

AttributeArrays = dict[str, NDArray[np.float32]]
"""Attribute -> float32, one row or value per face."""


def load_teacher(
    teacher: Teacher, recipe: Recipe, labels: Mapping[str, Sequence[str]]
) -> Classifier:
    """Load the model of a teacher.

    Args:
        teacher: names the model.
        recipe: of the training.
        labels: attribute -> labels in the order of the targets.

    Raises:
        ValueError: the model has other labels for an attribute of the recipe, or function
            matching is impossible as it takes faces of another color.
    """
    # One thread: it runs while TensorFlow uses all cores.
    classifier = Classifier(model_path(teacher.model), num_threads=1)
    for attribute, expected in labels.items():
        found = classifier.labels.get(attribute)
        if found is not None and tuple(found) != tuple(expected):
            raise ValueError(
                f'teacher {classifier.path.stem}: labels of {attribute} are {", ".join(found)}, '
                f'expected {", ".join(expected)}'
            )
    if teacher.function_matching and classifier.input_spec.color != recipe.color:
        raise ValueError(
            f'teacher {classifier.path.stem} takes {classifier.input_spec.color} faces, but '
            f'function_matching passes it the {recipe.color} ones of the recipe'
        )
    return classifier


def cached_predictions(
    classifier: Classifier,
    crops: NDArray[np.uint8],
    temperature: float,
    scratch: Path | None,
) -> AttributeArrays:
    """Return `teacher_predictions`, from a cache if it has them.

    The name of the cache file is a hash of model and crops, so that it is never used for others.

    Args:
        classifier: the teacher.
        crops: as it takes them.
        temperature: above 1 for softer probabilities.
        scratch: folder of the cache; None for no cache.
    """
    if scratch is None:
        return teacher_predictions(classifier, crops, temperature)
    digest = hashlib.blake2b(classifier.path.read_bytes(), digest_size=16)
    digest.update(f'{temperature} {crops.shape}'.encode() + crops.tobytes())
    path = scratch / f'teacher_{digest.hexdigest()}.npz'
    if not path.exists():
        unfinished = path.with_suffix('.unfinished.npz')
        predictions: dict[str, Any] = {**teacher_predictions(classifier, crops, temperature)}
        np.savez(unfinished, **predictions)
        os.replace(unfinished, path)
    with np.load(path) as cached:
        return dict(cached)


def teacher_predictions(
    classifier: Classifier, crops: NDArray[np.uint8], temperature: float
) -> AttributeArrays:
    """Return a teacher's softened probabilities, attribute -> N x labels, rows of sum 1.

    Args:
        classifier: the teacher.
        crops: N x size x size x C, at least one, as it takes them.
        temperature: above 1 for softer probabilities.
    """
    batches = [
        _predict_soft(classifier, batch, temperature)
        for batch in np.split(crops, range(BATCH, len(crops), BATCH))
    ]
    return {each: np.concatenate([batch[each] for batch in batches]) for each in batches[0]}


def match_predictions(
    classifier: Classifier, faces: NDArray[np.uint8], margin: float, temperature: float
) -> AttributeArrays:
    """Return a teacher's softened probabilities for faces as the network gets them.

    Args:
        classifier: the teacher.
        faces: N x size x size x C, augmented.
        margin: of these crops.
        temperature: above 1 for softer probabilities.
    """
    return _predict_soft(
        classifier, _adapt_crops(faces, margin, classifier.input_spec), temperature
    )


def add_predictions(
    predictions: AttributeArrays,
    weight: float,
    targets: AttributeArrays,
    weights: AttributeArrays,
    faces: NDArray[np.bool_],
) -> None:
    """Mix a teacher's predictions into the targets of some faces, in place.

    Args:
        predictions: attribute -> probabilities, a row for each of these faces.
        weight: of the predictions where the data has a label; 1 is used where it has none.
        targets: attribute -> N x labels.
        weights: attribute -> N, 0 where the data has no label.
        faces: N, whether the teacher predicts for a face.
    """
    for attribute in targets.keys() & predictions.keys():
        labels, total = targets[attribute][faces], weights[attribute][faces]
        mix = np.where(total > 0, np.float32(weight), np.float32(1))[:, np.newaxis]
        targets[attribute][faces] = (1 - mix) * labels + mix * predictions[attribute]
        weights[attribute][faces] = np.where(total > 0, total, np.float32(1))


def _predict_soft(
    classifier: Classifier, crops: NDArray[np.uint8], temperature: float
) -> AttributeArrays:
    predictions = {}
    for attribute, probabilities in classifier.classify(crops).items():
        soft = probabilities ** (1 / temperature)
        predictions[attribute] = soft / soft.sum(axis=1, keepdims=True)
    return predictions


def _adapt_crops(
    faces: NDArray[np.uint8], margin: float, input_spec: InputSpec
) -> NDArray[np.uint8]:
    """Return crops with the size and margin of a teacher, repeating the pixels at the edge."""
    size = faces.shape[1]
    if (size, margin) == (input_spec.size, input_spec.margin):
        return faces
    scale = input_spec.size / size * (1 + 2 * margin) / (1 + 2 * input_spec.margin)
    shift = (input_spec.size - 1) / 2 - scale * (size - 1) / 2
    matrix = np.array([[scale, 0, shift], [0, scale, shift]])
    crops = np.empty((len(faces), input_spec.size, input_spec.size, input_spec.channels), np.uint8)
    for crop, face in zip(crops, faces, strict=True):
        cv2.warpAffine(
            face,
            matrix,
            (input_spec.size, input_spec.size),
            dst=crop,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return crops
