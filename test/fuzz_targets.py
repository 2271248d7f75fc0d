"""All functions that read bytes from outside, each with valid samples.

For property tests, and for `benchmarks/fuzz.py`, which runs for hours.
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
from sensor_msgs.msg import CameraInfo, CompressedImage, RegionOfInterest
from sensor_msgs.msg import Image as ImageMessage
from small_models import CASCADE, tiny_classifier, yunet_model
import yaml

from face_classification_ros import MAX_PIXELS
from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.detection.haar import Haar
from face_classification_ros.detection.yunet import YuNet
from face_classification_ros.evaluation.detection import evaluate_detector
from face_classification_ros.explanation.explainer import Explainer
from face_classification_ros.geometry.positions import (
    DepthImage,
    DepthView,
    Intrinsics,
    locate,
)
from face_classification_ros.io.errors import UnreadableError
from face_classification_ros.io.image_encodings import (
    decode_compressed_image,
    decode_image,
    ENCODINGS,
    ImageError,
)
from face_classification_ros.io.images import read_image, write_image
from face_classification_ros.io.sources import COPY_SUFFIXES
from face_classification_ros.io.videos import read_video
from face_classification_ros.ros.conversions.depth import (
    depth_from_message,
    intrinsics_from_message,
)
from face_classification_ros.types import (
    AttributeEstimate,
    BoundingBox,
    Detection,
    Face,
    FrameFaces,
    Image,
)

MAX_MESSAGE = 1000
"""Characters of the longest error message: one line for a person to read."""

IMAGE: Image = np.dstack(
    [np.add.outer(np.arange(48) * 2, np.arange(64) + each).astype(np.uint8) for each in range(3)]
)
"""A small image, 48 x 64 x 3."""


@dataclass(frozen=True)
class FuzzTarget:
    """A function that reads bytes from outside.

    Attributes:
        read: takes the bytes of a file or a message; raises one of `errors` if they are invalid.
        samples: returns valid bytes.
        errors: documented exceptions.
    """

    read: Callable[[bytes], object]
    samples: Callable[[], list[bytes]]
    errors: tuple[type[Exception], ...] = (ValueError,)

    def accepts(self, data: bytes) -> bool:
        """Return whether bytes are valid.

        Raises:
            AssertionError: the error message is not one line.
            Exception: an exception that is not documented.
        """
        try:
            self.read(data)
        except self.errors as error:
            text = str(error)
            assert text and '\n' not in text and len(text) <= MAX_MESSAGE, text
            return False
        return True


@functools.cache
def _folder() -> Path:
    # Kept until the end of the process, which removes it.
    folder = tempfile.TemporaryDirectory(prefix='fuzz_')
    _KEPT.append(folder)
    return Path(folder.name)


_KEPT: list[tempfile.TemporaryDirectory] = []


def _file(data: bytes, name: str) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


def _check_image(image: Image) -> None:
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3, image.shape
    assert 0 < image.shape[0] * image.shape[1] <= MAX_PIXELS, image.shape


# Messages


_FIELDS = struct.Struct('<BBIII')
"""Encoding, byte order, height, width and step of an image message."""


def _encode(suffix: str, image: Any = IMAGE) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def _image_message(data: bytes, encodings: tuple[str, ...]) -> ImageMessage:
    """Take the first bytes as the fields of a message and the others as its pixels."""
    encoding, is_big, height, width, step = _FIELDS.unpack_from(data.ljust(_FIELDS.size, b'\0'))
    message = ImageMessage(height=height, width=width, step=step, is_bigendian=is_big)
    message.encoding = encodings[encoding % len(encodings)]
    message.data.frombytes(data[_FIELDS.size :])
    return message


def _read_image_message(data: bytes) -> None:
    message = _image_message(data, ENCODINGS)
    image = decode_image(message)
    assert image.shape == (message.height, message.width, 3) and image.dtype == np.uint8


def _image_message_samples() -> list[bytes]:
    return [
        _FIELDS.pack(number, 0, 12, 16, 16 * 4) + bytes(12 * 16 * 4)
        for number in range(len(ENCODINGS))
    ]


def _read_compressed_message(data: bytes) -> None:
    message = CompressedImage(format='bgr8; jpeg compressed bgr8')
    message.data.frombytes(data)
    _check_image(decode_compressed_image(message))


def _compressed_message_samples() -> list[bytes]:
    return [_encode('.jpg'), _encode('.png'), _encode('.png', IMAGE.astype(np.uint16) * 257)]


_FACES = [Face(Detection(BoundingBox(x, 8, 12, 16), 0.9)) for x in (-6.0, 24.5, 60.0)]


def _read_depth(data: bytes) -> None:
    depth = depth_from_message(_image_message(data, ('16UC1', '32FC1', 'bgr8')))
    _check_positions(depth, Intrinsics(64, 48, 60, 60, 31.5, 23.5))


def _depth_samples() -> list[bytes]:
    depths = np.linspace(0.5, 3, 48 * 64).reshape(48, 64)
    return [
        _FIELDS.pack(0, 0, 48, 64, 128) + (1000 * depths).astype('<u2').tobytes(),
        _FIELDS.pack(1, 1, 48, 64, 256) + depths.astype('>f4').tobytes(),
    ]


_CALIBRATION = struct.Struct('<2I2H4I9d12d')
"""Size, binning, region of interest, K and P."""


def _read_camera_info(data: bytes) -> None:
    height, width, x, y, left, top, roi_height, roi_width, *matrices = _CALIBRATION.unpack_from(
        data.ljust(_CALIBRATION.size, b'\0')
    )
    message = CameraInfo(height=height, width=width, binning_x=x, binning_y=y)
    message.roi = RegionOfInterest(x_offset=left, y_offset=top, height=roi_height, width=roi_width)
    message.k, message.p = matrices[:9], matrices[9:]
    depth = DepthImage(np.full((48, 64), 1.5, np.float32), 1.0)
    _check_positions(depth, intrinsics_from_message(message))


def _camera_info_samples() -> list[bytes]:
    k = (60, 0, 31.5, 0, 60, 23.5, 0, 0, 1)
    p = (60, 0, 31.5, 0, 0, 60, 23.5, 0, 0, 0, 1, 0)
    return [
        _CALIBRATION.pack(48, 64, 0, 0, 0, 0, 0, 0, *k, *p),
        _CALIBRATION.pack(96, 128, 2, 2, 0, 0, 0, 0, *k, *[0] * 12),
        _CALIBRATION.pack(480, 640, 1, 1, 10, 20, 48, 64, *k, *p),
    ]


def _check_positions(depth: DepthImage, intrinsics: Intrinsics) -> None:
    faces = locate(_FACES, DepthView(depth, intrinsics), 64, 48)
    assert len(faces) == len(_FACES)
    for face in faces:
        assert face.position is None or np.isfinite(face.position).all(), face.position


# Files


def _read_image_file(data: bytes) -> None:
    # OpenCV decides by the content, not by the name.
    _check_image(read_image(_file(data, 'image')))


def _image_file_samples() -> list[bytes]:
    return [_encode(suffix) for suffix in sorted(COPY_SUFFIXES - {'.jpeg', '.tif'})]


def _read_video_file(data: bytes) -> None:
    with read_video(_file(data, 'video')) as frames:
        assert 0 < frames.fps <= 1000
        for frame in frames.frames:
            _check_image(frame.image)
            if frame.number == 20:
                return


def _video_samples() -> list[bytes]:
    samples = []
    for name, code in (('sample.avi', 'MJPG'), ('sample.mp4', 'mp4v')):
        path = _folder() / name
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 10, (64, 48))
        for number in range(4):
            writer.write(np.roll(IMAGE, 8 * number, 1))
        writer.release()
        samples.append(path.read_bytes())
    return samples


# Models


def _read_model(data: bytes) -> None:
    classifier = Classifier(_file(data, 'model.onnx'))
    input_spec = classifier.input_spec
    assert input_spec.size <= 512
    crops = np.zeros((1, input_spec.size, input_spec.size, input_spec.channels), np.uint8)
    predictions = classifier.classify(crops)
    for attribute, labels in classifier.labels.items():
        assert predictions[attribute].shape == (1, len(labels))
        for method in ('guided', 'grad_cam'):
            Explainer(classifier, attribute, method=method)


def _model_samples() -> list[bytes]:
    return [tiny_classifier().SerializeToString()]


def _read_yunet(data: bytes) -> None:
    YuNet(str(_file(data, 'yunet.onnx')), 1).find(IMAGE, 0.5, 0)


def _yunet_samples() -> list[bytes]:
    return [yunet_model().SerializeToString()]


def _read_cascade(data: bytes) -> None:
    Haar(str(_file(data, 'cascade.xml')), 1).find(IMAGE, 0.5, 0)


def _cascade_samples() -> list[bytes]:
    return [CASCADE]


# Settings and labels


def _read_recipe(data: bytes) -> None:
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
        b'teachers:\n  - {model: big.onnx, weight: 0.5, temperature: 2}\nbalance_by: [race, age]\n'
        b'augmentation: {rotation: 10, mirror: true}\nlearning_rate: 1e-3\npatience: 5\n'
    ]


def _read_network(data: bytes) -> None:
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
    """Finds no face."""

    def detect(self, image: Image) -> list[Detection]:
        """See `Detector.detect`."""
        return []

    @property
    def full_frame(self) -> _BlindDetector:
        """See `Detector.full_frame`."""
        return self


def _read_boxes(data: bytes) -> None:
    folder = _folder() / 'scenes'
    write_image(folder / 'img' / 'one.png', IMAGE)
    (folder / 'boxes.json').write_bytes(data)
    evaluate_detector(_BlindDetector(), folder)


def _boxes_samples() -> list[bytes]:
    faces = [{'box': [1, 2.5, 10, 12], 'difficult': True}, {'box': [20, 20, 9, 9]}]
    return [json.dumps({'images': {'one.png': {'faces': faces, 'complete': False}}}).encode()]


def _read_expectation(data: bytes) -> None:
    from face_classification_ros.ros.replay.expectation import ExpectationError, read_expectation

    try:
        read_expectation(_file(data, 'expectation.yaml'))
    except ExpectationError as error:
        # One line per problem.
        first, *others = str(error).splitlines()
        assert all(len(line) <= MAX_MESSAGE for line in others), error
        raise ValueError(first) from error


def _expectation_samples() -> list[bytes]:
    from face_classification_ros.ros.replay.expectation import propose_expectation

    probabilities = np.array([0.75, 0.25], np.float32)
    estimate = AttributeEstimate(('woman', 'man'), probabilities, probabilities, 3, 0.5)
    face = Face(Detection(BoundingBox(100, 50, 60, 80), 0.9), {'gender': estimate}, '1')
    frames = [FrameFaces(640, 480, (face,), 1000.0 + number, number) for number in range(4)]
    return [yaml.safe_dump(propose_expectation(frames)).encode()]


# Recordings


def _read_bag(data: bytes, name: str) -> None:
    from face_classification_ros.io.bags import open_bag

    with open_bag(_file(data, name)) as frames:
        assert frames.fps > 0
        for frame in frames.frames:
            _check_image(frame.image)


def _bag_samples(storage: str) -> list[bytes]:
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import get_typestore, Stores

    types = get_typestore(Stores.ROS2_JAZZY)
    kind = 'sensor_msgs/msg/CompressedImage'
    stamp = types.types['builtin_interfaces/msg/Time'](sec=1, nanosec=0)
    message = types.types[kind](
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
                writer.write(connection, number * 10**8, types.serialize_cdr(message, kind))
    (path,) = folder.glob(f'*.{storage}')
    with suppress(sqlite3.Error):
        if storage == 'db3':
            # Fewer empty pages, so that a change hits something that matters.
            with sqlite3.connect(path) as database:
                database.execute('VACUUM')
    return [path.read_bytes()]


FUZZ_TARGETS = {
    'image_message': FuzzTarget(_read_image_message, _image_message_samples, (ImageError,)),
    'compressed_message': FuzzTarget(
        _read_compressed_message, _compressed_message_samples, (ImageError,)
    ),
    'depth': FuzzTarget(_read_depth, _depth_samples),
    'camera_info': FuzzTarget(_read_camera_info, _camera_info_samples),
    'image_file': FuzzTarget(_read_image_file, _image_file_samples, (UnreadableError,)),
    'video': FuzzTarget(_read_video_file, _video_samples, (UnreadableError,)),
    'model': FuzzTarget(_read_model, _model_samples),
    'yunet': FuzzTarget(_read_yunet, _yunet_samples),
    'cascade': FuzzTarget(_read_cascade, _cascade_samples),
    'recipe': FuzzTarget(_read_recipe, _recipe_samples),
    'network': FuzzTarget(_read_network, _network_samples),
    'boxes': FuzzTarget(_read_boxes, _boxes_samples, (ValueError, FileNotFoundError)),
    'expectation': FuzzTarget(_read_expectation, _expectation_samples),
    'mcap': FuzzTarget(
        functools.partial(_read_bag, name='bag.mcap'),
        functools.partial(_bag_samples, 'mcap'),
        (UnreadableError,),
    ),
    'sqlite': FuzzTarget(
        functools.partial(_read_bag, name='bag.db3'),
        functools.partial(_bag_samples, 'db3'),
        (UnreadableError,),
    ),
}
"""Name -> target."""
