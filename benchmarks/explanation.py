"""Compare the time of an explanation, in ONNX and in TensorFlow, with that of a prediction.

One face goes through one network in one thread. The contestants take turns, so that a temporary
slowdown of the machine affects all of them. Needs `pip install '.[train]'`; nothing else should
run at the same time.

    python benchmarks/explanation.py --json explanation.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import json
from pathlib import Path
import tempfile
import time
from typing import Any

import keras
import numpy as np
import onnx
import tensorflow as tf

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.datasets.registry import LABELS
from face_classification_ros.explanation.explainer import Explainer
from face_classification_ros.explanation.panels import explain_faces
from face_classification_ros.networks.builder import build_network
from face_classification_ros.networks.description import read_network
from face_classification_ros.networks.onnx_export import convert_to_onnx, scale_faces
from face_classification_ros.progress import progress

SIZE = 48
WARM_UP = 5


def main() -> None:
    """Print the medians for each network, and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=200, help='calls of each (200)')
    parser.add_argument('--json', type=Path, metavar='FILE')
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    results = {
        name: measure(name, arguments.rounds) for name in ('mini_xception', 'sequential_fully_cnn')
    }
    for name, medians in results.items():
        print(name)
        for contestant, milliseconds in medians.items():
            ratio = milliseconds / medians['prediction']
            print(f'{contestant:>40} {milliseconds:8.3f} ms {ratio:7.1f} x')
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


def measure(name: str, rounds: int) -> dict[str, float]:
    """Return contestant -> median milliseconds for one face, and the explainer's load time."""
    keras.utils.set_random_seed(0)
    network = build_network(read_network(name), (SIZE, SIZE, 1), {'emotion': 7})
    face = np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 1)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        classifier = Classifier(write_model(network, Path(folder) / f'{name}.onnx'))
        start = time.perf_counter()
        guided = Explainer(classifier, 'emotion')
        loading = 1e3 * (time.perf_counter() - start)
        others = [Explainer(classifier, 'emotion', method=m) for m in ('gradient', 'grad_cam')]
    prediction = classifier.classify(face)['emotion']
    by_tensorflow = guided_by_tensorflow(network)
    contestants: dict[str, Callable[[], Any]] = {
        'prediction': lambda: classifier.classify(face),
        'guided back-propagation': lambda: guided.explain_unit(face),
        'gradient of a label': lambda: others[0].explain_label(face, [0]),
        'Grad-CAM': lambda: others[1].explain_label(face, [0]),
        'whole panel': lambda: explain_faces(face, LABELS['emotion'], prediction, guided),
        'guided, TensorFlow graph': lambda: by_tensorflow(tf.constant(face)),
    }
    times: dict[str, list[float]] = {each: [] for each in contestants}
    for number in progress(range(WARM_UP + rounds), 'round', task=name):
        for each, run in contestants.items():
            start = time.perf_counter()
            run()
            if number >= WARM_UP:
                times[each].append(1e3 * (time.perf_counter() - start))
    medians = {each: float(np.median(values)) for each, values in times.items()}
    return {**medians, 'loading the explainer, once': loading}


def write_model(network: keras.Model, path: Path) -> Path:
    """Write a network as a model file, as training does at its end."""
    model = convert_to_onnx(
        lambda faces: {'emotion': tf.nn.softmax(network(faces)['emotion'])}, (SIZE, SIZE, 1)
    )
    onnx.helper.set_model_props(
        model,
        {'labels': json.dumps({'emotion': LABELS['emotion']}), 'color': 'gray', 'margin': '0'},
    )
    onnx.save(model, path)
    return path


def guided_by_tensorflow(network: keras.Model) -> Callable[[Any], Any]:
    """Return guided back-propagation from the most active unit of the last convolution."""

    @tf.custom_gradient
    def guided_relu(values: Any) -> tuple[Any, Callable[[Any], Any]]:
        active = tf.nn.relu(values)
        return active, lambda gradient: tf.where(active > 0, tf.nn.relu(gradient), 0.0)

    def layer_of(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.layers.ReLU):
            return keras.layers.Lambda(guided_relu, name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    copy = keras.models.clone_model(network, clone_function=layer_of)
    copy.set_weights(network.get_weights())
    maps_of = keras.Model(copy.inputs, copy.get_layer('emotion.maps').output)

    @tf.function
    def explain(faces: Any) -> Any:
        scaled = scale_faces(faces)
        with tf.GradientTape() as tape:
            tape.watch(scaled)
            best = tf.reduce_max(maps_of(scaled, training=False))
        return tape.gradient(best, scaled)

    return explain


if __name__ == '__main__':
    main()
