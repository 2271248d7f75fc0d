"""Write a trained network as a model file: one ONNX file with all that is needed to run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
import onnx
import tensorflow as tf

from face_classification_ros.datasets.registry import FaceDataset, LABELS
from face_classification_ros.inference.session import load_network
from face_classification_ros.networks.onnx_export import convert_to_onnx, scale_faces
from face_classification_ros.training.calibration import fit_calibration
from face_classification_ros.training.recipe import Recipe

BATCH = 256
LICENSE = 'Apache-2.0'
TOLERANCE = 1e-4
"""Largest difference of a probability between Keras and the model file."""


def export_classifier(
    network: keras.Model,
    recipe: Recipe,
    training: Sequence[FaceDataset],
    validation: Sequence[FaceDataset],
    path: Path,
) -> None:
    """Write a network with its scaling, calibration and labels as one ONNX file.

    The file's input is `faces`, uint8 N x H x W x C straight from the crop; its outputs are named
    after the attributes, float32 N x labels, rows of sum 1, calibrated as `fit_calibration` says.

    Args:
        network: from faces in [-1, 1] to attribute -> logits.
        recipe: what it was trained by.
        training: faces that it was trained on.
        validation: faces for the temperature and the figures in the file.
        path: where to write.

    Raises:
        RuntimeError: the file's answers differ from the network's.
    """
    calibrations, figures = {}, {}
    for attribute in recipe.attributes:
        logits, y_true = _answers(network, recipe, validation, attribute)
        calibration = fit_calibration(
            *_answers(network, recipe, training, attribute), logits, y_true
        )
        right = (logits + calibration.offsets).argmax(axis=1) == y_true
        calibrations[attribute] = calibration
        figures[attribute] = {
            'data': ', '.join(each.name for each in validation if each.attribute == attribute),
            'faces': len(y_true),
            'accuracy': round(float(right.mean()), 4),
        }

    def answer(faces: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = _answer(network, recipe, faces)
        return {
            attribute: tf.nn.softmax((logits[attribute] + each.offsets) / each.temperature)
            for attribute, each in calibrations.items()
        }

    face_shape = (recipe.side, recipe.side, recipe.channels)
    model = convert_to_onnx(answer, face_shape)
    onnx.helper.set_model_props(
        model,
        {
            'labels': json.dumps({each: LABELS[each] for each in recipe.attributes}),
            'color': recipe.color,
            'margin': str(recipe.margin),
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
    session = load_network(model.SerializeToString())
    difference = max(
        np.abs(session.run([attribute], {'faces': faces})[0] - answers.numpy()).max()
        for attribute, answers in answer(scale_faces(faces)).items()
    )
    if difference > TOLERANCE:
        raise RuntimeError(
            f'the model file differs from the network by {difference:.1e}, more than {TOLERANCE}'
        )
    onnx.save(model, path)


def _answer(network: keras.Model, recipe: Recipe, faces: Any) -> dict[str, Any]:
    """Give the logits for faces in [-1, 1], averaged with their mirror images' if asked."""
    if not recipe.flip_tta:
        return network(faces, training=False)
    # One batch of both is faster than two calls.
    both = network(tf.concat([faces, tf.reverse(faces, [2])], 0), training=False)
    return {name: tf.add_n(tf.split(logits, 2)) / 2 for name, logits in both.items()}


def _answers(
    network: keras.Model, recipe: Recipe, datasets: Sequence[FaceDataset], attribute: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Give the logits of all faces whose attribute is known, N x labels, and the truth, N."""
    chosen = [each for each in datasets if each.attribute == attribute]
    crops = np.concatenate([each.crops(recipe.input_spec) for each in chosen])
    batches = [
        _answer(network, recipe, scale_faces(batch))[attribute].numpy()
        for batch in np.split(crops, range(BATCH, len(crops), BATCH))
    ]
    return np.concatenate(batches), np.concatenate([each.y_true for each in chosen])
