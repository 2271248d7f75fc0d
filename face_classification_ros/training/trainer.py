"""Train a classifier by a recipe, with a checkpoint after every epoch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.face import Box
from face_classification_ros.networks.registry import build_network
from face_classification_ros.training.augmentation import Augmentation
from face_classification_ros.training.datasets import FaceDataset, read_dataset
from face_classification_ros.training.export import export_classifier
from face_classification_ros.training.recipe import Recipe

WARM_UP_SHARE = 0.1
"""Share of all steps in which the learning rate climbs to its peak."""

CHECKPOINT = 'checkpoint.keras'
RECIPE = 'recipe.json'


def train(recipe: Recipe, data: Path, output: Path, *, resume: bool = False) -> Path:
    """Train a classifier and export it as a model file.

    Leaves `recipe.json`, `checkpoint.keras` (network and optimizer after the last whole epoch),
    `log.csv` (one row per epoch) and `<attribute>_<network>.onnx` in the output folder. A run
    that was killed goes on from its last whole epoch with `resume` and sees the same faces in
    the same order.

    Args:
        recipe: what to train and how.
        data: folder in one of the forms that `read_dataset` knows.
        output: folder for the results; made where it is missing.
        resume: go on from the checkpoint in the output folder.

    Returns:
        Path of the model file.

    Raises:
        ValueError: the folder holds a run already and `resume` is not set, or a run by another
            recipe; or the data is of no known form.
    """
    checkpoint, kept_recipe = output / CHECKPOINT, output / RECIPE
    if checkpoint.exists():
        if not resume:
            raise ValueError(f'{output} holds a run already; go on with --resume or name another')
        if Recipe.model_validate_json(kept_recipe.read_text()) != recipe:
            raise ValueError(f'{output} holds a run by another recipe, see {kept_recipe}')
    output.mkdir(parents=True, exist_ok=True)
    kept_recipe.write_text(recipe.model_dump_json(indent=1))

    validation = read_dataset(recipe.attribute, data, 'val', min_age=recipe.min_age)
    training = read_dataset(
        recipe.attribute, data, 'train', vote_share=recipe.vote_share, min_age=recipe.min_age
    ).without_pictures_of(validation)
    batches = FaceBatches(training, recipe)

    keras.utils.set_random_seed(recipe.seed)
    if checkpoint.exists():
        network = keras.models.load_model(checkpoint)
    else:
        network = build_network(
            recipe.network,
            (recipe.side, recipe.side, recipe.channels),
            len(training.labels),
            head=recipe.attribute,
        )
        network.compile(
            optimizer=keras.optimizers.AdamW(
                _one_cycle(recipe, len(batches)), weight_decay=recipe.weight_decay
            ),
            loss=keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=recipe.label_smoothing
            ),
            metrics=['accuracy'],
        )
    batches.epoch = int(network.optimizer.iterations) // len(batches)
    validation_faces = scaled_faces(validation, recipe)
    network.fit(
        batches,
        initial_epoch=batches.epoch,
        epochs=recipe.epochs,
        validation_data=(validation_faces, np.eye(len(validation.labels))[validation.truth]),
        callbacks=[
            _Checkpoint(checkpoint),
            keras.callbacks.CSVLogger(output / 'log.csv', append=resume),
        ],
    )
    logits = network.predict(validation_faces, verbose=0)
    path = output / f'{recipe.attribute}_{recipe.network}.onnx'
    export_classifier(
        network,
        recipe,
        validation,
        path,
        temperature=fit_temperature(logits, validation.truth),
        accuracy=float((logits.argmax(axis=1) == validation.truth).mean()),
    )
    return path


class FaceBatches(keras.utils.PyDataset):
    """Shuffled and augmented batches, the same for the same seed and epoch."""

    def __init__(self, dataset: FaceDataset, recipe: Recipe) -> None:
        """Take the faces of `dataset` in the form that `recipe` wants."""
        super().__init__()
        self.epoch = 0
        self._images = [_in_colour(image, recipe) for image in dataset.images]
        self._squares = [_square_of(dataset, image, recipe) for image in dataset.images]
        self._targets = dataset.targets
        self._recipe = recipe

    def __len__(self) -> int:
        """Give the number of batches in an epoch."""
        return -(-len(self._images) // self._recipe.batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Give one batch: faces in [-1, 1], N x H x W x C, and targets, N x labels."""
        recipe = self._recipe
        order = np.random.default_rng((recipe.seed, self.epoch)).permutation(len(self._images))
        chosen = order[index * recipe.batch_size : (index + 1) * recipe.batch_size]
        random = np.random.default_rng((recipe.seed, self.epoch, index))
        faces = np.stack(
            [
                recipe.augmentation.apply(self._images[i], self._squares[i], recipe.side, random)
                for i in chosen
            ]
        )
        return scale_to_unit(faces), self._targets[chosen]

    def on_epoch_end(self) -> None:
        """Go on to the order and the augmentation of the next epoch."""
        self.epoch += 1


def scale_to_unit(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scale pixels from [0, 255] to [-1, 1], as the model file does inside."""
    return faces.astype(np.float32) / 127.5 - 1


def scaled_faces(dataset: FaceDataset, recipe: Recipe) -> NDArray[np.float32]:
    """Give the crops of all faces of a data set, unchanged, N x H x W x C in [-1, 1]."""
    unchanged, random = Augmentation(), np.random.default_rng(0)
    return scale_to_unit(
        np.stack(
            [
                unchanged.apply(
                    _in_colour(image, recipe),
                    _square_of(dataset, image, recipe),
                    recipe.side,
                    random,
                )
                for image in dataset.images
            ]
        )
    )


def fit_temperature(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Find the temperature that makes probabilities honest (Guo et al. 2017).

    Args:
        logits: N x labels, on validation data.
        truth: N, indices of the true labels.

    Returns:
        What to divide logits by for the smallest mean negative log-likelihood.
    """

    def loss(temperature: float) -> float:
        scaled = logits / temperature
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(scaled).sum(axis=1))
        return float((log_sum - scaled[np.arange(len(truth)), truth]).mean())

    # The loss has one minimum in the temperature; 1 % steps are finer than its noise.
    candidates = np.geomspace(0.1, 10, 463)
    return float(candidates[np.argmin([loss(candidate) for candidate in candidates])])


class _Checkpoint(keras.callbacks.Callback):
    """Keep network and optimizer after every epoch, whole at any moment."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        unfinished = self._path.with_name(f'unfinished_{self._path.name}')
        self.model.save(unfinished)
        os.replace(unfinished, self._path)


def _one_cycle(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.schedules.CosineDecay:
    steps = recipe.epochs * steps_per_epoch
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=recipe.learning_rate / 25,
        decay_steps=max(1, steps - warm_up),
        warmup_target=recipe.learning_rate,
        warmup_steps=warm_up,
    )


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
