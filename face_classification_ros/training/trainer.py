"""Train a classifier from a recipe, with a checkpoint after every epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
import json
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from face_classification_ros.datasets.registry import FaceDataset, labels_of
from face_classification_ros.networks.builder import build_network
from face_classification_ros.networks.cost import check_latency
from face_classification_ros.networks.description import DenseHead, read_network
from face_classification_ros.networks.onnx_export import scale_faces
from face_classification_ros.training.batches import crop_each, FaceBatches
from face_classification_ros.training.checkpoint import (
    check_output,
    CHECKPOINT,
    load_checkpoint,
    LOG,
    new_optimizer,
    record_run,
    recording_callbacks,
    run_of,
)
from face_classification_ros.training.data import checksum, read_splits
from face_classification_ros.training.distributed import Cluster
from face_classification_ros.training.export import export_classifier
from face_classification_ros.training.joined_faces import join_faces
from face_classification_ros.training.recipe import Recipe
from face_classification_ros.training.warm_start import take_weights

STATISTICS_FACES = 512
"""Number of faces for the statistics that a model file to start from lacks."""

BEST = 'best.weights.h5'


def train(
    recipe: Recipe,
    folders: Sequence[Path],
    output: Path,
    *,
    resume: bool = False,
    init_from: Path | None = None,
    cluster: Cluster | None = None,
    scratch: Path | None = None,
) -> Path:
    """Train a classifier and export it as a model file.

    Writes `run.json` (the recipe and a checksum of the data), `checkpoint.keras` (network and
    optimizer after the last complete epoch), `log.csv` (one row per epoch; a killed run may repeat
    its last one), `tensorboard/` and the model file into the output folder. The model file is
    named after the attribute, or `multitask` for several, and the network:
    `multitask_mini_xception.onnx`. With `resume`, an interrupted run continues after its last
    complete epoch with the same faces in the same order.

    Args:
        recipe: what to train and how.
        folders: data sets in the layouts of `read_dataset`; together they need labels for each
            attribute of the recipe.
        output: folder for the results, created if necessary.
        resume: continue from the checkpoint in the output folder.
        init_from: output folder of another run, or a model file; its weights initialize all
            layers that both networks have in common, by name and shape. None for random weights.
        cluster: the machines that train together, joined, see `Cluster`; only the chief writes
            results. None for this machine alone.
        scratch: folder of the caches, for several trainings on the same data; None for `output`.

    Returns:
        Path of the model file.

    Raises:
        FloatingPointError: the training has diverged.
        ValueError: the output folder contains a run and `resume` is not set, or a run with another
            recipe or other data; the data has an unknown layout or lacks an attribute; workers
            differ in recipe or data; or `init_from` is neither a run nor a model file, or has no
            layer in common.
    """
    cluster = cluster or Cluster()
    # Nothing is written if the recipe names no valid network.
    read_network(recipe.network)
    # Also before the data is read, which takes minutes.
    check_output(output, run_of(recipe), resume)
    training, validation = read_splits(recipe, folders)
    run = run_of(recipe, data=checksum([*training, *validation]))
    check_output(output, run, resume)
    cluster.check_same(**{name: json.dumps(value) for name, value in run.items()})
    if cluster.is_chief:
        record_run(output, run)
    network = _fit(recipe, training, validation, output, scratch or output, init_from, cluster)
    prefix = recipe.attributes[0] if len(recipe.attributes) == 1 else 'multitask'
    path = output / f'{prefix}_{network.name}.onnx'
    if cluster.is_chief:
        if recipe.patience is not None:
            network.load_weights(output / BEST)
        export_classifier(network, recipe, training, validation, path)
    return path


def _fit(
    recipe: Recipe,
    training: Sequence[FaceDataset],
    validation: Sequence[FaceDataset],
    output: Path,
    scratch: Path,
    init_from: Path | None,
    cluster: Cluster,
) -> keras.Model:
    """Train a new network, or continue from the checkpoint; see `train`."""
    batches = FaceBatches(training, recipe, cluster, scratch if cluster.is_chief else None)
    # Each worker has its own dropout; the weights are the chief's.
    keras.utils.set_random_seed(recipe.seed + cluster.task_index)
    if (output / CHECKPOINT).exists():
        network = load_checkpoint(output)
    else:
        network = _new_network(recipe, labels_of(training), len(batches))
        if init_from is not None:
            crops = training[0].crops(recipe.input_spec)
            step = 1 + len(crops) // STATISTICS_FACES
            take_weights(network, init_from, scale_faces(crops[::step]))
    cluster.connect(network)
    done = int(network.optimizer.iterations) // len(batches)
    held_out = join_faces(validation, recipe.attributes)
    faces = scale_faces(crop_each(held_out.images, held_out.boxes, recipe.input_spec))
    network.fit(
        batches.stream(done),
        # They are shuffled already.
        shuffle=False,
        initial_epoch=done,
        epochs=recipe.epochs,
        steps_per_epoch=len(batches),
        validation_data=(faces, held_out.targets, held_out.weights),
        callbacks=_callbacks(recipe, output, done, cluster),
    )
    return network


def _callbacks(
    recipe: Recipe, output: Path, done: int, cluster: Cluster
) -> list[keras.callbacks.Callback]:
    callbacks = [cluster.callback()]
    if cluster.is_chief and recipe.patience is not None:
        # Before the averaged weights are swapped out, so that those are saved.
        callbacks.append(_SaveBest(output, done, recipe.patience))
    if recipe.ema is not None:
        callbacks.append(keras.callbacks.SwapEMAWeights())
    if cluster.is_chief:
        callbacks += recording_callbacks(output, done)
    return callbacks


def _new_network(
    recipe: Recipe, labels: Mapping[str, Sequence[str]], steps_per_epoch: int
) -> keras.Model:
    description = read_network(recipe.network)
    heads = {each: len(labels[each]) for each in recipe.attributes}
    check_latency(description, (recipe.size, recipe.size, recipe.channels), heads)
    # A dense head needs faces of a fixed size.
    size = recipe.size if isinstance(description.head, DenseHead) else None
    network = build_network(description, (size, size, recipe.channels), heads)
    network.compile(
        optimizer=new_optimizer(recipe, steps_per_epoch),
        loss={attribute: _loss(recipe) for attribute in recipe.attributes},
        loss_weights={each: recipe.loss_weights.get(each, 1.0) for each in recipe.attributes},
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
        """Return the loss per face, N."""
        return super().call(2.0 * y_true - 1.0, y_pred)


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
