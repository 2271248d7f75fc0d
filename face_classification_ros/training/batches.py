"""Faces of one or several data sets, shuffled, augmented and batched for training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
import tensorflow as tf

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.classification.crops import InputSpec
from face_classification_ros.datasets.face_localization import find_faces
from face_classification_ros.datasets.registry import FaceDataset, LABELS
from face_classification_ros.detection import create_detector
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.networks.onnx_export import scale_faces
from face_classification_ros.training.distributed import Workers
from face_classification_ros.training.glasses import Points
from face_classification_ros.training.recipe import Recipe, Teacher
from face_classification_ros.types import BoundingBox

ResultCache = dict[str, NDArray[np.float32]]
"""Attribute -> float32, one row per face."""

LANDMARK_DETECTOR = 'libfacedetection'
"""The detector that tells where the eyes are."""


class FaceBatches:
    """Shuffled and augmented batches, the same for the same seed and epoch.

    Faces of several data sets are mixed. Where a face has no answer for an attribute, its weight
    for that attribute is 0, so that each picture teaches only what is known of it.
    """

    def __init__(
        self,
        datasets: Sequence[FaceDataset],
        recipe: Recipe,
        workers: Workers | None = None,
        scratch: Path | None = None,
    ) -> None:
        """Take the faces in the form that `recipe` wants, and the answers of its teachers.

        Args:
            datasets: each with the answers for one attribute.
            recipe: how they are shown.
            workers: of several, each gets its share of every batch.
            scratch: folder where the places of the eyes are kept, which take minutes to find, for
                a run that goes on or the next one on the same faces; None keeps nothing.
        """
        self._recipe, self._workers = recipe, workers or Workers()
        self._images = [
            _in_color(image, recipe) for dataset in datasets for image in dataset.images
        ]
        self._squares = [
            _square_of(dataset, image, recipe) for dataset in datasets for image in dataset.images
        ]
        self._eyes: list[Points | None] = [None] * len(self._images)
        if recipe.augmentation.glasses:
            self._eyes = [eyes for each in datasets for eyes in _eyes_of(each, scratch)]
        self._targets, self._weights = join_targets(
            datasets, recipe.attributes, recipe.balance, recipe.balance_by
        )
        self._consistent: list[tuple[Teacher, Classifier]] = []
        self._said: dict[tuple[int, int, int], list[ResultCache]] = {}
        for teacher in recipe.teachers:
            # One thread: it works beside TensorFlow, which takes them all.
            classifier = Classifier(model_path(teacher.model), num_threads=1)
            if teacher.function_matching:
                if classifier.input_spec.color != recipe.color:
                    raise ValueError(
                        f'teacher {classifier.path.stem} wants '
                        f'{classifier.input_spec.color} faces, '
                        f'the recipe has {recipe.color} ones: it cannot be asked about every '
                        'changed face (consistent)'
                    )
                self._consistent.append((teacher, classifier))
            else:
                answers = teacher_predictions(classifier, datasets, teacher.temperature)
                _learn(answers, teacher.share, self._targets, self._weights)

    def __len__(self) -> int:
        """Give the number of batches in an epoch."""
        return -(-len(self._images) // self._recipe.batch_size)

    def batch(
        self, epoch: int, index: int
    ) -> tuple[NDArray[np.float32], ResultCache, ResultCache]:
        """Give one batch of an epoch.

        Returns:
            Faces in [-1, 1], N x H x W x C; attribute -> targets, N x labels, rows of sum 1;
            attribute -> weights, N.
        """
        recipe = self._recipe
        view = epoch % recipe.augmentation_views if recipe.augmentation_views else epoch
        order = np.random.default_rng((recipe.seed, view)).permutation(len(self._images))
        batch = order[index * recipe.batch_size : (index + 1) * recipe.batch_size]
        chosen, weight = self._workers.share(batch)
        part = index * self._workers.count + self._workers.index
        random = np.random.default_rng((recipe.seed, view, part))
        side = recipe.side_in(epoch)
        faces = np.stack(
            [
                recipe.augmentation.apply(
                    self._images[i], self._squares[i], side, random, self._eyes[i]
                )
                for i in chosen
            ]
        )
        targets = {attribute: rows[chosen] for attribute, rows in self._targets.items()}
        weights = {attribute: rows[chosen] for attribute, rows in self._weights.items()}
        if recipe.mixup:
            # Before the teachers, who then say what the mixed face looks like to them.
            share = random.beta(recipe.mixup, recipe.mixup, len(faces)).astype(np.float32)
            faces = _mix(faces, targets, weights, share)
        said = self._said.get((view, side, index)) or self._ask_consistent(faces)
        if recipe.augmentation_views:
            self._said[view, side, index] = said
        for (teacher, _), answers in zip(self._consistent, said, strict=True):
            _learn(answers, teacher.share, targets, weights)
        if recipe.augmentation.blur:
            recipe.augmentation.blur_some(faces, random)
        for rows in targets.values():
            rows *= 1 - recipe.label_smoothing
            rows += recipe.label_smoothing / rows.shape[1]
        return (
            scale_faces(faces).numpy(),
            targets,
            {attribute: rows * weight for attribute, rows in weights.items()},
        )

    def _ask_consistent(self, faces: NDArray[np.uint8]) -> list[ResultCache]:
        """Ask the consistent teachers about changed faces."""
        return [
            _soft_answers(
                classifier,
                _crops_for(classifier.input_spec, faces, self._recipe.margin),
                teacher.temperature,
            )
            for teacher, classifier in self._consistent
        ]

    def stream(self, first_epoch: int) -> tf.data.Dataset:
        """Give all batches from an epoch on, made while the network learns from those before."""

        def generate() -> Iterator[tuple[NDArray[np.float32], ResultCache, ResultCache]]:
            for epoch in range(first_epoch, self._recipe.epochs):
                for index in range(len(self)):
                    yield self.batch(epoch, index)

        # Faces grow from epoch to epoch, so their size is left open.
        signature = (
            tf.TensorSpec((None, None, None, self._recipe.channels), tf.float32),
            {
                attribute: tf.TensorSpec((None, rows.shape[1]), tf.float32)
                for attribute, rows in self._targets.items()
            },
            {attribute: tf.TensorSpec((None,), tf.float32) for attribute in self._weights},
        )
        return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(8)


def join_targets(
    datasets: Sequence[FaceDataset],
    attributes: Sequence[str],
    balance: float = 0.0,
    balance_by: Sequence[str] = ('label',),
) -> tuple[ResultCache, ResultCache]:
    """Put the targets of several data sets below each other.

    Args:
        datasets: each with the answers for one attribute.
        attributes: which to give.
        balance: 0 for equal weights to 1 for weights that make all groups count the same.
        balance_by: what the groups are: 'label', or a column of `FaceDataset.groups`, in the data
            sets that have it.

    Returns:
        Attribute -> targets, N x labels, zeros where a data set has none; attribute -> weights,
        N, 0 where a data set has none and 1 on average elsewhere.
    """
    total = sum(map(len, datasets))
    targets = {each: np.zeros((total, len(LABELS[each])), np.float32) for each in attributes}
    weights = {each: np.zeros(total, np.float32) for each in attributes}
    start = 0
    for dataset in datasets:
        rows = slice(start, start + len(dataset))
        start = rows.stop
        targets[dataset.attribute][rows] = dataset.targets
        weight = np.ones(len(dataset))
        for name in balance_by:
            column = dataset.y_true if name == 'label' else dataset.group(name)
            _, group, count = np.unique(column, return_inverse=True, return_counts=True)
            weight *= (count.mean() / count[group]) ** balance
        weights[dataset.attribute][rows] = weight / weight.mean()
    return targets, weights


def teacher_predictions(
    classifier: Classifier, datasets: Sequence[FaceDataset], temperature: float
) -> ResultCache:
    """Ask a teacher about all faces as they are; attribute -> softened probabilities."""
    crops = np.concatenate([dataset.crops(classifier.input_spec) for dataset in datasets])
    batches = [
        _soft_answers(classifier, batch, temperature)
        for batch in np.split(crops, range(256, len(crops), 256))
    ]
    return {each: np.concatenate([batch[each] for batch in batches]) for each in batches[0]}


def _soft_answers(
    classifier: Classifier, crops: NDArray[np.uint8], temperature: float
) -> ResultCache:
    answers = {}
    for attribute, probabilities in classifier.classify(crops).items():
        soft = probabilities ** (1 / temperature)
        answers[attribute] = soft / soft.sum(axis=1, keepdims=True)
    return answers


def _mix(
    faces: NDArray[np.uint8],
    targets: ResultCache,
    weights: ResultCache,
    share: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """Mix each face, and what is known of it, with the next one's, which takes what is left.

    The loss is that of both faces by their shares: where the next one has no answer for an
    attribute, only this one's is learned, with less weight.
    """
    share = np.maximum(share, 1 - share)
    for attribute, own in weights.items():
        first, second = share * own, (1 - share) * np.roll(own, 1)
        both = first + second
        part = np.divide(first, both, out=np.ones_like(both), where=both > 0)[:, np.newaxis]
        rows = targets[attribute]
        targets[attribute] = part * rows + (1 - part) * np.roll(rows, 1, axis=0)
        weights[attribute] = both
    share = share[:, np.newaxis, np.newaxis, np.newaxis]
    mixed = share * faces + (1 - share) * np.roll(faces, 1, axis=0)
    return np.rint(mixed).astype(np.uint8)


def _crops_for(
    input_spec: InputSpec, faces: NDArray[np.uint8], margin: float
) -> NDArray[np.uint8]:
    """Make crops of another size and margin from crops, repeating the pixels at the edge."""
    side = faces.shape[1]
    if (side, margin) == (input_spec.size, input_spec.margin):
        return faces
    scale = input_spec.size / side * (1 + 2 * margin) / (1 + 2 * input_spec.margin)
    shift = (input_spec.size - 1) / 2 - scale * (side - 1) / 2
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


def _learn(answers: ResultCache, share: float, targets: ResultCache, weights: ResultCache) -> None:
    """Mix a teacher's answers into targets; where there are none, the teacher alone counts."""
    for attribute in targets.keys() & answers.keys():
        known = weights[attribute] > 0
        shares = np.where(known, np.float32(share), np.float32(1))[:, np.newaxis]
        targets[attribute] = (1 - shares) * targets[attribute] + shares * answers[attribute]
        weights[attribute] = np.where(known, weights[attribute], np.float32(1))


def _eyes_of(dataset: FaceDataset, scratch: Path | None) -> list[Points | None]:
    """Find the eyes of all faces, or read where they were found before; None where there are none.

    The file is named after the pictures, so that it never tells of others.
    """
    if scratch is None:
        return _find_eyes(dataset.images)
    pictures = hashlib.blake2b(digest_size=16)
    for image in dataset.images:
        pictures.update(str(image.shape).encode() + image.tobytes())
    path = scratch / f'eyes_{pictures.hexdigest()}.npy'
    if not path.exists():
        unfinished = path.with_suffix('.unfinished.npy')
        nowhere = ((np.nan, np.nan), (np.nan, np.nan))
        np.save(unfinished, [eyes or nowhere for eyes in _find_eyes(dataset.images)])
        os.replace(unfinished, path)
    return [
        None if np.isnan(right[0]) else (tuple(right), tuple(left))
        for right, left in np.load(path).tolist()
    ]


def _find_eyes(images: Sequence[NDArray[np.uint8]]) -> list[Points | None]:
    # The detector works outside of Python most of the time.
    with ThreadPoolExecutor() as pool:
        parts = pool.map(
            lambda part: find_faces(create_detector(LANDMARK_DETECTOR), part),
            [images[start : start + 1000] for start in range(0, len(images), 1000)],
        )
        return [
            None if face is None else (face.landmarks[0], face.landmarks[1])
            for part in parts
            for face in part
        ]


def _square_of(dataset: FaceDataset, image: NDArray[np.uint8], recipe: Recipe) -> BoundingBox:
    """Give what a crop of a training picture shows, as the node would cut it."""
    box = dataset.box_of(image)
    side = max(box.width, box.height) * (1 + 2 * recipe.margin)
    left, top = box.x + (box.width - side) / 2, box.y + (box.height - side) / 2
    return BoundingBox(left, top, side, side)


def _in_color(image: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    if image.shape[2] == recipe.channels:
        return image
    code = cv2.COLOR_BGR2GRAY if recipe.channels == 1 else cv2.COLOR_GRAY2BGR
    return cv2.cvtColor(image, code).reshape(*image.shape[:2], recipe.channels)
