"""Export a trained network as a model file: one ONNX file with all that it needs to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import tensorflow as tf

from face_classification_ros.datasets.registry import FaceDataset, labels_of
from face_classification_ros.networks.onnx_export import convert_to_onnx, scale_faces
from face_classification_ros.progress import progress
from face_classification_ros.training.calibration import (
    Calibration,
    fit_calibration,
    LabeledLogits,
)
from face_classification_ros.training.checkpoint import check_weights
from face_classification_ros.training.model_file import check_equal, write_model
from face_classification_ros.training.recipe import Recipe

BATCH = 256
LICENSE = 'Apache-2.0'
MAX_FACES = 10_000
"""Largest number of faces of a data set by which probabilities are calibrated."""


def export_classifier(
    network: keras.Model,
    recipe: Recipe,
    training: Sequence[FaceDataset],
    validation: Sequence[FaceDataset],
    path: Path,
) -> None:
    """Write a network with its scaling, calibration and metadata as one ONNX file.

    The input is `faces`, uint8 N x H x W x C straight from the crop. The outputs are named after
    the attributes, float32 N x labels, rows of sum 1, calibrated by `fit_calibration`.

    Args:
        network: from faces in [-1, 1] to attribute -> logits.
        recipe: of the training.
        training: faces for the offsets of the calibration.
        validation: faces for its temperature and for the figures in the metadata.
        path: of the file.

    Raises:
        FloatingPointError: a weight is not finite.
        RuntimeError: ONNX Runtime computes other probabilities than Keras.
    """
    check_weights(network)
    calibrations, figures = _calibrate(network, recipe, training, validation)

    def probabilities(faces: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = _logits(network, recipe, faces)
        return {
            attribute: tf.nn.softmax((logits[attribute] + each.offsets) / each.temperature)
            for attribute, each in calibrations.items()
        }

    face_shape = (recipe.size, recipe.size, recipe.channels)
    model = convert_to_onnx(probabilities, face_shape)
    labels = labels_of(training)
    onnx.helper.set_model_props(
        model,
        {
            'labels': json.dumps({each: labels[each] for each in recipe.attributes}),
            'color': recipe.color,
            'margin': str(recipe.margin),
            'thresholds': json.dumps(recipe.thresholds),
            'calibration': json.dumps({k: asdict(v) for k, v in calibrations.items()}),
            'parameters': str(network.count_params()),
            'network': network.name,
            'recipe': recipe.without_folders().model_dump_json(),
            'figures': json.dumps(figures),
            'license': LICENSE,
        },
    )
    onnx.checker.check_model(model, full_check=True)

    faces = np.random.default_rng(recipe.seed).integers(0, 256, (8, *face_shape), np.uint8)
    expected = probabilities(scale_faces(faces))
    check_equal(model, {'faces': faces}, {name: each.numpy() for name, each in expected.items()})
    write_model(model, path)


def _calibrate(
    network: keras.Model,
    recipe: Recipe,
    training: Sequence[FaceDataset],
    validation: Sequence[FaceDataset],
) -> tuple[dict[str, Calibration], dict[str, dict[str, Any]]]:
    """Return the calibration and the validation figures of each attribute."""
    calibrations: dict[str, Calibration] = {}
    figures: dict[str, dict[str, Any]] = {}
    for attribute in recipe.attributes:
        predictions = _predict(network, recipe, validation, attribute)
        calibration = fit_calibration(_predict(network, recipe, training, attribute), predictions)
        correct = np.concatenate(
            [
                (logits + calibration.offsets).argmax(axis=1) == y_true
                for logits, y_true in predictions
            ]
        )
        calibrations[attribute] = calibration
        figures[attribute] = {
            'data': ', '.join(each.name for each in validation if each.attribute == attribute),
            'faces': len(correct),
            'accuracy': round(float(correct.mean()), 4),
        }
    return calibrations, figures


def _logits(network: keras.Model, recipe: Recipe, faces: Any) -> dict[str, Any]:
    """Return the logits for faces in [-1, 1], with `flip_tta` averaged over both mirror images."""
    if not recipe.flip_tta:
        return network(faces, training=False)
    # One batch of both is faster than two calls.
    both = network(tf.concat([faces, tf.reverse(faces, [2])], 0), training=False)
    return {name: tf.add_n(tf.split(logits, 2)) / 2 for name, logits in both.items()}


def _predict(
    network: keras.Model, recipe: Recipe, datasets: Sequence[FaceDataset], attribute: str
) -> list[LabeledLogits]:
    """Return logits and labels of at most `MAX_FACES` faces of each data set of an attribute."""
    shape = (None, recipe.size, recipe.size, recipe.channels)

    # Compiled, since there may be 100,000 faces.
    @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8)])
    def logits_of(crops: tf.Tensor) -> tf.Tensor:
        return _logits(network, recipe, scale_faces(crops))[attribute]

    predictions = []
    for dataset in datasets:
        if dataset.attribute != attribute:
            continue
        step = -(-len(dataset) // MAX_FACES)
        faces = dataset.select(np.arange(len(dataset)) % step == 0)
        crops = faces.crops(recipe.input_spec)
        batches = [
            logits_of(batch).numpy()
            for batch in progress(np.split(crops, range(BATCH, len(crops), BATCH)), 'batch')
        ]
        predictions.append((np.concatenate(batches), faces.y_true))
    return predictions
