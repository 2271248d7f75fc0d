"""What the trainings of classifiers and detectors have in common: checkpoint and learning rate."""

from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path
from typing import Any

import keras

WARM_UP_FRACTION = 0.1
"""Fraction of all steps in which the learning rate rises to its peak."""

CHECKPOINT = 'checkpoint.keras'
LOG = 'log.csv'


def one_cycle(learning_rate: float, steps: int) -> keras.optimizers.schedules.CosineDecay:
    """Return a learning rate that rises to `learning_rate`, then falls to 0 in `steps` steps."""
    warm_up = max(1, round(WARM_UP_FRACTION * steps))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=learning_rate / 25,
        decay_steps=max(1, steps - warm_up),
        warmup_target=learning_rate,
        warmup_steps=warm_up,
    )


def continues_run(output: Path, resume: bool) -> bool:
    """Return whether an output folder contains a run that is to be continued.

    Raises:
        ValueError: it contains a run, and `resume` is False.
    """
    if not (output / CHECKPOINT).exists():
        return False
    if not resume:
        raise ValueError(
            f'{output} already contains a run; continue it with --resume or choose another folder'
        )
    return True


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
