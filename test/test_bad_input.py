"""Whatever comes in from outside, it is taken or refused in one line, within bounds of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import json
import os
from pathlib import Path
import struct
import zlib

import cv2
from fuzz_targets import brightness_model, DOORS
from hypothesis import given, HealthCheck, settings, strategies
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros import inference, MAX_PIXELS
from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.io.errors import UnreadableError
from face_classification_ros.io.images import read_image
from face_classification_ros.io.sources import find_sources
from face_classification_ros.io.videos import read_video
from face_classification_ros.pipeline import FacePipeline, Settings
from face_classification_ros.ros.conversions import images
from face_classification_ros.ros.node.parameters import Parameters, validation_error

settings.register_profile(
    'bounded',
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile('bounded')

MEMORY = 700_000_000
"""Bytes that an input may take: a picture of `MAX_PIXELS`, decoded, in 16 bits and scaled."""

# What numbers in files and messages are apt to be where they are wrong.
NUMBERS = (
    b'\xff\xff\xff\xff',
    b'\x00\x00\x00\x00',
    b'\x7f\xff\xff\xff',
    b'\xff\xff\xff\x7f',
    struct.pack('>I', 100_000),
    struct.pack('<I', 100_000),
)


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """Hold a test to `MEMORY` above what the process had before it."""
    # Linux counts the peak anew from here.
    Path('/proc/self/clear_refs').write_text('5')
    before = _status('VmRSS')
    yield
    assert _status('VmHWM') - before < MEMORY


def _status(name: str) -> int:
    lines = Path('/proc/self/status').read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f'{name}:'))
    return 1024 * int(line.split()[1])


@strategies.composite
def changed(draw: Callable, samples: list[bytes]) -> bytes:
    """Give a good sample with some bytes changed, left out or put in, or its beginning alone."""
    data = bytearray(draw(strategies.sampled_from(samples)))
    for _ in range(draw(strategies.integers(1, 4))):
        at = draw(strategies.integers(0, max(0, len(data) - 1)))
        how = draw(strategies.sampled_from(['byte', 'number', 'insert', 'delete', 'cut']))
        if how == 'byte':
            data[at : at + 1] = bytes([draw(strategies.integers(0, 255))])
        elif how == 'number':
            data[at : at + 4] = draw(strategies.sampled_from(NUMBERS))
        elif how == 'insert':
            data[at:at] = draw(strategies.binary(min_size=1, max_size=40))
        elif how == 'delete':
            del data[at : at + draw(strategies.integers(1, 40))]
        else:
            del data[at:]
    return bytes(data)


def _door(name: str) -> None:
    if name in ('recipe', 'network', 'expectation'):
        pytest.importorskip('pydantic', reason='needs the extra [train] or [replay]')
    if name in ('mcap', 'sqlite'):
        pytest.importorskip('rosbags', reason='needs the extra [archive]')


@pytest.mark.parametrize('name', DOORS)
def test_good_samples_are_let_in(name: str) -> None:
    """What is changed in the other tests was right before."""
    _door(name)
    door = DOORS[name]
    assert all(door.knock(sample) for sample in door.samples())


@pytest.mark.parametrize('name', DOORS)
def test_changed_bytes_are_taken_or_refused_in_one_line(name: str) -> None:
    """Messages, pictures, videos, models, settings, labels and bags with random changes."""
    _door(name)
    door = DOORS[name]

    @given(changed(door.samples()))
    def knock(data: bytes) -> None:
        door.knock(data)

    knock()


@pytest.mark.parametrize('name', DOORS)
def test_any_bytes_are_refused_in_one_line(name: str) -> None:
    """Noise is no input, and an empty file is none."""
    _door(name)
    door = DOORS[name]
    assert not door.knock(b'')

    @settings(max_examples=30)
    @given(strategies.binary(max_size=300))
    def knock(data: bytes) -> None:
        door.knock(data)

    knock()


# Picture messages


@given(
    encoding=strategies.one_of(
        strategies.sampled_from([*images.ENCODINGS, '16UC1', '32FC1']), strategies.text(max_size=9)
    ),
    height=strategies.one_of(strategies.integers(0, 9), strategies.integers(0, 2**32 - 1)),
    width=strategies.one_of(strategies.integers(0, 9), strategies.integers(0, 2**32 - 1)),
    step=strategies.one_of(strategies.integers(0, 40), strategies.integers(0, 2**32 - 1)),
    is_bigendian=strategies.integers(0, 255),
    data=strategies.binary(max_size=400),
)
def test_picture_message_is_converted_or_refused(
    encoding: str, height: int, width: int, step: int, is_bigendian: int, data: bytes
) -> None:
    """Any encoding, size, step, byte order and bytes."""
    message = ImageMessage(height=height, width=width, step=step, is_bigendian=is_bigendian)
    message.encoding = encoding
    message.data.frombytes(data)
    try:
        image = images.image_from_message(message, images.OWN)
    except ValueError as refusal:
        assert '\n' not in str(refusal)
    else:
        assert image.shape == (height, width, 3) and image.dtype == np.uint8


@pytest.fixture(scope='module')
def pipeline() -> FacePipeline:
    """Give the node's detector and models, which think that everything is a face."""
    pipeline = Settings(
        detector='libfacedetection',
        detector_model='',
        detection_threshold=0.0,
        detection_size=320,
        gender_model=model_path('gender_mini_xception'),
        emotion_model=model_path('emotion_mini_xception'),
        num_threads=1,
        rotation=0,
    )
    return FacePipeline(
        pipeline.load_detector(), pipeline.load_classifiers(), None, {'gender': 0, 'emotion': 0}
    )


@settings(max_examples=30)
@given(
    height=strategies.one_of(strategies.integers(1, 3), strategies.integers(1, 5000)),
    width=strategies.one_of(strategies.integers(1, 3), strategies.integers(1, 5000)),
    seed=strategies.integers(0, 9),
)
def test_pictures_of_any_size_are_worked_on(
    pipeline: FacePipeline, height: int, width: int, seed: int
) -> None:
    """A row of pixels and a column, tiny ones and large, of noise in which faces are seen."""
    tile = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8)
    image = np.tile(tile, (-(-height // 64), -(-width // 64), 1))[:height, :width]
    for face in pipeline.process(image)[:50]:
        box = face.detection.box.clipped(width, height)
        assert 0 <= box.x <= width and 0 <= box.y <= height
        assert face.emotion is not None and np.isfinite(face.emotion.probabilities).all()


# Sizes that headers claim


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack('>I', len(data)) + body + struct.pack('>I', zlib.crc32(body))


def png(width: int, height: int) -> bytes:
    """Give a PNG whose checksums are right, of a size that its few bytes cannot fill."""
    header = _chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + header + _chunk(b'IDAT', zlib.compress(bytes(9999)))


def bmp(width: int, height: int) -> bytes:
    """Give the beginning of a bitmap."""
    return b'BM' + struct.pack('<IIIIiiHHIIiiII', 99, 0, 54, 40, width, height, 1, 24, *[0] * 6)


def tiff(width: int, height: int) -> bytes:
    """Give a TIFF of one strip."""
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 9}
    entries = b''.join(struct.pack('<HHII', tag, 4, 1, value) for tag, value in tags.items())
    return b'II*\0' + struct.pack('<IH', 8, len(tags)) + entries + bytes(99)


def webp(width: int, height: int) -> bytes:
    """Give the header of a lossless WebP; its sides have 14 bits."""
    bits = struct.pack('<I', (width - 1 & 0x3FFF) | (height - 1 & 0x3FFF) << 14)
    body = b'WEBPVP8L' + struct.pack('<I', 5 + 99) + b'\x2f' + bits + bytes(99)
    return b'RIFF' + struct.pack('<I', len(body)) + body


def ppm(width: int, height: int) -> bytes:
    """Give the beginning of a portable pixmap."""
    return f'P6 {width} {height} 255\n'.encode() + bytes(99)


@pytest.mark.parametrize(
    ('make', 'side'),
    [(png, 100_000), (bmp, 100_000), (tiff, 100_000), (webp, 16_000), (ppm, 100_000)],
)
def test_picture_file_of_absurd_size_is_refused(
    tmp_path: Path, make: Callable[[int, int], bytes], side: int
) -> None:
    """A file of a hundred bytes that claims 100,000 x 100,000 gets no memory."""
    path = tmp_path / 'huge'
    path.write_bytes(make(side, side))
    with pytest.raises(UnreadableError, match='not a readable picture of at most 64 megapixels'):
        read_image(path)


def test_picture_file_up_to_the_limit_is_read(tmp_path: Path) -> None:
    """What a large camera makes is no absurd size."""
    path = tmp_path / 'large.jpg'
    cv2.imwrite(str(path), np.zeros((4000, 6000, 3), np.uint8))
    assert read_image(path).shape == (4000, 6000, 3)


def test_video_of_absurd_size_is_refused(tmp_path: Path) -> None:
    """Its frames claim more than one picture may have, by container and codec alike."""
    good = DOORS['video'].samples()[0]
    bad = good.replace(struct.pack('<II', 64, 48), struct.pack('<II', 16_000, 4_100))
    # In a JPEG the size stands behind the marker of the frame, its length and the depth.
    size = struct.pack('>HH', 48, 64)
    bad = bad.replace(b'\x08' + size, b'\x08' + struct.pack('>HH', 4_100, 16_000))
    path = tmp_path / 'huge.avi'
    path.write_bytes(bad)
    with (
        pytest.raises(UnreadableError, match='has frames of 16000 x 4100'),
        read_video(path) as frames,
    ):
        list(frames.frames)


@pytest.mark.parametrize(
    'content',
    ['ffconcat version 1.0\nfile good.avi\n', '#EXTM3U\n#EXTINF:1,\ngood.avi\n#EXT-X-ENDLIST\n'],
    ids=['concat', 'playlist'],
)
def test_video_that_names_other_files_is_refused(tmp_path: Path, content: str) -> None:
    """What a list names, on this machine or another, would be read by FFmpeg."""
    (tmp_path / 'good.avi').write_bytes(DOORS['video'].samples()[0])
    path = tmp_path / 'list.mp4'
    path.write_text(content)
    with pytest.raises(UnreadableError, match='not a readable video'), read_video(path):
        pass


def test_pipe_is_no_source(tmp_path: Path) -> None:
    """Who would write into it may never come."""
    os.mkfifo(tmp_path / 'pipe.png')
    with pytest.raises(ValueError, match='neither a file nor a folder'):
        find_sources([tmp_path / 'pipe.png'])


# Models


def refusal_of(path: Path) -> str:
    """Give the one line by which a model file is refused."""
    with pytest.raises(ValueError) as refusal:
        Classifier(path)
    assert '\n' not in str(refusal.value)
    return str(refusal.value)


def external(location: str) -> TensorProto:
    """Give weights that lie in another file."""
    tensor = TensorProto(name='kernel', data_type=TensorProto.FLOAT, dims=[2, 1, 1, 1])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (('location', location), ('offset', '0'), ('length', '8')):
        tensor.external_data.add(key=key, value=value)
    return tensor


@pytest.mark.parametrize(
    'location', ['near.bin', '../far.bin', '{folder}/near.bin', '/etc/passwd']
)
def test_model_with_weights_in_other_files_is_refused(tmp_path: Path, location: str) -> None:
    """Beside the model as well: a model file is one file, and reads no other."""
    (tmp_path / 'near.bin').write_bytes(bytes(8))
    model = brightness_model()
    model.graph.initializer[0].CopyFrom(external(location.format(folder=tmp_path)))
    path = tmp_path / 'model.onnx'
    path.write_bytes(model.SerializeToString())
    assert 'other files (external data), which are not read' in refusal_of(path)


def test_weights_of_a_constant_are_not_read_from_other_files(tmp_path: Path) -> None:
    """They hide in the attribute of an operation, too."""
    model = brightness_model()
    constant = helper.make_node('Constant', [], ['kernel'], value=external('near.bin'))
    model.graph.node.insert(0, constant)
    del model.graph.initializer[0]
    path = tmp_path / 'model.onnx'
    path.write_bytes(model.SerializeToString())
    assert 'external data' in refusal_of(path)


def test_model_with_a_loop_is_refused(tmp_path: Path) -> None:
    """It could run for ever."""
    body = helper.make_graph(
        [helper.make_node('Identity', ['go'], ['go_on'])],
        'body',
        [
            helper.make_tensor_value_info('number', TensorProto.INT64, []),
            helper.make_tensor_value_info('go', TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info('go_on', TensorProto.BOOL, [])],
    )
    model = brightness_model()
    loop = helper.make_node('Loop', ['times', 'yes'], [], body=body)
    model.graph.node.append(loop)
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(2**62), 'times'),
            numpy_helper.from_array(np.array(True), 'yes'),
        ]
    )
    path = tmp_path / 'model.onnx'
    path.write_bytes(model.SerializeToString())
    assert 'a loop or a branch, which is not run' in refusal_of(path)


def test_model_with_functions_of_its_own_is_refused(tmp_path: Path) -> None:
    """Their operations would not have been looked at."""
    model = brightness_model()
    model.functions.append(
        helper.make_function('own', 'F', ['x'], ['y'], [], [helper.make_opsetid('', 13)])
    )
    path = tmp_path / 'model.onnx'
    path.write_bytes(model.SerializeToString())
    assert 'functions of its own' in refusal_of(path)


def test_model_with_foreign_operations_is_refused(tmp_path: Path) -> None:
    """No library with operations of somebody's own is ever loaded."""
    model = brightness_model()
    model.graph.node[3].domain = 'somebody'
    model.opset_import.append(helper.make_opsetid('somebody', 1))
    path = tmp_path / 'model.onnx'
    path.write_bytes(model.SerializeToString())
    assert 'is not a usable ONNX file' in refusal_of(path)


def test_model_that_asks_for_gigabytes_is_refused(tmp_path: Path) -> None:
    """A file of some hundred bytes that makes a tensor of 40 GB."""
    model = brightness_model()
    model.graph.initializer.append(
        numpy_helper.from_array(np.array([100_000, 100_000]), 'huge_shape')
    )
    nodes = [
        helper.make_node('ConstantOfShape', ['huge_shape'], ['huge']),
        helper.make_node('ReduceMax', ['huge'], ['zero'], keepdims=0),
        helper.make_node('Add', ['logits', 'zero'], ['sum']),
    ]
    for place, node in enumerate(nodes):
        model.graph.node.insert(6 + place, node)
    model.graph.node[-1].input[0] = 'sum'
    path = tmp_path / 'model.onnx'
    path.write_bytes(model.SerializeToString())
    assert 'does not run' in refusal_of(path)


def test_model_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read no farther than to the limit."""
    monkeypatch.setattr(inference, 'MAX_FILE_SIZE', 2**20)
    path = tmp_path / 'model.onnx'
    with path.open('wb') as file:
        file.truncate(2**40)
    assert 'has more than 1 MiB' in refusal_of(path)


def test_model_is_run_as_what_it_was_looked_at(tmp_path: Path) -> None:
    """A file that looks like ONNX Runtime's other format, which was not looked at, is ONNX."""
    path = tmp_path / 'model.onnx'
    # To protocol buffers it is one unknown field and the whole model behind it.
    path.write_bytes(b'\x7a\x06\0\0ORTM' + brightness_model().SerializeToString())
    Classifier(path)


@pytest.mark.parametrize(
    ('labels', 'reason'),
    [
        ('{"gender": "wm"}', 'not a JSON object of lists'),
        ('{"gender": ["woman", "woman"]}', 'not distinct'),
        ('{"gender": ["woman", ""]}', 'no printable text'),
        ('{"gender": ["woman", "\\ud800"]}', 'no printable text'),
        ('{"gender": ["woman", "m\\nan"]}', 'no printable text'),
        ('{"gender": ["woman", 2]}', 'no printable text'),
        ('[' * 100_000, 'not a JSON object of lists'),
    ],
)
def test_labels_that_no_message_can_carry_are_refused(
    tmp_path: Path, labels: str, reason: str
) -> None:
    """Labels go into messages, logs and JSON."""
    path = tmp_path / 'model.onnx'
    onnx.save(brightness_model(labels=labels), path)
    assert reason in refusal_of(path)


def test_model_that_tells_no_distribution_is_refused(tmp_path: Path) -> None:
    """Without the softmax its answers would be published as probabilities."""
    model = brightness_model()
    model.graph.node[-1].op_type = 'Identity'
    del model.graph.node[-1].attribute[:]
    path = tmp_path / 'model.onnx'
    onnx.save(model, path)
    assert 'no probability distribution' in refusal_of(path)


# Settings


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('a: &a [1]\nb: [*a, *a]', 'aliases'),
        ('[' * 5_000, 'is not YAML'),
        ('epochs: ' + '9' * 10_000, 'is not YAML'),
        ('born: 2020-13-45', 'is not YAML'),
        ('\xff\xfe', 'the file'),
        ('x' * 200_000, 'more than 100 kB'),
        ('attributes: [gender]\nnetwork: ../elsewhere.yaml', 'outside of the folder'),
        ('attributes: [gender]\nnetwork: /etc/elsewhere.yaml', 'outside of the folder'),
        (
            'attributes: [gender]\nnetwork: x\nteachers: [{model: a/../../b.onnx}]',
            'outside of the folder',
        ),
        ('attributes: [gender]\nnetwork: "x\\0.yaml"', 'is no name of a file'),
        (
            'attributes: [gender]\nnetwork: x\nteachers: [{model: x, temperature: .inf}]',
            'temperature',
        ),
        ('attributes: [gender]\nnetwork: x\ninitial_size: 64\nsize: 48', 'above size 48'),
    ],
    ids=range(12),
)
def test_recipe_that_asks_for_too_much_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """Files that unfold, numbers without end, paths that lead away."""
    pytest.importorskip('pydantic', reason='needs the extra [train]')
    from face_classification_ros.training.recipe import read_recipe

    path = tmp_path / 'recipe.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match=rf'recipe\.yaml.*{reason}') as refusal:
        read_recipe(path)
    assert '\n' not in str(refusal.value) and len(str(refusal.value)) < 1000


def test_network_of_a_billion_weights_is_refused(tmp_path: Path) -> None:
    """Before memory is taken for the first of them."""
    pytest.importorskip('pydantic', reason='needs the extra [train]')
    from face_classification_ros.networks.description import read_network

    path = tmp_path / 'network.yaml'
    block = {'block': 'convolution', 'filters': 4096, 'size': 11}
    path.write_text(json.dumps({'name': 'huge', 'blocks': [block, block]}))
    with pytest.raises(ValueError, match='weights, limit 100,000,000'):
        read_network(str(path))


@given(
    strategies.dictionaries(
        strategies.sampled_from([*Parameters.__dataclass_fields__, 'unknown']),
        strategies.one_of(
            strategies.none(),
            strategies.booleans(),
            strategies.integers(),
            strategies.floats(),
            strategies.text(max_size=20),
            strategies.lists(strategies.integers(), max_size=3),
        ),
    )
)
def test_parameters_of_any_value_are_accepted_or_complained_of(values: dict) -> None:
    """The complaint is one line."""
    problem = validation_error(values)
    assert isinstance(problem, str) and '\n' not in problem


def test_limit_of_pixels_is_told_to_opencv() -> None:
    """By whatever way a larger picture comes, OpenCV does not decode it."""
    assert os.environ['OPENCV_IO_MAX_IMAGE_PIXELS'] == str(MAX_PIXELS)
