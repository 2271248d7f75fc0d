"""Faces of one or several data sets, shuffled, augmented and batched for training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
import tensorflow as tf

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.detection import create_detector
from face_classification_ros.face import Box
from face_classification_ros.networks.conversion import scale_faces
from face_classification_ros.share import model_path
from face_classification_ros.training.datasets import FaceDataset, LABELS
from face_classification_ros.training.face_finding import find_faces
from face_classification_ros.training.glasses import Points
from face_classification_ros.training.recipe import Recipe, Teacher
from face_classification_ros.training.workers import Workers

Answers = dict[str, NDArray[np.float32]]
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
            _in_colour(image, recipe) for dataset in datasets for image in dataset.images
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
        for teacher in recipe.teachers:
            for attribute, answers in teacher_answers(teacher, datasets).items():
                if attribute in recipe.attributes:
                    known = self._weights[attribute] > 0
                    share = np.where(known, teacher.share, 1.0)[:, np.newaxis]
                    targets = (1 - share) * self._targets[attribute] + share * answers
                    self._targets[attribute] = targets.astype(np.float32)
                    self._weights[attribute] = np.where(known, self._weights[attribute], 1.0)
        for attribute in recipe.attributes:
            labels = len(LABELS[attribute])
            smooth = self._targets[attribute] * (1 - recipe.label_smoothing)
            self._targets[attribute] = smooth + np.float32(recipe.label_smoothing / labels)

    def __len__(self) -> int:
        """Give the number of batches in an epoch."""
        return -(-len(self._images) // self._recipe.batch_size)

    def batch(self, epoch: int, index: int) -> tuple[NDArray[np.float32], Answers, Answers]:
        """Give one batch of an epoch.

        Returns:
            Faces in [-1, 1], N x H x W x C; attribute -> targets, N x labels, rows of sum 1;
            attribute -> weights, N.
        """
        recipe = self._recipe
        order = np.random.default_rng((recipe.seed, epoch)).permutation(len(self._images))
        batch = order[index * recipe.batch_size : (index + 1) * recipe.batch_size]
        chosen, weight = self._workers.share(batch)
        part = index * self._workers.count + self._workers.index
        random = np.random.default_rng((recipe.seed, epoch, part))
        side = recipe.side_in(epoch)
        faces = np.stack(
            [
                recipe.augmentation.apply(
                    self._images[i], self._squares[i], side, random, self._eyes[i]
                )
                for i in chosen
            ]
        )
        return (
            scale_faces(faces).numpy(),
            {attribute: rows[chosen] for attribute, rows in self._targets.items()},
            {attribute: rows[chosen] * weight for attribute, rows in self._weights.items()},
        )

    def stream(self, first_epoch: int) -> tf.data.Dataset:
        """Give all batches from an epoch on, made while the network learns from those before."""

        def generate() -> Iterator[tuple[NDArray[np.float32], Answers, Answers]]:
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
) -> tuple[Answers, Answers]:
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
            column = dataset.truth if name == 'label' else dataset.group(name)
            _, group, count = np.unique(column, return_inverse=True, return_counts=True)
            weight *= (count.mean() / count[group]) ** balance
        weights[dataset.attribute][rows] = weight / weight.mean()
    return targets, weights


def teacher_answers(
    teacher: Teacher, datasets: Sequence[FaceDataset]
) -> Mapping[str, NDArray[np.float32]]:
    """Ask a teacher about all faces; attribute -> softened probabilities, N x labels."""
    classifier = Classifier(model_path(teacher.model), threads=2)
    answers: dict[str, list[NDArray[np.float32]]] = {each: [] for each in classifier.labels}
    for dataset in datasets:
        crops = dataset.crops(classifier.form)
        for batch in np.split(crops, range(256, len(crops), 256)):
            for attribute, probabilities in classifier.classify(batch).items():
                soft = probabilities ** (1 / teacher.temperature)
                answers[attribute].append(soft / soft.sum(axis=1, keepdims=True))
    return {attribute: np.concatenate(batches) for attribute, batches in answers.items()}


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


def _square_of(dataset: FaceDataset, image: NDArray[np.uint8], recipe: Recipe) -> Box:
    """Give what a crop of a training picture shows, as the node would cut it."""
    box = dataset.box_of(image)
    side = max(box.width, box.height) * (1 + 2 * recipe.margin)
    left, top = box.x + (box.width - side) / 2, box.y + (box.height - side) / 2
    return Box(left, top, side, side)


def _in_colour(image: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    if image.shape[2] == recipe.channels:
        return image
    code = cv2.COLOR_BGR2GRAY if recipe.channels == 1 else cv2.COLOR_GRAY2BGR
    return cv2.cvtColor(image, code).reshape(*image.shape[:2], recipe.channels)
