"""Train a detector from a recipe, with a checkpoint after every epoch."""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras
from keras import layers

from face_classification_ros.datasets.face_scenes import read_face_scenes
from face_classification_ros.networks.blocks import DETECTION_VALUES
from face_classification_ros.networks.builder import build_network, DETECTION_STRIDES
from face_classification_ros.networks.cost import check_latency
from face_classification_ros.networks.description import read_network
from face_classification_ros.training.checkpoint import (
    check_output,
    check_weights,
    CHECKPOINT,
    load_checkpoint,
    new_optimizer,
    record_run,
    recording_callbacks,
    run_of,
)
from face_classification_ros.training.detector_batches import SceneBatches
from face_classification_ros.training.detector_calibration import calibrate_detector
from face_classification_ros.training.detector_export import convert_detector
from face_classification_ros.training.detector_losses import DetectionLoss
from face_classification_ros.training.detector_recipe import DetectorRecipe
from face_classification_ros.training.model_file import write_model
from face_classification_ros.training.warm_start import take_weights


def train_detector(
    recipe: DetectorRecipe,
    folder: Path,
    teacher: Path,
    output: Path,
    *,
    resume: bool = False,
    init_from: Path | None = None,
) -> Path:
    """Train a detector by the predictions of another one, and export it as a model file.

    Writes `run.json`, `checkpoint.keras` (network and optimizer after the last complete epoch),
    `log.csv` (one row per epoch; a killed run may repeat its last one), `tensorboard/` and the
    model file, named after the network, into the output folder. With `resume`, an interrupted run
    continues after its last complete epoch with the same images.

    Args:
        recipe: how to train.
        folder: scenes in the layout of `read_face_scenes`.
        teacher: model file of the detector `yunet`.
        output: folder for the results, created if necessary.
        resume: continue from the checkpoint in the output folder.
        init_from: output folder of another run, or a model file; its weights initialize all
            layers that both networks have in common, by name and shape. None for random weights.

    Returns:
        Path of the model file.

    Raises:
        FileNotFoundError: the data or the teacher is missing.
        FloatingPointError: the training has diverged.
        ValueError: the output folder contains a run and `resume` is not set, or a run by another
            recipe or teacher; the network is not a detector; data or teacher cannot be read; or
            `init_from` is neither a run nor a model file, or has no layer in common.
    """
    run = run_of(recipe, teacher=hashlib.sha256(teacher.read_bytes()).hexdigest())
    check_output(output, run, resume)
    # A network without a detection head is refused before the folder is created.
    _build(recipe)
    training = SceneBatches(read_face_scenes(folder, 'train'), recipe, teacher)
    scenes = read_face_scenes(folder, 'val')
    validation = SceneBatches(scenes, recipe, teacher)
    record_run(output, run)
    network = _network_of(_fit(recipe, training, validation, output, init_from), recipe)
    check_weights(network)
    path = output / f'{network.name}.onnx'
    write_model(convert_detector(network, recipe), path)
    write_model(convert_detector(network, recipe, calibrate_detector(path, scenes)), path)
    return path


def _fit(
    recipe: DetectorRecipe,
    training: SceneBatches,
    validation: SceneBatches,
    output: Path,
    init_from: Path | None,
) -> keras.Model:
    """Train a new network, or continue from the checkpoint; return the training model."""
    keras.utils.set_random_seed(recipe.seed)
    if (output / CHECKPOINT).exists():
        training_model = load_checkpoint(output)
    else:
        training_model = _new_training_model(recipe, len(training))
        if init_from is not None:
            take_weights(training_model, init_from, training.fixed(recipe.validation_images)[0])
    done = int(training_model.optimizer.iterations) // len(training)
    swap = [] if recipe.ema is None else [keras.callbacks.SwapEMAWeights()]
    training_model.fit(
        training.stream(done),
        # They are shuffled already.
        shuffle=False,
        initial_epoch=done,
        epochs=recipe.epochs,
        steps_per_epoch=len(training),
        validation_data=validation.fixed(recipe.validation_images),
        validation_batch_size=recipe.batch_size,
        callbacks=[*swap, *recording_callbacks(output, done)],
    )
    return training_model


def _build(recipe: DetectorRecipe) -> keras.Model:
    description = read_network(recipe.network)
    if not description.is_detector:
        raise ValueError(f'network {recipe.network} has no detection head')
    return build_network(description, (None, None, 3), {})


def _new_training_model(recipe: DetectorRecipe, steps_per_epoch: int) -> keras.Model:
    """Return the network with the values of all its cells in one array, N x cells x 15."""
    network = _build(recipe)
    check_latency(read_network(recipe.network), (recipe.size, recipe.size, 3), {})
    cells = [
        layers.Reshape((-1, DETECTION_VALUES), name=f'cells{stride}')(
            network.output[f'stride{stride}']
        )
        for stride in DETECTION_STRIDES
    ]
    model = keras.Model(
        network.inputs, layers.Concatenate(axis=1, name='cells')(cells), name=network.name
    )
    model.compile(
        optimizer=new_optimizer(recipe, steps_per_epoch),
        loss=DetectionLoss(recipe.score_exponent, recipe.box_weight, recipe.landmark_weight),
    )
    return model


def _network_of(training_model: keras.Model, recipe: DetectorRecipe) -> keras.Model:
    """Return the network with its own outputs and the weights of the training model."""
    network = _build(recipe)
    for layer in network.layers:
        layer.set_weights(training_model.get_layer(layer.name).get_weights())
    return network
