"""Compare each stage of the pipeline with the lower bound of its time on this processor.

    python benchmarks/limits.py --yunet face_detection_yunet.onnx

The bound of a stage is the time for its computations and memory traffic: multiply-adds at the rate
of a large matrix product, bytes at the rate of a plain copy. Both rates are measured together with
the stages, alternately, on one thread.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
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
from face_classification_ros.config import PipelineConfig
from face_classification_ros.detection import create_detector
from face_classification_ros.inference.model_zoo import model_path, SHIPPED_DETECTOR
from face_classification_ros.io.sample import crowd
from face_classification_ros.pipeline import create_pipeline
from face_classification_ros.progress import progress
from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.visualization.annotation import draw_faces

SIZE = (640, 480)
SCALED = (320, 240)
"""Width and height of the image in which faces are searched."""

MATRIX = 512
COPY = 8_000_000
"""Size of the matrices and bytes of the copy that measure the rates."""

PRODUCT, MOVE = 'product', 'copy'


@dataclass(frozen=True)
class Stage:
    """A stage and its minimum of computations and memory traffic.

    Attributes:
        call: runs it once.
        multiply_adds: number of its multiply-adds.
        traffic: bytes that it reads and writes.
    """

    call: Callable[[], object]
    multiply_adds: int = 0
    traffic: float = 0


def multiply_adds(path: Path, batch: NDArray[Any]) -> int:
    """Return the multiply-adds of the convolutions of a model file for an input."""
    model = onnx.load(path)
    convolutions = [node for node in model.graph.node if node.op_type == 'Conv']
    # The size of the maps is known after a run.
    names = [node.output[0] for node in convolutions]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    maps = session.run(names, {session.get_inputs()[0].name: batch})
    kernels = {each.name: math.prod(each.dims[1:]) for each in model.graph.initializer}
    return sum(
        each.size * kernels[node.input[1]] for node, each in zip(convolutions, maps, strict=True)
    )


def matrix_product() -> Callable[[], object]:
    """Return a call that multiplies two matrices with ONNX Runtime, on one thread."""
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
    """Return the stages for an image, each with the output of the previous one as its input."""
    image = crowd(faces, *SIZE)
    # Width and height of the input of both detectors are multiples of 32.
    scaled = np.zeros((1, 3, *(-(-size // 32) * 32 for size in SCALED[::-1])), np.float32)
    models = ('gender_mini_xception', 'emotion_mini_xception')
    classifiers = [Classifier(model_path(model)) for model in models]
    config = PipelineConfig(
        detector='own', detection_size=SCALED[0], detection_interval=1, models=models
    )
    found = create_pipeline(config).process_still(image)
    boxes = [face.detection.box for face in found]
    crops = {each: crop_faces(image, boxes, each.input_spec) for each in classifiers}
    product = matrix_product()
    source, target = np.ones((2, COPY), np.uint8)
    search = image.nbytes + 3 * math.prod(SCALED)
    files = {'own': Path(model_path(SHIPPED_DETECTOR))} | ({'yunet': yunet} if yunet else {})
    library = create_detector(replace(config, detector='libfacedetection'))
    # How much it computes is unknown.
    detectors = {'detect, libfacedetection': Stage(partial(library.detect, image))}
    for name, path in files.items():
        detector = create_detector(replace(config, detector=name, detector_model=str(path)))
        detectors[f'detect, {name}'] = Stage(
            partial(detector.detect, image), multiply_adds(path, scaled), search
        )
    return {
        PRODUCT: Stage(product, MATRIX**3),
        MOVE: Stage(lambda: np.copyto(target, source), traffic=2 * COPY),
        **detectors,
        'crop': Stage(
            lambda: [crop_faces(image, boxes, each.input_spec) for each in classifiers],
            traffic=sum(3 * box.area for box in boxes) * len(classifiers)
            + sum(each.nbytes for each in crops.values()),
        ),
        'classify': Stage(
            lambda: [each.classify(crop) for each, crop in crops.items()],
            sum(multiply_adds(each.path, crop) for each, crop in crops.items()),
        ),
        'draw': Stage(lambda: draw_faces(image, found), traffic=2 * image.nbytes),
        'image to message': Stage(
            lambda: image_to_message(image, Header()), traffic=2 * image.nbytes
        ),
    }


def main() -> int:
    """Print a table for one face and for five."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--yunet', type=Path, metavar='FILE', help='model file of YuNet')
    parser.add_argument('--rounds', type=int, default=100)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print('| faces | stage | ms | bound, ms | times the bound |\n| --- | --- | --- | --- | --- |')
    for faces in (1, 5):
        contestants = stages(faces, options.yunet)
        times: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in progress(range(options.rounds), 'round', task=f'{faces} face(s)'):
            for name, stage in contestants.items():
                begin = time.perf_counter()
                stage.call()
                times[name].append(1000 * (time.perf_counter() - begin))
        medians = {name: statistics.median(each) for name, each in times.items()}
        multiply_add = medians[PRODUCT] / contestants[PRODUCT].multiply_adds
        byte = medians[MOVE] / contestants[MOVE].traffic
        for name, stage in contestants.items():
            if name in (PRODUCT, MOVE):
                continue
            bound = stage.multiply_adds * multiply_add + stage.traffic * byte
            ratio = f'{bound:.2f} | {medians[name] / bound:.1f}' if bound else 'unknown | '
            print(f'| {faces} | {name} | {medians[name]:.2f} | {ratio} |')
        rates = f'{1e-6 / multiply_add:.1f} billion multiply-adds, {1e-6 / byte:.1f} GB a second'
        print(f'| {faces} | rates: {rates} | | | |')
    return 0


if __name__ == '__main__':
    sys.exit(main())
