"""Tell how far each stage of the pipeline is from what the processor could do at best.

    python benchmarks/limits.py --yunet face_detection_yunet.onnx

The limit of a stage is what it has to compute and to move: multiply-adds at the rate of a large
matrix product, bytes that are read or written at the rate of a plain copy. Both rates are measured
beside the stages, on one thread, and all take turns.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
import math
from pathlib import Path
import statistics
import sys
import time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
import onnx
import onnxruntime
from std_msgs.msg import Header

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.classification.crops import crop_faces
from face_classification_ros.detection import create_detector
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.io.sample import crowd
from face_classification_ros.pipeline import FacePipeline, THRESHOLDS
from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.visualization.annotation import draw_faces

SIZE = (640, 480)
SCALED = (320, 240)
"""Of the picture in which faces are searched."""

MATRIX = 512
COPY = 8_000_000
"""Sides of the matrices and bytes of the copy by which the rates are measured."""

PRODUCT, MOVE = 'product', 'copy'


@dataclass(frozen=True)
class Stage:
    """What is timed, and what it cannot do without.

    Attributes:
        call: runs it once.
        multiply_adds: of it.
        translated: bytes that it reads and writes.
    """

    call: Callable[[], object]
    multiply_adds: int = 0
    translated: float = 0


def multiply_adds(path: Path, picture: NDArray[Any]) -> int:
    """Count those of the convolutions of a model file for an input."""
    model = onnx.load(path)
    convolutions = [node for node in model.graph.node if node.op_type == 'Conv']
    # How large the maps are is known once it runs.
    names = [node.output[0] for node in convolutions]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    maps = session.run(names, {session.get_inputs()[0].name: picture})
    kernels = {each.name: math.prod(each.dims[1:]) for each in model.graph.initializer}
    return sum(
        each.size * kernels[node.input[1]] for node, each in zip(convolutions, maps, strict=True)
    )


def matrix_product() -> Callable[[], object]:
    """Give what multiplies two matrices by the library that runs the networks, on one thread."""
    kind = onnx.TensorProto.FLOAT
    values = {
        each: onnx.helper.make_tensor_value_info(each, kind, [MATRIX, MATRIX]) for each in 'abc'
    }
    node = onnx.helper.make_node('MatMul', ['a', 'b'], ['c'])
    graph = onnx.helper.make_graph([node], 'product', [values['a'], values['b']], [values['c']])
    opset = onnx.helper.make_opsetid('', 13)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    matrix = np.ones((MATRIX, MATRIX), np.float32)
    return lambda: session.run(['c'], {'a': matrix, 'b': matrix})


def stages(faces: int, yunet: Path | None) -> dict[str, Stage]:
    """Give the stages for a picture, with the input that those before them give."""
    picture = crowd(faces, *SIZE)
    # YuNet's sides are multiples of 32.
    scaled = np.zeros((1, 3, *(-(-side // 32) * 32 for side in SCALED[::-1])), np.float32)
    classifiers = [
        Classifier(model_path(f'{each}_mini_xception')) for each in ('gender', 'emotion')
    ]
    finder = create_detector('libfacedetection', width=SCALED[0])
    named = {attribute: each for each in classifiers for attribute in each.labels}
    found = FacePipeline(finder, named, None, THRESHOLDS).process(picture)
    boxes = [face.detection.box for face in found]
    crops = {each: crop_faces(picture, boxes, each.input_spec) for each in classifiers}
    product = matrix_product()
    source, target = np.ones((2, COPY), np.uint8)
    search = picture.nbytes + 3 * math.prod(SCALED)
    detectors = {'detect, libfacedetection': Stage(lambda: finder.detect(picture))}
    if yunet is not None:
        other = create_detector('yunet', model=str(yunet), width=SCALED[0])
        sums = multiply_adds(yunet, scaled)
        detectors['detect, yunet'] = Stage(lambda: other.detect(picture), sums, search)
    return {
        PRODUCT: Stage(product, MATRIX**3),
        MOVE: Stage(lambda: np.copyto(target, source), translated=2 * COPY),
        **detectors,
        'crop': Stage(
            lambda: [crop_faces(picture, boxes, each.input_spec) for each in classifiers],
            translated=sum(3 * box.area for box in boxes) * len(classifiers)
            + sum(each.nbytes for each in crops.values()),
        ),
        'classify': Stage(
            lambda: [each.classify(crop) for each, crop in crops.items()],
            sum(multiply_adds(each.path, crop) for each, crop in crops.items()),
        ),
        'draw': Stage(lambda: draw_faces(picture, found), translated=2 * picture.nbytes),
        'picture to message': Stage(
            lambda: image_to_message(picture, Header()), translated=2 * picture.nbytes
        ),
    }


def main() -> int:
    """Print a table for one face and for five."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--yunet', type=Path, metavar='FILE', help='a model of YuNet')
    parser.add_argument('--rounds', type=int, default=100)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print('| faces | stage | ms | limit, ms | times the limit |\n| --- | --- | --- | --- | --- |')
    for faces in (1, 5):
        contestants = stages(faces, options.yunet)
        times: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(options.rounds):
            for name, stage in contestants.items():
                begin = time.perf_counter()
                stage.call()
                times[name].append(1000 * (time.perf_counter() - begin))
        medians = {name: statistics.median(each) for name, each in times.items()}
        multiply_add = medians[PRODUCT] / contestants[PRODUCT].multiply_adds
        byte = medians[MOVE] / contestants[MOVE].translated
        for name, stage in contestants.items():
            if name in (PRODUCT, MOVE):
                continue
            limit = stage.multiply_adds * multiply_add + stage.translated * byte
            told = f'{limit:.2f} | {medians[name] / limit:.1f}' if limit else 'not known | '
            print(f'| {faces} | {name} | {medians[name]:.2f} | {told} |')
        rates = f'{1e-6 / multiply_add:.1f} billion multiply-adds, {1e-6 / byte:.1f} GB a second'
        print(f'| {faces} | rates: {rates} | | | |')
    return 0


if __name__ == '__main__':
    sys.exit(main())
