"""Compare a network with 8-bit integers to the original: latency, accuracy, file size.

    python benchmarks/int8.py emotion --data fer2013
    python benchmarks/int8.py gender --data utkface --model gender_mini_xception

The convolutions of a model file are quantized by ONNX Runtime, with ranges calibrated on faces of
the training split. Both files are evaluated on the validation split, and timed alternately for one
face and for five, on one thread. Needs `pip install '.[train]'` and an idle machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
import statistics
import sys
import tempfile
import time

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    quant_pre_process,
    QuantFormat,
    quantize_static,
    QuantType,
)

from face_classification_ros.classification.classifier import Classifier, INPUT
from face_classification_ros.commands.common import exit_code
from face_classification_ros.datasets.registry import read_dataset
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.progress import progress

FACES = (1, 5)
BATCH = 64
CALIBRATION_BATCHES = 16
WARM_UP = 10


class CalibrationFaces(CalibrationDataReader):
    """Batches of faces to calibrate the ranges of the maps."""

    def __init__(self, crops: NDArray[np.uint8]) -> None:
        """Set the crops, uint8 N x H x W x C, of which every n-th is used."""
        chosen = crops[:: max(1, len(crops) // (BATCH * CALIBRATION_BATCHES))]
        self._batches: Iterator[NDArray[np.uint8]] = iter(
            np.split(chosen, range(BATCH, len(chosen), BATCH))
        )

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """Return the next batch; None after the last one."""
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def quantized(model: Path, crops: NDArray[np.uint8], folder: Path) -> Path:
    """Write a model file with 8-bit convolutions and return its path."""
    prepared, path = folder / 'prepared.onnx', folder / model.name
    quant_pre_process(model, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        path,
        CalibrationFaces(crops),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=['Conv'],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )
    return path


def milliseconds(classifier: Classifier, crops: NDArray[np.uint8]) -> float:
    """Return the time of one call."""
    start = time.perf_counter()
    classifier.classify(crops)
    return 1e3 * (time.perf_counter() - start)


def main() -> None:
    """Print accuracy, latency and file size of both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('attribute', help='an attribute of the data set')
    parser.add_argument('--data', type=Path, required=True, help='a data set, as for `train`')
    parser.add_argument('--model', help='a shipped model or a model file (default: mini-Xception)')
    parser.add_argument('--rounds', type=int, default=500, help='calls of each (default: 500)')
    options = parser.parse_args()
    attribute = options.attribute
    model = Path(model_path(options.model or f'{attribute}_mini_xception'))
    training, validation = (
        read_dataset(attribute, options.data, split) for split in ('train', 'val')
    )
    original = Classifier(model)
    with tempfile.TemporaryDirectory() as name:
        path = quantized(model, training.crops(original.input_spec), Path(name))
        sizes = [each.stat().st_size for each in (model, path)]
        classifiers = {'float32': original, 'int8': Classifier(path)}
    crops = validation.crops(original.input_spec)
    times: dict[tuple[str, int], list[float]] = {}
    for number in progress(range(options.rounds + WARM_UP), 'round'):
        for kind, classifier in classifiers.items():
            for faces in FACES:
                elapsed = milliseconds(classifier, crops[number : number + faces])
                if number >= WARM_UP:
                    times.setdefault((kind, faces), []).append(elapsed)
    for (kind, classifier), size in zip(classifiers.items(), sizes, strict=True):
        y_pred = [
            classifier.classify(batch)[attribute].argmax(axis=1)
            for batch in np.split(crops, range(256, len(crops), 256))
        ]
        accuracy = np.mean(np.concatenate(y_pred) == validation.y_true)
        medians = ', '.join(
            f'{statistics.median(times[kind, faces]):.3f} ms for {faces}' for faces in FACES
        )
        print(f'{kind:>8}: {100 * accuracy:.1f} %, {medians}, {size / 1e6:.2f} MB')


if __name__ == '__main__':
    sys.exit(exit_code(main, Path(__file__).name))
