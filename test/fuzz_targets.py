"""The doors by which bytes from outside come in, each with samples that are good.

For property tests, and for `benchmarks/fuzz.py`, which tries them for hours.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
import functools
import json
from pathlib import Path
import sqlite3
import struct
import tempfile
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
from sensor_msgs.msg import CameraInfo, CompressedImage, RegionOfInterest
from sensor_msgs.msg import Image as ImageMessage
import yaml

from face_classification_ros import MAX_PIXELS
from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.detection.haar import Haar
from face_classification_ros.detection.yunet import YuNet
from face_classification_ros.evaluation.detection import evaluate_detector
from face_classification_ros.evaluation.results import (
    AttributeResult,
    FaceResult,
    FrameResultRecord,
)
from face_classification_ros.explanation.explainer import Explainer
from face_classification_ros.geometry.positions import DepthImage, Intrinsics, locate
from face_classification_ros.io.errors import UnreadableError
from face_classification_ros.io.images import read_image, write_image
from face_classification_ros.io.sources import IMAGE_SUFFIXES
from face_classification_ros.io.videos import read_video
from face_classification_ros.ros.conversions.depth import (
    depth_from_message,
    intrinsics_from_message,
)
from face_classification_ros.ros.conversions.images import (
    ENCODINGS,
    image_from_compressed,
    image_from_message,
    OWN,
)
from face_classification_ros.types import BoundingBox, Detection, Face, Image

LONGEST_LINE = 1000
"""Characters of the longest refusal: one line that a person reads."""

PICTURE: Image = np.dstack(
    [np.add.outer(np.arange(48) * 2, np.arange(64) + each).astype(np.uint8) for each in range(3)]
)
"""A small picture, 48 x 64 x 3."""


@dataclass(frozen=True)
class Door:
    """A way in.

    Attributes:
        enter: takes bytes, as a file's or a message's; refuses by one of `refusals`.
        samples: gives bytes that are let in.
        refusals: what is documented to be raised where they are not.
    """

    enter: Callable[[bytes], object]
    samples: Callable[[], list[bytes]]
    refusals: tuple[type[Exception], ...] = (ValueError,)

    def knock(self, data: bytes) -> bool:
        """Try bytes; tell whether they were let in.

        Raises:
            AssertionError: they were refused by more than one line.
            Exception: what is no documented refusal.
        """
        try:
            self.enter(data)
        except self.refusals as refusal:
            text = str(refusal)
            assert text and '\n' not in text and len(text) <= LONGEST_LINE, text
            return False
        return True


@functools.cache
def _folder() -> Path:
    # Kept to the end of the process, which removes it.
    folder = tempfile.TemporaryDirectory(prefix='doors_')
    _KEPT.append(folder)
    return Path(folder.name)


_KEPT: list[tempfile.TemporaryDirectory] = []


def _file(data: bytes, name: str) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


def _require_picture(image: Image) -> None:
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3, image.shape
    assert 0 < image.shape[0] * image.shape[1] <= MAX_PIXELS, image.shape


# Messages


def _encode(suffix: str, picture: Any = PICTURE) -> bytes:
    return cv2.imencode(suffix, picture)[1].tobytes()


def _enter_image(data: bytes) -> None:
    """Take the first bytes as the fields of a message and the others as its pixels."""
    fields = struct.Struct('<BBIII')
    encoding, is_big, height, width, step = fields.unpack_from(data.ljust(fields.size, b'\0'))
    message = ImageMessage(height=height, width=width, step=step, is_bigendian=is_big)
    message.encoding = ENCODINGS[encoding % len(ENCODINGS)]
    message.data.frombytes(data[fields.size :])
    image = image_from_message(message, OWN)
    assert image.shape == (height, width, 3) and image.dtype == np.uint8


def _image_samples() -> list[bytes]:
    return [
        struct.pack('<BBIII', number, 0, 12, 16, 16 * 4) + bytes(12 * 16 * 4)
        for number in range(len(ENCODINGS))
    ]


def _enter_compressed(data: bytes) -> None:
    message = CompressedImage(format='bgr8; jpeg compressed bgr8')
    message.data.frombytes(data)
    _require_picture(image_from_compressed(message))


def _compressed_samples() -> list[bytes]:
    return [_encode('.jpg'), _encode('.png'), _encode('.png', PICTURE.astype(np.uint16) * 257)]


_FACES = [
    Face(Detection(BoundingBox(x, 8, 12, 16), 0.9), '1', 0.0, None, None)
    for x in (-6.0, 24.5, 60.0)
]


def _enter_depth(data: bytes) -> None:
    """Take the first bytes as the fields of a message and the others as its distances."""
    fields = struct.Struct('<BBIII')
    encoding, is_big, height, width, step = fields.unpack_from(data.ljust(fields.size, b'\0'))
    message = ImageMessage(height=height, width=width, step=step, is_bigendian=is_big)
    message.encoding = ('16UC1', '32FC1', 'bgr8')[encoding % 3]
    message.data.frombytes(data[fields.size :])
    camera = Intrinsics(64, 48, 60, 60, 31.5, 23.5)
    _require_positions(locate(_FACES, depth_from_message(message), camera, 64, 48))


def _depth_samples() -> list[bytes]:
    distances = np.linspace(0.5, 3, 48 * 64).reshape(48, 64)
    return [
        struct.pack('<BBIII', 0, 0, 48, 64, 128) + (1000 * distances).astype('<u2').tobytes(),
        struct.pack('<BBIII', 1, 1, 48, 64, 256) + distances.astype('>f4').tobytes(),
    ]


_CALIBRATION = struct.Struct('<2I2H4I9d12d')
"""Size, binning, region of interest, K and P."""


def _enter_camera_info(data: bytes) -> None:
    height, width, x, y, left, top, roi_height, roi_width, *matrices = _CALIBRATION.unpack_from(
        data.ljust(_CALIBRATION.size, b'\0')
    )
    message = CameraInfo(height=height, width=width, binning_x=x, binning_y=y)
    message.roi = RegionOfInterest(x_offset=left, y_offset=top, height=roi_height, width=roi_width)
    message.k, message.p = matrices[:9], matrices[9:]
    depth = DepthImage(np.full((48, 64), 1.5, np.float32), 1.0)
    _require_positions(locate(_FACES, depth, intrinsics_from_message(message), 64, 48))


def _camera_info_samples() -> list[bytes]:
    k = (60, 0, 31.5, 0, 60, 23.5, 0, 0, 1)
    p = (60, 0, 31.5, 0, 0, 60, 23.5, 0, 0, 0, 1, 0)
    return [
        _CALIBRATION.pack(48, 64, 0, 0, 0, 0, 0, 0, *k, *p),
        _CALIBRATION.pack(96, 128, 2, 2, 0, 0, 0, 0, *k, *[0] * 12),
        _CALIBRATION.pack(480, 640, 1, 1, 10, 20, 48, 64, *k, *p),
    ]


def _require_positions(faces: list[Face]) -> None:
    assert len(faces) == len(_FACES)
    for face in faces:
        assert face.position is None or np.isfinite(face.position).all(), face.position


# Files


def _enter_picture(data: bytes) -> None:
    # OpenCV goes by the content, not by the name.
    _require_picture(read_image(_file(data, 'picture')))


def _picture_samples() -> list[bytes]:
    return [_encode(suffix) for suffix in sorted(IMAGE_SUFFIXES - {'.jpeg', '.tif'})]


def _enter_video(data: bytes) -> None:
    with read_video(_file(data, 'video')) as frames:
        assert 0 < frames.fps <= 1000
        for frame in frames.frames:
            _require_picture(frame.image)
            if frame.number == 20:
                return


def _video_samples() -> list[bytes]:
    samples = []
    for name, code in (('sample.avi', 'MJPG'), ('sample.mp4', 'mp4v')):
        path = _folder() / name
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 10, (64, 48))
        for number in range(4):
            writer.write(np.roll(PICTURE, 8 * number, 1))
        writer.release()
        samples.append(path.read_bytes())
    return samples


# Models


def brightness_model(**metadata: str) -> onnx.ModelProto:
    """Make a small model file that tells a woman by how bright the face is."""
    graph = helper.make_graph(
        [
            helper.make_node('Cast', ['faces'], ['values'], to=TensorProto.FLOAT),
            helper.make_node('Transpose', ['values'], ['planes'], perm=[0, 3, 1, 2]),
            helper.make_node('Conv', ['planes', 'kernel'], ['maps'], kernel_shape=[1, 1]),
            helper.make_node('Relu', ['maps'], ['active']),
            helper.make_node('GlobalAveragePool', ['active'], ['means']),
            helper.make_node('Reshape', ['means', 'rows'], ['logits']),
            helper.make_node('Softmax', ['logits'], ['gender'], axis=1),
        ],
        'brightness',
        [helper.make_tensor_value_info('faces', TensorProto.UINT8, ['n', 16, 16, 1])],
        [helper.make_tensor_value_info('gender', TensorProto.FLOAT, ['n', 2])],
        [
            numpy_helper.from_array(
                np.full((2, 1, 1, 1), [[[[1]]], [[[-1]]]], np.float32) / 255, 'kernel'
            ),
            numpy_helper.from_array(np.array([-1, 2]), 'rows'),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    known = {'labels': '{"gender": ["woman", "man"]}', 'color': 'gray', 'margin': '0.1'}
    helper.set_model_props(model, known | metadata)
    return model


def _enter_model(data: bytes) -> None:
    classifier = Classifier(_file(data, 'model.onnx'))
    input_spec = classifier.input_spec
    assert input_spec.size <= 512
    crops = np.zeros((1, input_spec.size, input_spec.size, input_spec.channels), np.uint8)
    for labels, answer in zip(
        classifier.labels.values(), classifier.classify(crops).values(), strict=True
    ):
        assert answer.shape == (1, len(labels))
    for attribute in classifier.labels:
        for method in ('guided', 'grad_cam'):
            Explainer(classifier, attribute, method=method)


def _model_samples() -> list[bytes]:
    return [brightness_model().SerializeToString()]


def _enter_yunet(data: bytes) -> None:
    finder = YuNet(str(_file(data, 'yunet.onnx')), 1)
    finder.find(PICTURE, 0.5, 0)


def _yunet_samples() -> list[bytes]:
    parts = {'cls': 1, 'obj': 1, 'bbox': 4, 'kps': 10}
    nodes, constants = [], []
    for part, size in parts.items():
        for stride in (8, 16, 32):
            name = f'{part}_{stride}'
            constants += [
                numpy_helper.from_array(np.full((size, 3, 1, 1), 1e-3, np.float32), f'{name}_w'),
                numpy_helper.from_array(np.array([1, -1, size]), f'{name}_shape'),
            ]
            nodes += [
                helper.make_node(
                    'Conv', ['input', f'{name}_w'], [f'{name}_m'], strides=[stride, stride]
                ),
                helper.make_node('Transpose', [f'{name}_m'], [f'{name}_t'], perm=[0, 2, 3, 1]),
                helper.make_node('Reshape', [f'{name}_t', f'{name}_shape'], [name]),
            ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        'yunet',
        [value('input', TensorProto.FLOAT, [1, 3, 'h', 'w'])],
        [
            value(f'{part}_{stride}', TensorProto.FLOAT, None)
            for part in parts
            for stride in (8, 16, 32)
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    return [model.SerializeToString()]


def _enter_cascade(data: bytes) -> None:
    Haar(str(_file(data, 'cascade.xml')), 1).find(PICTURE, 0.5, 0)


def _cascade_samples() -> list[bytes]:
    # The smallest that can be: one stage of one tree with one feature.
    return [
        b'<?xml version="1.0"?><opencv_storage><cascade><stageType>BOOST</stageType>'
        b'<featureType>HAAR</featureType><height>20</height><width>20</width><stageParams>'
        b'<boostType>GAB</boostType><minHitRate>0.995</minHitRate><maxFalseAlarm>0.5'
        b'</maxFalseAlarm><weightTrimRate>0.95</weightTrimRate><maxDepth>1</maxDepth>'
        b'<maxWeakCount>1</maxWeakCount></stageParams><featureParams><maxCatCount>0</maxCatCount>'
        b'<featSize>1</featSize>'
        b'<mode>BASIC</mode></featureParams><stageNum>1</stageNum><stages><_><maxWeakCount>1'
        b'</maxWeakCount><stageThreshold>-5.</stageThreshold><weakClassifiers><_><internalNodes>'
        b'0 -1 0 -0.01</internalNodes><leafValues>0.5 -0.5</leafValues></_></weakClassifiers></_>'
        b'</stages><features><_><rects><_>2 2 8 8 -1.</_><_>2 6 8 4 2.</_></rects><tilted>0'
        b'</tilted></_></features></cascade></opencv_storage>'
    ]


# Settings and labels


def _enter_recipe(data: bytes) -> None:
    from face_classification_ros.training.recipe import read_recipe

    path = _file(data, 'recipe.yaml')
    recipe = read_recipe(path)
    for name in (recipe.network, *(teacher.model for teacher in recipe.teachers)):
        if name.endswith(('.yaml', '.yml', '.onnx')):
            assert Path(name).is_relative_to(path.parent.resolve()), name
    sizes = [recipe.size_in(epoch) for epoch in range(0, recipe.epochs, 1 + recipe.epochs // 10)]
    assert all(32 <= size <= 512 for size in sizes)


def _recipe_samples() -> list[bytes]:
    return [
        b'attributes: [gender, emotion]\nnetwork: nets/tiny.yaml\nsize: 64\ninitial_size: 32\n'
        b'teachers:\n  - {model: big.onnx, share: 0.5, temperature: 2}\nbalance_by: [race, age]\n'
        b'augmentation: {rotation: 10, mirror: true}\nlearning_rate: 1e-3\npatience: 5\n'
    ]


def _enter_network(data: bytes) -> None:
    from face_classification_ros.networks.description import read_network

    read_network(str(_file(data, 'network.yaml')))


def _network_samples() -> list[bytes]:
    return [
        b'name: tiny\nsummary: of few blocks\nblocks:\n  - {block: standardization}\n'
        b'  - {block: convolution, filters: 8, size: 5, padding: valid}\n'
        b'  - {block: residual_module, filters: 16}\n  - {block: max_pooling, size: 3}\n'
        b'  - {block: dropout, rate: 0.2}\nhead: {head: dense, units: 32}\n'
        b'limits: {max_parameters: 60000, max_latency_ms: 2.5}\n'
    ]


class _BlindDetector:
    """Finds no face, at once."""

    def detect(self, image: Image) -> list[Detection]:
        """See `Detector.detect`."""
        return []


def _enter_boxes(data: bytes) -> None:
    folder = _folder() / 'scenes'
    write_image(folder / 'img' / 'one.png', PICTURE)
    (folder / 'boxes.json').write_bytes(data)
    evaluate_detector(_BlindDetector(), folder)


def _boxes_samples() -> list[bytes]:
    faces = [{'box': [1, 2.5, 10, 12], 'difficult': True}, {'box': [20, 20, 9, 9]}]
    return [json.dumps({'images': {'one.png': {'faces': faces, 'complete': False}}}).encode()]


def _enter_expectation(data: bytes) -> None:
    from face_classification_ros.ros.replay.expectation import ExpectationError, read_expectation

    try:
        read_expectation(_file(data, 'expectation.yaml'))
    except ExpectationError as error:
        # One line per problem.
        first, *others = str(error).splitlines()
        assert all(len(line) <= LONGEST_LINE for line in others), error
        raise ValueError(first) from error


def _expectation_samples() -> list[bytes]:
    from face_classification_ros.ros.replay.expectation import propose_expectation

    woman = AttributeResult('woman', 0.75, {'woman': 0.75}, 3)
    face = FaceResult('1', BoundingBox(100, 50, 60, 80), 0.9, (), woman, None, None)
    frames = [
        FrameResultRecord(number, 1000.0 + number, float(number), 640, 480, (face,), 0.02)
        for number in range(4)
    ]
    return [yaml.safe_dump(propose_expectation(frames)).encode()]


# Recordings


def _enter_bag(data: bytes, name: str) -> None:
    from face_classification_ros.ros.bags import open_bag

    with open_bag(_file(data, name)) as frames:
        assert frames.fps > 0
        for frame in frames.frames:
            _require_picture(frame.image)


def _bag_samples(storage: str) -> list[bytes]:
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import get_typestore, Stores

    types = get_typestore(Stores.ROS2_JAZZY)
    kind = 'sensor_msgs/msg/CompressedImage'
    stamp = types.types['builtin_interfaces/msg/Time'](sec=1, nanosec=0)
    picture = types.types[kind](
        header=types.types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera'),
        format='jpeg',
        data=np.frombuffer(_encode('.jpg'), np.uint8),
    )
    folder = _folder() / storage
    if not folder.exists():
        plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
        with Writer(folder, version=9, storage_plugin=plugin) as writer:
            connection = writer.add_connection('/image', kind, typestore=types)
            for number in range(3):
                writer.write(connection, number * 10**8, types.serialize_cdr(picture, kind))
    (path,) = folder.glob(f'*.{storage}')
    with suppress(sqlite3.Error):
        if storage == 'db3':
            # Fewer empty pages: what is changed shall matter.
            with sqlite3.connect(path) as database:
                database.execute('VACUUM')
    return [path.read_bytes()]


DOORS = {
    'image': Door(_enter_image, _image_samples),
    'compressed_image': Door(_enter_compressed, _compressed_samples),
    'depth': Door(_enter_depth, _depth_samples),
    'camera_info': Door(_enter_camera_info, _camera_info_samples),
    'picture': Door(_enter_picture, _picture_samples, (UnreadableError,)),
    'video': Door(_enter_video, _video_samples, (UnreadableError,)),
    'model': Door(_enter_model, _model_samples),
    'yunet': Door(_enter_yunet, _yunet_samples),
    'cascade': Door(_enter_cascade, _cascade_samples),
    'recipe': Door(_enter_recipe, _recipe_samples),
    'network': Door(_enter_network, _network_samples),
    'boxes': Door(_enter_boxes, _boxes_samples, (ValueError, FileNotFoundError)),
    'expectation': Door(_enter_expectation, _expectation_samples),
    'mcap': Door(
        functools.partial(_enter_bag, name='bag.mcap'),
        functools.partial(_bag_samples, 'mcap'),
        (UnreadableError,),
    ),
    'sqlite': Door(
        functools.partial(_enter_bag, name='bag.db3'),
        functools.partial(_bag_samples, 'db3'),
        (UnreadableError,),
    ),
}
"""Name -> door."""
