"""What the trainings of classifiers and detectors have in common: output folder and optimizer."""

from __future__ import annotations

from collections.abc import Mapping
import csv
import hashlib
import json
import os
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
import zlib

import keras
import numpy as np

from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.training.detector_recipe import DetectorRecipe
from face_classification_ros.training.follow_recipe import FollowRecipe
from face_classification_ros.training.recipe import Recipe

WARM_UP_FRACTION = 0.1
"""Fraction of all steps in which the learning rate rises to its peak."""

RUN = 'run.json'
"""What a run depends on: recipe and the like."""

CHECKPOINT = 'checkpoint.keras'
LOG = 'log.csv'


class DamagedRunError(ValueError):
    """A file of a run is missing or damaged, so that the run cannot go on.

    Attributes:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        """Name the file, and how to train again."""
        super().__init__(
            f'{path} is missing or damaged; delete the folder {path.parent} to train it again '
            'from the start'
        )
        self.path = path


def new_optimizer(
    recipe: Recipe | DetectorRecipe, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """Return AdamW with the learning rate, weight decay and weight averaging of a recipe."""
    return keras.optimizers.AdamW(
        one_cycle(recipe.learning_rate, recipe.epochs * steps_per_epoch),
        weight_decay=recipe.weight_decay,
        use_ema=recipe.ema is not None,
        ema_momentum=recipe.ema or 0.99,
    )


def one_cycle(learning_rate: float, steps: int) -> keras.optimizers.schedules.CosineDecay:
    """Return a learning rate that rises to `learning_rate`, then falls to 0 in `steps` steps."""
    warm_up = max(1, round(WARM_UP_FRACTION * steps))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=learning_rate / 25,
        decay_steps=max(1, steps - warm_up),
        warmup_target=learning_rate,
        warmup_steps=warm_up,
    )


def run_of(recipe: Recipe | DetectorRecipe | FollowRecipe, **more: str) -> dict[str, Any]:
    """Return what a run depends on, for JSON: its recipe and checksums of what it reads.

    Teachers are recorded by content, so that a run continues after its folder was moved.

    Raises:
        FileNotFoundError: a teacher is missing.
    """
    values = recipe.model_dump(mode='json')
    if isinstance(recipe, Recipe) and recipe.teachers:
        digest = hashlib.sha256()
        for teacher in values['teachers']:
            path = Path(model_path(teacher['model']))
            digest.update(path.read_bytes())
            teacher['model'] = path.name
        more['teacher'] = digest.hexdigest()
    return {'recipe': values, **more}


def check_output(output: Path, run: Mapping[str, Any], resume: bool) -> None:
    """Refuse to overwrite a run, or to continue one after a change.

    Args:
        output: folder of the results, which need not exist.
        run: what the run depends on, for JSON; some of what was recorded by `record_run`.
        resume: continue the run in the folder.

    Raises:
        ValueError: the folder is a file, or contains a run and `resume` is not set, or a run that
            depends on something else; the line names what differs.
        DamagedRunError: the record of the run is damaged.
    """
    for place in (output, *output.parents):
        if place.is_file():
            raise ValueError(f'{place} is a file, expected a folder for the results')
    if not (output / CHECKPOINT).exists():
        return
    if not resume:
        raise ValueError(
            f'{output} already contains a run; continue it with --resume or choose another folder'
        )
    try:
        recorded = {**json.loads((output / RUN).read_text())}
    except (FileNotFoundError, TypeError, ValueError) as error:
        raise DamagedRunError(output / RUN) from error
    changed = [name for name, value in run.items() if recorded.get(name) != value]
    if changed:
        raise ValueError(
            f'{output} contains a run with a different {" and ".join(changed)}; undo the '
            'change or choose another folder'
        )


def record_run(output: Path, run: Mapping[str, Any]) -> None:
    """Create the output folder, and record what the run depends on."""
    output.mkdir(parents=True, exist_ok=True)
    (output / RUN).write_text(json.dumps(run, indent=1))


def load_checkpoint(output: Path) -> keras.Model:
    """Return the network of the last complete epoch of a run, which has a checkpoint.

    Raises:
        DamagedRunError: the file is damaged, as by a full disk, or of another version of Keras.
        OSError: it cannot be read.
    """
    path = output / CHECKPOINT
    # Keras reports it as missing.
    path.open('rb').close()
    try:
        return keras.models.load_model(path)
    except (BadZipFile, KeyError, OSError, TypeError, ValueError, zlib.error) as error:
        raise DamagedRunError(path) from error


def recording_callbacks(output: Path, done: int) -> list[keras.callbacks.Callback]:
    """Return the callbacks that write the log, TensorBoard's files and the checkpoint.

    Args:
        output: folder of the results.
        done: number of complete epochs, after which the log continues.
    """
    if done and (output / LOG).exists():
        _shorten_log(output / LOG, done)
    return [
        StopIfDiverged(),
        keras.callbacks.CSVLogger(output / LOG, append=done > 0),
        keras.callbacks.TensorBoard(output / 'tensorboard', write_graph=False),
        # Last, so that an epoch that is not repeated after a resume is in the log.
        SaveCheckpoint(output / CHECKPOINT),
    ]


def _shorten_log(path: Path, epochs: int) -> None:
    """Remove the epochs that a resumed run repeats, because it was killed before a checkpoint."""
    with open(path, newline='') as file:
        rows = list(csv.reader(file))
    unfinished = path.with_name(f'unfinished_{path.name}')
    with open(unfinished, 'w', newline='') as file:
        csv.writer(file).writerows([*rows[:1], *(row for row in rows[1:] if int(row[0]) < epochs)])
    os.replace(unfinished, path)


def check_weights(network: keras.Model) -> None:
    """Check that all weights of a network are finite.

    Raises:
        FloatingPointError: some are not; the line names the layer.
    """
    for layer in network.layers:
        if not all(np.isfinite(weights).all() for weights in layer.get_weights()):
            raise FloatingPointError(
                f'{network.name}: weights of {layer.name} are not finite; no model file is written'
            )


class StopIfDiverged(keras.callbacks.Callback):
    """Stop a training whose loss is no longer finite, before it replaces the checkpoint."""

    # Keras' TerminateOnNaN ends a training as if it were complete.

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Check the loss.

        Raises:
            FloatingPointError: it is not finite.
        """
        if logs is not None and not np.isfinite(logs['loss']):
            raise FloatingPointError(
                f'the loss is {logs["loss"]} at step {batch + 1} of an epoch: the training has '
                'diverged; use a lower learning_rate'
            )


class SaveCheckpoint(keras.callbacks.Callback):
    """Save network and optimizer after every epoch, so that a killed run can resume."""

    # Keras' ModelCheckpoint and BackupAndRestore write in place, so a kill during a write leaves
    # a broken file, and the latter saves no architecture, which another run starts from.

    def __init__(self, path: Path) -> None:
        """Set the path of the checkpoint."""
        super().__init__()
        self._path = path

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Replace the previous checkpoint."""
        unfinished = self._path.with_name(f'unfinished_{self._path.name}')
        self.model.save(unfinished)
        os.replace(unfinished, self._path)
