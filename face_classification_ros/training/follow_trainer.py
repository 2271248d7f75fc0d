"""Train the head by which a classifier follows faces, and add it to the model file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
import onnx
from onnxruntime import InferenceSession

from face_classification_ros.classification.classifier import Classifier, INPUT, MOVEMENT
from face_classification_ros.classification.crops import crop_faces
from face_classification_ros.datasets.face_scenes import read_face_scenes
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.inference.session import load_network
from face_classification_ros.training.checkpoint import (
    check_weights,
    LOG,
    one_cycle,
    record_run,
    run_of,
    StopIfDiverged,
)
from face_classification_ros.training.follow_export import (
    Head,
    MAPS,
    with_head,
    with_maps,
    without_head,
)
from face_classification_ros.training.follow_recipe import FollowRecipe
from face_classification_ros.training.follow_samples import follow_samples
from face_classification_ros.training.model_file import check_equal, write_model
from face_classification_ros.types import BoundingBox, Image

HUBER = 0.2
"""Movement, as a share of its limit, from which the loss grows linearly."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class _Maps:
    """The feature maps of a classifier, see `Features`.

    Attributes:
        classifier: whose crops are used.
        session: its network with the output `MAPS`.
    """

    classifier: Classifier
    session: InferenceSession

    def __call__(self, image: Image, boxes: Sequence[BoundingBox]) -> Array:
        return self.of(crop_faces(image, boxes, self.classifier.input_spec))

    def of(self, crops: NDArray[np.uint8]) -> Array:
        """Return the maps of crops, N x maps x height x width."""
        maps: Array = self.session.run([MAPS], {INPUT: crops})[0]
        return maps


def train_follower(recipe: FollowRecipe, folder: Path, output: Path) -> Path:
    """Train a head on the maps of a classifier, and write its model file with one more output.

    Writes `run.json`, `log.csv` (one row per epoch) and the model file, which has the name of the
    classifier's, into the output folder. All other outputs of the file remain the same.

    Args:
        recipe: how to train.
        folder: scenes in the layout of `read_face_scenes`.
        output: folder for the results, created if necessary.

    Returns:
        Path of the model file.

    Raises:
        FileNotFoundError: the data or the model is missing.
        FloatingPointError: the training has diverged.
        ValueError: the output folder contains the model file already, or is that of the
            classifier; the model file is not a classifier or has no such maps; or the data cannot
            be read.
    """
    source = Path(model_path(recipe.model))
    path = output / source.name
    if path.exists():
        raise ValueError(f'{path} already exists; choose another folder')
    classifier = Classifier(source)
    model = without_head(onnx.load(source))
    plain = with_maps(model, recipe.maps, are_mirrored=_are_mirrored(model, recipe, classifier))
    maps = _Maps(classifier, load_network(plain.SerializeToString()))
    training, validation = (
        follow_samples(read_face_scenes(folder, split), recipe, maps, recipe.seed + number)
        for number, split in enumerate(('train', 'val'))
    )
    record_run(output, run_of(recipe))
    network = _fit(recipe, *training, output)
    limits = _limits(recipe)
    head = _head_of(network, limits)
    result = with_head(plain, head)
    predicted = _values(network, limits, validation[0])
    properties = classifier.properties | {
        'follow_threshold': str(recipe.threshold),
        'follow_parameters': str(head.parameters),
        # The file is given to others and must not reveal folders of this machine.
        'follow_recipe': recipe.model_copy(update={'model': source.name}).model_dump_json(),
        'follow_figures': json.dumps(_figures(predicted, validation[1], recipe.threshold)),
    }
    del result.metadata_props[:]
    onnx.helper.set_model_props(result, properties)
    onnx.checker.check_model(result, full_check=True)
    crops = _noise(classifier, 8)
    check_equal(result, {INPUT: crops}, {MOVEMENT: _values(network, limits, maps.of(crops))})
    write_model(result, path)
    return path


def _are_mirrored(model: onnx.ModelProto, recipe: FollowRecipe, classifier: Classifier) -> bool:
    """Return whether the second half of the maps is that of the mirror images of the faces."""
    probe = with_maps(model, recipe.maps, are_mirrored=False)
    maps = _Maps(classifier, load_network(probe.SerializeToString())).of(_noise(classifier, 2))
    if maps.ndim != 4 or len(maps) not in (2, 4):
        raise ValueError(f'maps: {recipe.maps!r} are of shape {maps.shape} for two faces')
    return len(maps) == 4


def _noise(classifier: Classifier, count: int) -> NDArray[np.uint8]:
    spec = classifier.input_spec
    shape = (count, spec.size, spec.size, spec.channels)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _fit(recipe: FollowRecipe, inputs: Array, targets: Array, output: Path) -> keras.Model:
    """Return a trained network from maps to what the head predicts.

    Its values are movement and logarithm of the scale as shares of the limits of the recipe, and a
    logit.
    """
    keras.utils.set_random_seed(recipe.seed)
    normalization = keras.layers.Normalization(axis=1, name='normalization')
    normalization.adapt(inputs)
    network = keras.Sequential(
        [
            keras.Input(inputs.shape[1:]),
            normalization,
            # TensorFlow convolves maps that are last on a CPU.
            keras.layers.Permute((2, 3, 1)),
            keras.layers.Conv2D(recipe.channels, 1, name='few'),
            # The order of the values in ONNX, where maps are first.
            keras.layers.Permute((3, 1, 2)),
            keras.layers.Flatten(),
            keras.layers.Dense(recipe.units, activation='relu', name='hidden'),
            keras.layers.Dense(4, name='last'),
        ],
        name=MOVEMENT,
    )
    steps = recipe.epochs * -(-len(inputs) // recipe.batch_size)

    def loss(y_true: Any, y_pred: Any) -> Any:
        is_face = y_true[:, 3]
        huber = keras.losses.huber(y_true[:, :3], y_pred[:, :3], delta=HUBER)
        entropy = keras.ops.binary_crossentropy(is_face, y_pred[:, 3], from_logits=True)
        return keras.ops.mean(3 / HUBER * is_face * huber + recipe.face_weight * entropy)

    network.compile(
        keras.optimizers.AdamW(
            one_cycle(recipe.learning_rate, steps), weight_decay=recipe.weight_decay
        ),
        loss,
    )
    network.fit(
        inputs,
        targets / _limits(recipe),
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        verbose=2,
        callbacks=[StopIfDiverged(), keras.callbacks.CSVLogger(output / LOG)],
    )
    check_weights(network)
    return network


def _limits(recipe: FollowRecipe) -> Array:
    return np.array((recipe.shift, recipe.shift, np.log(recipe.scale), 1.0), np.float32)


def _head_of(network: keras.Model, limits: Array) -> Head:
    """Return the weights of a network, with normalization and limits as part of its layers."""
    normalization = network.get_layer('normalization')
    mean = np.asarray(normalization.mean).ravel()
    deviation = np.maximum(np.sqrt(np.asarray(normalization.variance).ravel()), 1e-7)
    kernel, bias = network.get_layer('few').get_weights()
    kernel = kernel[0, 0].T / deviation
    hidden, last = (network.get_layer(name).get_weights() for name in ('hidden', 'last'))
    return Head(
        *(
            np.ascontiguousarray(each, np.float32)
            for each in (kernel, bias - kernel @ mean, *hidden, *(each * limits for each in last))
        )
    )


def _values(network: keras.Model, limits: Array, maps: Array) -> Array:
    """Return what the output `movement` should be."""
    values: Array = network.predict(maps, batch_size=1024, verbose=0) * limits
    values[:, 3] = 1 / (1 + np.exp(-values[:, 3]))
    return values


def _figures(predicted: Array, targets: Array, threshold: float) -> dict[str, Any]:
    """Return figures of validation boxes: mean distances and what is taken for a face."""
    is_face = targets[:, 3] == 1
    before = abs(targets[is_face, :3]).mean(axis=0)
    after = abs(predicted[is_face] - targets[is_face])[:, :3].mean(axis=0)
    is_kept = predicted[:, 3] >= threshold
    return {
        'boxes': len(targets),
        'distance_before': before.round(4).tolist(),
        'distance_after': after.round(4).tolist(),
        'faces_kept': round(float(is_kept[is_face].mean()), 4),
        'others_kept': round(float(is_kept[~is_face].mean()), 4),
    }
