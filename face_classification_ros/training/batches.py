"""Faces of one or several data sets, shuffled, augmented and batched for training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
import tensorflow as tf

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.classification.crops import crop_faces, InputSpec
from face_classification_ros.datasets.face_dataset import as_bgr
from face_classification_ros.datasets.registry import FaceDataset, labels_of
from face_classification_ros.networks.onnx_export import scale_faces
from face_classification_ros.training.distillation import (
    add_predictions,
    AttributeArrays,
    cached_predictions,
    load_teacher,
    match_predictions,
)
from face_classification_ros.training.distributed import Cluster
from face_classification_ros.training.eye_positions import eye_positions
from face_classification_ros.training.glasses import Points
from face_classification_ros.training.joined_faces import join_faces
from face_classification_ros.training.recipe import Recipe, Teacher
from face_classification_ros.types import BoundingBox


class FaceBatches:
    """Shuffled and augmented batches, the same for the same seed and epoch.

    Faces of several data sets are mixed. A face without a label of an attribute has weight 0 for
    that attribute.
    """

    def __init__(
        self,
        datasets: Sequence[FaceDataset],
        recipe: Recipe,
        cluster: Cluster | None = None,
        scratch: Path | None = None,
    ) -> None:
        """Prepare the faces, their targets and the teachers.

        Args:
            datasets: each with the labels of one attribute; an image that several of them contain
                is one face.
            recipe: of the training.
            cluster: the machines that share each batch; None for this machine alone.
            scratch: folder in which the positions of the eyes and the predictions of teachers are
                cached, as they take minutes; None for no cache.

        Raises:
            ValueError: a teacher does not fit the recipe or the data, the recipe names a column
                that does not exist, or data sets contradict each other, see `join_faces`.
        """
        _check_columns(recipe, datasets)
        self._recipe, self._cluster = recipe, cluster or Cluster()
        faces = join_faces(datasets, recipe.attributes, recipe.balance, recipe.balance_by)
        self._targets, self._weights = faces.targets, faces.weights
        self._images = [_in_color(image, recipe) for image in faces.images]
        self._squares = [_square_around(box, recipe) for box in faces.boxes]
        self._eyes: list[Points | None] = [None] * len(self._images)
        if recipe.augmentation.glasses:
            self._eyes = eye_positions(faces.images, faces.sources, scratch)
        self._sources = faces.sources
        self._shown = _shown_per_epoch(faces.sources, recipe.sampling)
        self._last_order = -1, np.empty(0, np.int64)
        self._matching_teachers: list[tuple[Teacher, Classifier]] = []
        self._matched: dict[tuple[int, int, int], list[AttributeArrays]] = {}
        for teacher in recipe.teachers:
            classifier = load_teacher(teacher, recipe, labels_of(datasets))
            if teacher.function_matching:
                self._matching_teachers.append((teacher, classifier))
            else:
                taught = self._taught(teacher, np.arange(len(self._images)))
                crops = crop_each(
                    faces.images, faces.boxes, classifier.input_spec, np.flatnonzero(taught)
                )
                predictions = cached_predictions(classifier, crops, teacher.temperature, scratch)
                add_predictions(predictions, teacher.weight, self._targets, self._weights, taught)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-sum(self._shown.values()) // self._recipe.batch_size)

    def batch(
        self, epoch: int, index: int
    ) -> tuple[NDArray[np.float32], AttributeArrays, AttributeArrays]:
        """Return one batch of an epoch.

        Returns:
            Faces in [-1, 1], N x H x W x C; attribute -> targets, N x labels, rows of sum 1;
            attribute -> weights, N.
        """
        recipe = self._recipe
        view = epoch % recipe.augmentation_views if recipe.augmentation_views else epoch
        order = self._order(view)
        batch = order[index * recipe.batch_size : (index + 1) * recipe.batch_size]
        chosen, weight = self._cluster.local_batch(batch)
        part = index * self._cluster.size + self._cluster.task_index
        random = np.random.default_rng((recipe.seed, view, part))
        size = recipe.size_in(epoch)
        faces = self._augment(chosen, size, random)
        targets = {attribute: rows[chosen] for attribute, rows in self._targets.items()}
        weights = {attribute: rows[chosen] for attribute, rows in self._weights.items()}
        if recipe.mixup:
            # Before the teachers, which then predict for the mixed face.
            first = random.beta(recipe.mixup, recipe.mixup, len(faces)).astype(np.float32)
            faces = _mix(faces, targets, weights, first)
        matched = self._match(faces, (view, size, index))
        for (teacher, _), predictions in zip(self._matching_teachers, matched, strict=True):
            taught = self._taught(teacher, chosen)
            rows = {attribute: each[taught] for attribute, each in predictions.items()}
            add_predictions(rows, teacher.weight, targets, weights, taught)
        if recipe.augmentation.blur:
            recipe.augmentation.blur_some(faces, random)
        for each in targets.values():
            each *= 1 - recipe.label_smoothing
            each += recipe.label_smoothing / each.shape[1]
        return (
            scale_faces(faces).numpy(),
            targets,
            {attribute: rows * weight for attribute, rows in weights.items()},
        )

    def _order(self, view: int) -> NDArray[np.int64]:
        """Return the faces of an epoch in the order in which they are shown."""
        known, order = self._last_order
        if known != view:
            random = np.random.default_rng((self._recipe.seed, view))
            parts = []
            for source, count in self._shown.items():
                faces = np.flatnonzero(self._sources == source)
                rounds = -(-count // len(faces))
                parts.append(
                    np.concatenate([random.permutation(faces) for _ in range(rounds)])[:count]
                )
            order = random.permutation(np.concatenate(parts))
            self._last_order = view, order
        return order

    def _taught(self, teacher: Teacher, faces: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for which faces a teacher predicts, N."""
        if not teacher.data:
            return np.ones(len(faces), bool)
        return np.isin(self._sources[faces], teacher.data)

    def stream(self, first_epoch: int) -> tf.data.Dataset:
        """Return all batches from an epoch on, prepared while the network trains."""

        def generate() -> Iterator[tuple[NDArray[np.float32], AttributeArrays, AttributeArrays]]:
            for epoch in range(first_epoch, self._recipe.epochs):
                for index in range(len(self)):
                    yield self.batch(epoch, index)

        # The size of the faces is left open, as progressive resizing changes it.
        signature = (
            tf.TensorSpec((None, None, None, self._recipe.channels), tf.float32),
            {
                attribute: tf.TensorSpec((None, rows.shape[1]), tf.float32)
                for attribute, rows in self._targets.items()
            },
            {attribute: tf.TensorSpec((None,), tf.float32) for attribute in self._weights},
        )
        return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(8)

    def _augment(
        self, chosen: NDArray[np.int64], size: int, random: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Return randomly changed crops of the chosen faces, N x size x size x C."""
        apply = self._recipe.augmentation.apply
        return np.stack(
            [apply(self._images[i], self._squares[i], size, random, self._eyes[i]) for i in chosen]
        )

    def _match(self, faces: NDArray[np.uint8], key: tuple[int, int, int]) -> list[AttributeArrays]:
        """Return the predictions of the function-matching teachers, cached by view."""
        if key in self._matched:
            return self._matched[key]
        predictions = [
            match_predictions(classifier, faces, self._recipe.margin, teacher.temperature)
            for teacher, classifier in self._matching_teachers
        ]
        if self._recipe.augmentation_views:
            self._matched[key] = predictions
        return predictions


def crop_each(
    images: Sequence[NDArray[np.uint8]],
    boxes: Sequence[BoundingBox],
    input_spec: InputSpec,
    chosen: NDArray[np.int64] | None = None,
) -> NDArray[np.uint8]:
    """Return crops cut as the node does, N x size x size x C, of all faces or the chosen ones."""
    indices = range(len(images)) if chosen is None else chosen.tolist()
    crops = np.empty(
        (len(indices), input_spec.size, input_spec.size, input_spec.channels), np.uint8
    )
    for crop, index in zip(crops, indices, strict=True):
        crop[:] = crop_faces(as_bgr(images[index]), [boxes[index]], input_spec)[0]
    return crops


def _mix(
    faces: NDArray[np.uint8],
    targets: AttributeArrays,
    weights: AttributeArrays,
    first: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """Mix each face and its targets with those of the next face (mixup, Zhang et al. 2018).

    The loss is the weighted sum of both faces' losses: where the other face has no label of an
    attribute, the target stays and its weight is reduced.

    Args:
        faces: N x size x size x C.
        targets: attribute -> N x labels, changed in place.
        weights: attribute -> N, changed in place.
        first: N, fraction of each face, 0 to 1; the larger part always stays its own.
    """
    first = np.maximum(first, 1 - first)
    for attribute, own in weights.items():
        one, other = first * own, (1 - first) * np.roll(own, 1)
        total = one + other
        part = np.divide(one, total, out=np.ones_like(total), where=total > 0)[:, np.newaxis]
        rows = targets[attribute]
        targets[attribute] = part * rows + (1 - part) * np.roll(rows, 1, axis=0)
        weights[attribute] = total
    first = first[:, np.newaxis, np.newaxis, np.newaxis]
    mixed = first * faces + (1 - first) * np.roll(faces, 1, axis=0)
    return np.rint(mixed).astype(np.uint8)


def _check_columns(recipe: Recipe, datasets: Sequence[FaceDataset]) -> None:
    """Refuse a recipe that balances by columns that no data set has."""
    columns = {'label', *(column for dataset in datasets for column in dataset.groups)}
    for name in recipe.balance_by:
        if name not in columns:
            listed = ', '.join(sorted(columns))
            raise ValueError(
                f'balance_by: {name!r} is none of the columns {listed}; correct or remove it'
            )


def _shown_per_epoch(sources: NDArray[np.str_], sampling: Mapping[str, float]) -> dict[str, int]:
    """Return how many faces of each data set an epoch shows."""
    names, counts = np.unique(sources, return_counts=True)
    return {
        str(name): max(1, round(count * sampling.get(str(name), 1.0)))
        for name, count in zip(names, counts, strict=True)
    }


def _square_around(box: BoundingBox, recipe: Recipe) -> BoundingBox:
    """Return the region of a crop around a box, as the node cuts it."""
    size = max(box.width, box.height) * (1 + 2 * recipe.margin)
    left, top = box.x + (box.width - size) / 2, box.y + (box.height - size) / 2
    return BoundingBox(left, top, size, size)


def _in_color(image: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    if image.shape[2] == recipe.channels:
        return image
    code = cv2.COLOR_BGR2GRAY if recipe.channels == 1 else cv2.COLOR_GRAY2BGR
    return cv2.cvtColor(image, code).reshape(*image.shape[:2], recipe.channels)
