"""Train a classifier by a recipe, with a checkpoint after every epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
import os
from pathlib import Path
from typing import Any
import zlib

import keras
import numpy as np

from face_classification_ros.datasets.registry import (
    attributes_in,
    FaceDataset,
    LABELS,
    read_dataset,
)
from face_classification_ros.networks.builder import build_network
from face_classification_ros.networks.cost import check_latency
from face_classification_ros.networks.description import DenseHead, read_network
from face_classification_ros.networks.onnx_export import scale_faces
from face_classification_ros.training.batches import FaceBatches, join_targets
from face_classification_ros.training.distributed import Workers
from face_classification_ros.training.export import export_classifier
from face_classification_ros.training.recipe import Recipe
from face_classification_ros.training.warm_start import CHECKPOINT, take_weights

WARM_UP_SHARE = 0.1
"""Share of all steps in which the learning rate climbs to its peak."""

START_FACES = 512
"""Faces on which is measured what a model file to start from does not tell."""

BEST = 'best.weights.h5'
LOG = 'log.csv'
RECIPE = 'recipe.json'


def train(
    recipe: Recipe,
    folders: Sequence[Path],
    output: Path,
    *,
    resume: bool = False,
    start: Path | None = None,
    workers: Workers | None = None,
) -> Path:
    """Train a classifier and export it as a model file.

    Writes `recipe.json`, `checkpoint.keras` (network and optimizer after the last whole epoch),
    `log.csv` (a row per epoch; a killed run may repeat its last one), `tensorboard/` and
    `<name>.onnx` into the output folder, the name
    being `emotion_mini_xception`, or `multitask_mini_xception` for a network that tells more than
    one attribute. A run that was killed goes on from its last whole epoch with `resume` and sees
    the same faces in the same order.

    Args:
        recipe: what to train and how.
        folders: data sets in the forms that `read_dataset` knows; for a blended network together
            with answers for each attribute.
        output: folder for the results; made where it is missing.
        resume: go on from the checkpoint in the output folder.
        start: output folder of another run, or a model file, whose weights this run begins with
            in all blocks that both networks have, by name and shape; None begins with random ones.
        workers: the machines that train together, joined; see `Workers`. The first one's output
            folder counts, and only it gets the results.

    Returns:
        Path of the model file.

    Raises:
        ValueError: the folder holds a run already and `resume` is not set, or a run by another
            recipe; or the data is of no known form, or of another attribute; or workers differ in
            recipe or data; or `start` is neither a run nor a model file, or of a network that has
            nothing in common with this one.
    """
    workers = workers or Workers()
    checkpoint, kept_recipe = output / CHECKPOINT, output / RECIPE
    if checkpoint.exists():
        if not resume:
            raise ValueError(f'{output} holds a run already; go on with --resume or name another')
        if Recipe.model_validate_json(kept_recipe.read_text()) != recipe:
            raise ValueError(f'{output} holds a run by another recipe, see {kept_recipe}')
    training, validation = read_splits(recipe, folders)
    answers = [zlib.crc32(dataset.targets.tobytes()) for dataset in (*training, *validation)]
    workers.check_same(recipe=recipe.model_dump_json(), data=str(answers))
    if workers.is_first:
        output.mkdir(parents=True, exist_ok=True)
        kept_recipe.write_text(recipe.model_dump_json(indent=1))

    batches = FaceBatches(training, recipe, workers, output if workers.is_first else None)
    # Other workers, other dropout; weights are the first one's.
    keras.utils.set_random_seed(recipe.seed + workers.index)
    if checkpoint.exists():
        network = keras.models.load_model(checkpoint)
    else:
        network = _new_network(recipe, len(batches))
        if start is not None:
            crops = training[0].crops(recipe.input_spec)[
                :: 1 + len(training[0].y_true) // START_FACES
            ]
            take_weights(network, start, scale_faces(crops))
    workers.connect(network)
    done = int(network.optimizer.iterations) // len(batches)

    faces = scale_faces(
        np.concatenate([dataset.crops(recipe.input_spec) for dataset in validation])
    )
    callbacks = [workers.callback()]
    if workers.is_first and recipe.patience is not None:
        # Before the averaged weights are taken out again, so that those are saved.
        callbacks.append(_SaveBest(output, done, recipe.patience))
    if recipe.ema is not None:
        callbacks.append(keras.callbacks.SwapEMAWeights())
    if workers.is_first:
        callbacks += [
            keras.callbacks.CSVLogger(output / LOG, append=resume),
            keras.callbacks.TensorBoard(output / 'tensorboard', write_graph=False),
            # Last, so that an epoch that is not repeated after a resume is in the log.
            _Checkpoint(checkpoint),
        ]
    network.fit(
        batches.stream(done),
        # They come shuffled.
        shuffle=False,
        initial_epoch=done,
        epochs=recipe.epochs,
        steps_per_epoch=len(batches),
        validation_data=(faces, *join_targets(validation, recipe.attributes)),
        callbacks=callbacks,
    )
    kind = recipe.attributes[0] if len(recipe.attributes) == 1 else 'blended'
    path = output / f'{kind}_{network.name}.onnx'
    if workers.is_first:
        if recipe.patience is not None:
            network.load_weights(output / BEST)
        export_classifier(network, recipe, training, validation, path)
    return path


def read_splits(
    recipe: Recipe, folders: Sequence[Path]
) -> tuple[list[FaceDataset], list[FaceDataset]]:
    """Read what a recipe trains on and what it is validated on.

    Returns:
        Data sets for training, without the pictures that also stand in validation; data sets for
        validation.

    Raises:
        ValueError: a folder holds nothing for the recipe, or an attribute has no folder.
    """
    training, validation = [], []
    for folder in folders:
        wanted = [each for each in attributes_in(folder) if each in recipe.attributes]
        if not wanted:
            raise ValueError(
                f'{folder} holds no {" or ".join(recipe.attributes)} data of a known form'
            )
        for attribute in wanted:
            known = read_dataset(attribute, folder, 'val', min_age=recipe.min_age)
            validation.append(known)
            training.append(
                read_dataset(
                    attribute,
                    folder,
                    'train',
                    ferplus_weight=recipe.ferplus_weight,
                    min_age=recipe.min_age,
                ).without_images_of(known)
            )
    for attribute in recipe.attributes:
        if attribute not in {dataset.attribute for dataset in training}:
            raise ValueError(f'the recipe wants {attribute}, but no --data folder holds any')
    return training, validation


def _new_network(recipe: Recipe, steps_per_epoch: int) -> keras.Model:
    description = read_network(recipe.network)
    heads: dict[str, int] = {each: len(LABELS[each]) for each in recipe.attributes}
    check_latency(description, (recipe.side, recipe.side, recipe.channels), heads)
    # A dense head fixes the size of the faces.
    side = recipe.side if isinstance(description.head, DenseHead) else None
    network = build_network(description, (side, side, recipe.channels), heads)
    network.compile(
        optimizer=keras.optimizers.AdamW(
            _one_cycle(recipe, steps_per_epoch),
            weight_decay=recipe.weight_decay,
            use_ema=recipe.ema is not None,
            ema_momentum=recipe.ema or 0.99,
        ),
        loss={attribute: _loss(recipe) for attribute in recipe.attributes},
        weighted_metrics={attribute: ['accuracy'] for attribute in recipe.attributes},
    )
    return network


def _loss(recipe: Recipe) -> keras.losses.Loss:
    if recipe.loss == 'squared_hinge':
        # Tang 2013: one support vector machine per label, against all others.
        return SquaredHinge()
    return keras.losses.CategoricalCrossentropy(from_logits=True)


@keras.saving.register_keras_serializable('face_classification_ros')
class SquaredHinge(keras.losses.SquaredHinge):
    """Squared hinge loss of targets in [0, 1], N x labels, against scores of any range."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Give the loss per face, N."""
        return super().call(2.0 * y_true - 1.0, y_pred)


def _one_cycle(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.schedules.CosineDecay:
    steps = recipe.epochs * steps_per_epoch
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=recipe.learning_rate / 25,
        decay_steps=max(1, steps - warm_up),
        warmup_target=recipe.learning_rate,
        warmup_steps=warm_up,
    )


class _Checkpoint(keras.callbacks.Callback):
    """Save network and optimizer after every epoch, so that a killed run can resume."""

    # Keras' ModelCheckpoint and BackupAndRestore write in place, so a kill during a write leaves
    # a broken file, and the latter saves no architecture, which another run starts from.

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        unfinished = self._path.with_name(f'unfinished_{self._path.name}')
        self.model.save(unfinished)
        os.replace(unfinished, self._path)


class _SaveBest(keras.callbacks.Callback):
    """Save the weights with the lowest validation loss, and stop when it no longer falls.

    Args:
        output: folder of the run, whose log has the losses of the epochs before a resume.
        done: number of epochs before a resume.
        patience: number of epochs without a lower loss after which training stops.
    """

    # Keras' EarlyStopping and ModelCheckpoint forget the earlier losses on a resume, and act at
    # the end of an epoch, when SwapEMAWeights has taken out the averaged weights again.

    def __init__(self, output: Path, done: int, patience: int) -> None:
        super().__init__()
        self._output, self._patience = output, patience
        self._losses: list[float] = []
        if done:
            with open(output / LOG, newline='') as file:
                losses = {int(row['epoch']): row['val_loss'] for row in csv.DictReader(file)}
            self._losses = [float(losses[epoch]) for epoch in range(done)]

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        assert logs is not None
        if not self._losses or logs['loss'] < min(self._losses):
            unfinished = self._output / f'unfinished_{BEST}'
            self.model.save_weights(unfinished)
            os.replace(unfinished, self._output / BEST)
        self._losses.append(logs['loss'])
        if int(np.argmin(self._losses)) < len(self._losses) - self._patience:
            self.model.stop_training = True
