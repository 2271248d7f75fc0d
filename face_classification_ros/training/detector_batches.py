"""Batches of composed scenes with the targets of a detector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import tensorflow as tf

from face_classification_ros.datasets.face_scenes import Scene, SceneRegion
from face_classification_ros.io.images import read_image
from face_classification_ros.networks.blocks import DETECTION_VALUES
from face_classification_ros.networks.onnx_export import scale_faces
from face_classification_ros.training.detector_recipe import DetectorRecipe
from face_classification_ros.training.detector_targets import correct_targets, Teacher
from face_classification_ros.types import Image

SCENES_PER_MOSAIC = 4
PREPARED_BATCHES = 8

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]


class SceneBatches:
    """Random training images and their targets, the same for the same seed and epoch."""

    def __init__(self, scenes: Sequence[Scene], recipe: DetectorRecipe, teacher: Path) -> None:
        """Prepare the scenes and the teacher.

        Args:
            scenes: from which images are composed.
            recipe: of the training.
            teacher: model file of the detector `yunet`.

        Raises:
            FileNotFoundError: there is no such model file.
            ValueError: there are no scenes, or the teacher is not such a detector.
        """
        if not scenes:
            raise ValueError('no scenes to train with')
        self._scenes, self._recipe = scenes, recipe
        self._teacher = Teacher(teacher)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-self._recipe.images_per_epoch // self._recipe.batch_size)

    def image(self, epoch: int, index: int) -> tuple[Image, tuple[SceneRegion, ...]]:
        """Return one composed image of an epoch, uint8 size x size x 3, and its regions."""
        recipe = self._recipe
        augmentation, size = recipe.augmentation, recipe.size
        random = np.random.default_rng((recipe.seed, epoch, index))
        if random.random() < augmentation.mosaic:
            chosen = random.integers(len(self._scenes), size=SCENES_PER_MOSAIC)
            scenes = [(read_image(scene.path), scene.regions) for scene in self._choose(chosen)]
            image, regions = augmentation.compose_mosaic(scenes, size, random)
        else:
            # Scenes follow each other, so that all are used equally often.
            position = epoch * recipe.images_per_epoch + index
            round_number, place = divmod(position, len(self._scenes))
            order = np.random.default_rng((recipe.seed, round_number)).permutation(
                len(self._scenes)
            )
            (scene,) = self._choose(order[place : place + 1])
            image, regions = augmentation.cut(
                read_image(scene.path), scene.regions, (size, size), random
            )
        return augmentation.change_levels(image, random), regions

    def batch(self, epoch: int, index: int, pool: ThreadPoolExecutor) -> Batch:
        """Return one batch of an epoch, made by the threads of a pool.

        Returns:
            Images in [-1, 1], N x size x size x 3; targets, N x cells x 15 as in `DetectionLoss`.
        """
        size = self._recipe.batch_size
        positions = range(index * size, min((index + 1) * size, self._recipe.images_per_epoch))
        made = list(pool.map(lambda each: self._make(epoch, each), positions))
        images = np.stack([image for image, _ in made])
        return scale_faces(images).numpy(), np.stack([cells for _, cells in made])

    def stream(self, first_epoch: int) -> tf.data.Dataset:
        """Return all batches from an epoch on, prepared while the network trains."""

        def generate() -> Iterator[Batch]:
            with ThreadPoolExecutor(self._recipe.threads) as pool:
                for epoch in range(first_epoch, self._recipe.epochs):
                    for index in range(len(self)):
                        yield self.batch(epoch, index, pool)

        signature = (
            tf.TensorSpec((None, self._recipe.size, self._recipe.size, 3), tf.float32),
            tf.TensorSpec((None, None, DETECTION_VALUES), tf.float32),
        )
        dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
        return dataset.prefetch(PREPARED_BATCHES)

    def fixed(self, count: int) -> Batch:
        """Return the first images of epoch 0 and their targets, for validation."""
        with ThreadPoolExecutor(self._recipe.threads) as pool:
            made = list(pool.map(lambda each: self._make(0, each), range(count)))
        images = np.stack([image for image, _ in made])
        return scale_faces(images).numpy(), np.stack([cells for _, cells in made])

    def _choose(self, indices: NDArray[np.int64]) -> list[Scene]:
        return [self._scenes[i] for i in indices]

    def _make(self, epoch: int, index: int) -> tuple[Image, NDArray[np.float32]]:
        image, regions = self.image(epoch, index)
        cells = self._teacher.predict(image)
        correct_targets(cells, regions, self._recipe.size, self._recipe.min_missed_size)
        return image, cells
