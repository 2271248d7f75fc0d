"""Behavior specific to `yunet`: decoding, free and fixed input sizes, and other model files."""

import os
from pathlib import Path

import cv2
from detection.detectors import create
import numpy as np
from numpy.typing import NDArray
import pytest

pytest.importorskip('onnx', reason='needs the extra [train]')

import onnx
import skimage.data

from face_classification_ros.detection.yunet import decode
from face_classification_ros.types import BoundingBox

ASTRONAUT = np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])
PARTS = {'cls': 1, 'obj': 1, 'bbox': 4, 'kps': 10}
STRIDES = (8, 16, 32)

Outputs = dict[str, NDArray[np.float32]]


def silent_outputs(height: int, width: int) -> Outputs:
    """Return the outputs of a network that finds no face in an image of that size."""
    return {
        f'{part}_{stride}': np.zeros((1, height // stride * (width // stride), size), np.float32)
        for part, size in PARTS.items()
        for stride in STRIDES
    }


def put_face(outputs: Outputs, stride: int, cell: int, score: tuple[float, float]) -> None:
    """Add a face of two by four cells around the center of a cell to the outputs."""
    outputs[f'cls_{stride}'][0, cell], outputs[f'obj_{stride}'][0, cell] = score
    outputs[f'bbox_{stride}'][0, cell] = 0.5, 0.5, np.log(2), np.log(4)
    outputs[f'kps_{stride}'][0, cell] = np.arange(10) / 10


def save_brightness_detector(path: Path, height: int | str, width: int | str) -> str:
    """Write a model with the inputs and outputs of YuNet that detects bright cells as faces."""
    nodes, constants = [], []
    for part, size in PARTS.items():
        for stride in STRIDES:
            name = f'{part}_{stride}'
            weight = np.zeros((size, 3, stride, stride), np.float32)
            bias = np.zeros(size, np.float32)
            if stride == 32 and part in ('cls', 'obj'):
                weight += 1 / (255 * weight.size)
            if part == 'bbox':
                bias[:] = 0.5, 0.5, np.log(2), np.log(4)
            constants += [
                onnx.numpy_helper.from_array(weight, f'{name}_weight'),
                onnx.numpy_helper.from_array(bias, f'{name}_bias'),
                onnx.numpy_helper.from_array(np.array([1, -1, size]), f'{name}_shape'),
            ]
            nodes += [
                onnx.helper.make_node(
                    'Conv',
                    ['input', f'{name}_weight', f'{name}_bias'],
                    [f'{name}_maps'],
                    strides=[stride, stride],
                ),
                onnx.helper.make_node(
                    'Transpose', [f'{name}_maps'], [f'{name}_cells'], perm=[0, 2, 3, 1]
                ),
                onnx.helper.make_node('Reshape', [f'{name}_cells', f'{name}_shape'], [name]),
            ]
    return save_model(
        path,
        nodes,
        [1, 3, height, width],
        [f'{part}_{stride}' for part in PARTS for stride in STRIDES],
        constants,
    )


def save_model(path: Path, nodes: list, shape: list, outputs: list, constants: list) -> str:
    """Write an ONNX file."""
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        'test',
        [value('input', onnx.TensorProto.FLOAT, shape)],
        [value(name, onnx.TensorProto.FLOAT, None) for name in outputs],
        constants,
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid('', 13)], ir_version=8
    )
    onnx.save(model, path)
    return str(path)


@pytest.mark.parametrize('stride', STRIDES)
def test_cell_becomes_a_face_in_pixels(stride: int) -> None:
    """Box and landmarks are in pixels; the score is the square root of the product."""
    outputs = silent_outputs(64, 96)
    column, row = 2, 1
    put_face(outputs, stride, row * (96 // stride) + column, (0.9, 0.4))
    (face,) = decode(outputs, 96, 0.5)
    box = face.box
    assert np.allclose((box.x, box.y), ((column - 0.5) * stride, (row - 1.5) * stride))
    assert np.allclose((box.width, box.height), (2 * stride, 4 * stride))
    points = np.arange(10).reshape(5, 2) / 10 + (column, row)
    assert np.allclose(face.landmarks, points * stride)
    assert face.confidence == pytest.approx(0.6)


def test_of_overlapping_faces_the_best_is_kept() -> None:
    """A face found by neighboring cells is returned once, with the better score."""
    outputs = silent_outputs(64, 96)
    put_face(outputs, 8, 40, (0.8, 0.8))
    put_face(outputs, 8, 41, (0.9, 0.9))
    put_face(outputs, 8, 46, (0.7, 0.7))
    assert [round(face.confidence, 2) for face in decode(outputs, 96, 0.6)] == [0.9, 0.7]


def test_cell_below_the_threshold_is_dropped() -> None:
    """A score equal to the threshold is enough."""
    outputs = silent_outputs(64, 96)
    put_face(outputs, 16, 7, (0.25, 1.0))
    assert len(decode(outputs, 96, 0.5)) == 1
    assert decode(outputs, 96, 0.51) == []


def test_score_is_clipped_to_0_and_1() -> None:
    """Some exports have scores slightly above 1 or below 0 by rounding."""
    outputs = silent_outputs(64, 96)
    put_face(outputs, 16, 7, (1.5, 1.0))
    put_face(outputs, 16, 20, (-0.1, 1.0))
    (face,) = decode(outputs, 96, 0.5)
    assert face.confidence == 1


@pytest.mark.parametrize(
    'size', [('height', 'width'), (160, 256), (320, 320)], ids=['free', 'fixed', 'square']
)
@pytest.mark.parametrize('shape', [(128, 160), (100, 130), (131, 99)])
def test_image_is_padded_to_the_input_size(
    tmp_path: Path, size: tuple[int | str, int | str], shape: tuple[int, int]
) -> None:
    """A bright cell is found at its place, regardless of the sizes of input and image."""
    detector = create('yunet', detector_model=save_brightness_detector(tmp_path / 'a.onnx', *size))
    image = np.zeros((*shape, 3), np.uint8)
    image[32:64, 64:96] = 255
    (face,) = detector.detect(image)
    assert face.box.iou(BoundingBox(80 - 32, 48 - 64, 64, 128)) > 0.99
    assert face.confidence == pytest.approx(1)


def test_image_larger_than_a_fixed_input_is_downscaled(tmp_path: Path) -> None:
    """The shorter side of a fixed input is the maximum longer side of the image."""
    model = save_brightness_detector(tmp_path / 'a.onnx', 160, 256)
    image = np.zeros((320, 240, 3), np.uint8)
    image[64:128, 128:192] = 255
    (face,) = create('yunet', detector_model=model, detection_size=640).detect(image)
    assert face.box.iou(BoundingBox(160 - 64, 96 - 128, 128, 256)) > 0.99


def test_padding_stays_black_from_one_image_to_the_next(tmp_path: Path) -> None:
    """A bright image leaves no pixels in the padding of the next one."""
    model = save_brightness_detector(tmp_path / 'a.onnx', 'height', 'width')
    detector = create('yunet', detector_model=model)
    assert detector.detect(np.full((64, 64, 3), 255, np.uint8))
    assert detector.detect(np.full((40, 40, 3), 255, np.uint8))
    assert detector.detect(np.zeros((64, 64, 3), np.uint8)) == []


def test_missing_model_is_reported(tmp_path: Path) -> None:
    """Without a path, or if the file does not exist, the error says what is required."""
    with pytest.raises(ValueError, match=r'needs the path of an ONNX file'):
        create('yunet')
    with pytest.raises(FileNotFoundError, match=r'faces.onnx: no such file'):
        create('yunet', detector_model=str(tmp_path / 'faces.onnx'))


@pytest.mark.parametrize('content', [b'', b'no protobuf'], ids=['empty', 'text'])
def test_file_that_is_not_onnx_is_rejected(tmp_path: Path, content: bytes) -> None:
    """The error has the path, in one line."""
    path = tmp_path / 'faces.onnx'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'faces.onnx is not a usable ONNX file') as caught:
        create('yunet', detector_model=str(path))
    assert '\n' not in str(caught.value)


def test_other_onnx_model_is_rejected(tmp_path: Path) -> None:
    """The error has the path and the outputs of the model."""
    node = onnx.helper.make_node('Relu', ['input'], ['probabilities'])
    path = save_model(tmp_path / 'emotion.onnx', [node], [1, 3, 64, 64], ['probabilities'], [])
    with pytest.raises(ValueError, match=r'emotion.onnx: expected a YuNet.*has probabilities'):
        create('yunet', detector_model=path)


@pytest.mark.skipif(
    'YUNET_MODEL' not in os.environ, reason='YUNET_MODEL does not name a YuNet ONNX file'
)
@pytest.mark.parametrize('shape', [(512, 512), (480, 640), (239, 317)])
def test_faces_are_those_of_opencv(shape: tuple[int, int]) -> None:
    """Boxes, landmarks and scores equal those of OpenCV with the same model."""
    model = os.environ['YUNET_MODEL']
    image = cv2.resize(ASTRONAUT, shape[::-1]).astype(np.uint8)
    try:
        reference = cv2.FaceDetectorYN.create(model, '', shape[::-1], 0.6, 0.3)
        _, (row,) = reference.detect(image)
    except (AttributeError, cv2.error) as error:
        pytest.skip(f'OpenCV {cv2.__version__} does not run this model: {error}')
    (face,) = create('yunet', detector_model=model, detection_size=640).detect(image)
    box = face.box
    assert np.allclose((box.x, box.y, box.width, box.height), row[:4], atol=0.05)
    assert np.allclose(np.ravel(face.landmarks), row[4:14], atol=0.05)
    assert face.confidence == pytest.approx(row[14], abs=1e-3)
