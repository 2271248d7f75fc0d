"""Parameters of the node are described, validated, and take effect at run time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters, SetParameters
from rclpy.parameter import parameter_value_to_python
from ros_peers import (
    BLANK,
    box_of,
    Camera,
    compressed_message,
    estimate,
    HEAD,
    image_message,
    NodeProcess,
    Peer,
)
from sensor_msgs.msg import CompressedImage
import yaml

from face_classification_ros.config import SettingError
from face_classification_ros.ros.conversions.messages import seconds
from face_classification_ros.ros.node.parameters.docs import parameter_file, parameter_table
from face_classification_ros.ros.node.parameters.node_config import (
    default_value,
    descriptor_of,
    NodeConfig,
    PARAMETERS,
    threshold_descriptor,
)
from face_classification_ros.ros.node.parameters.sources import (
    read_parameter_file,
)

GENDERS = ['woman', 'man']
NODE = '/face_classification'
ROOT = Path(__file__).parents[4]

StartNode = Callable[..., NodeProcess]
MakeModel = Callable[..., Path]


# Without a node


@pytest.mark.parametrize('name', PARAMETERS)
def test_parameter_has_a_description_and_a_range(name: str) -> None:
    """Each has a description, and each number a range that includes the default, or choices."""
    descriptor = descriptor_of(PARAMETERS[name])
    assert descriptor.name == name
    assert len(descriptor.description) > 10
    default = PARAMETERS[name].default
    if isinstance(default, bool | str | tuple) or descriptor.additional_constraints:
        return
    kind = 'floating_point_range' if isinstance(default, float) else 'integer_range'
    (range_,) = getattr(descriptor, kind)
    assert range_.from_value <= default <= range_.to_value


def test_change_of_parameters_is_validated() -> None:
    """Values and thresholds are replaced, integers count as doubles, others are rejected."""
    config = NodeConfig().changed(
        {'smoothing_time': 2, 'attributes': [''], 'unknown_threshold.age': 0.4}
    )
    assert (config.smoothing_time, config.attributes) == (2.0, ())
    assert config.unknown_threshold == {'age': 0.4}
    for name, value in (
        ('rotation', 45),
        ('image_transport', 'theora'),
        ('unknown_threshold.age', 1.5),
        ('models', 'mini'),
    ):
        with pytest.raises(SettingError) as rejected:
            NodeConfig().changed({name: value})
        assert rejected.value.name == name


def test_parameter_file_has_every_parameter_with_its_default() -> None:
    """The file that users copy is generated from the fields."""
    path = ROOT / 'config' / 'face_classification.yaml'
    assert path.read_text() == parameter_file()
    values = read_parameter_file(path, '/robot/face_classification')
    assert values == {name: default_value(each) for name, each in PARAMETERS.items()}
    assert NodeConfig().changed(values) == NodeConfig()


def test_manual_has_the_table_of_parameters() -> None:
    """The table between the markers is generated from the fields."""
    page = (ROOT / 'docs' / 'reference' / 'parameters.md').read_text()
    _, table, _ = page.split('<!-- parameters -->')
    assert table.strip() == parameter_table()


# A node that runs


def test_node_describes_its_parameters(start_node: StartNode, peer: Peer) -> None:
    """Tools such as rqt get descriptions and ranges, also of the thresholds of the models."""
    start_node()
    listed = peer.call(ListParameters, f'{NODE}/list_parameters', ListParameters.Request())
    thresholds = ['unknown_threshold.gender', 'unknown_threshold.emotion']
    names = [*PARAMETERS, *thresholds]
    assert set(names) <= set(listed.result.names)
    described = peer.call(
        DescribeParameters, f'{NODE}/describe_parameters', DescribeParameters.Request(names=names)
    ).descriptors
    expected = [descriptor_of(each) for each in PARAMETERS.values()]
    expected += [threshold_descriptor(each) for each in ('gender', 'emotion')]
    for descriptor, other in zip(described, expected, strict=True):
        assert descriptor.description == other.description
        assert descriptor.floating_point_range == other.floating_point_range
        assert descriptor.integer_range == other.integer_range


REJECTED: list[tuple[str, Any, str]] = [
    ('detection_threshold', 1.5, 'Max: 1.0, value: 1.5'),
    ('detection_threshold', -0.1, 'Min: 0.0'),
    ('detection_threshold', float('nan'), 'nan'),
    ('detection_threshold', 2, 'Max: 1.0'),
    ('detection_size', 31, 'Min: 32'),
    ('detection_size', 320.0, 'parameter type'),
    ('min_face_size', -1, 'Min: 0'),
    ('rotation', 45, 'rotation'),
    ('unknown_threshold.gender', 2.0, 'Max: 1.0'),
    ('unknown_threshold.hat', 0.5, 'unknown_threshold.hat'),
    ('detection_treshold', 0.5, 'detection_treshold'),
    ('smoothing_time', -1.0, 'Min: 0.0'),
    ('track_timeout', 61.0, 'Max: 60.0'),
    ('max_processing_rate', float('inf'), 'Max: 1000.0'),
    ('num_threads', 0, 'Min: 1'),
    ('image_transport', 'theora', 'image_transport'),
    ('image_reliability', 'perfect', 'image_reliability'),
    ('detector', 'mtcnn', 'detector'),
    ('detector', 'yunet', 'yunet'),
    ('models', ['/no/model.onnx'], '/no/model.onnx'),
    ('models', ['resnet'], 'resnet'),
    ('attributes', ['hat'], 'hat'),
    ('explanation_attribute', 'hat', 'explanation_attribute'),
    ('autostart', False, 'autostart'),
]
"""Name and value that are rejected, and what the reason contains."""


def test_empty_list_needs_no_type(start_node: StartNode, peer: Peer) -> None:
    """At the start, in a message as of `ros2 param set`, and where no list is expected."""
    start_node('-p', 'models:=[]')
    camera = Camera(peer)
    camera.connect()
    (face,) = camera.result_of(image_message(HEAD)).faces
    assert len(face.attributes) == 0
    assert peer.get_parameters(NODE, 'models') == {'models': ['']}
    assert peer.set_parameter('models', ['emotion_mini_xception']).successful
    value = ParameterValue(type=ParameterType.PARAMETER_BOOL_ARRAY)
    for name, is_list in (('attributes', True), ('models', True), ('rotation', False)):
        request = SetParameters.Request(parameters=[Parameter(name=name, value=value)])
        (result,) = peer.call(SetParameters, f'{NODE}/set_parameters', request).results
        assert result.successful == is_list, (name, result.reason)
    (face,) = camera.result_of(image_message(HEAD)).faces
    assert len(face.attributes) == 0


def test_impossible_value_is_rejected_and_changes_nothing(
    camera: Camera, peer: Peer, tmp_path: Path
) -> None:
    """Each rejection has a reason of one line, and the node continues as before."""
    text = tmp_path / 'text.onnx'
    text.write_text('not a model')
    rejected = [*REJECTED, ('models', [str(text)], str(text))]
    request = GetParameters.Request(names=list(PARAMETERS))

    def values() -> Any:
        return peer.call(GetParameters, f'{NODE}/get_parameters', request).values

    before = values()
    (face,) = camera.result_of(image_message(HEAD)).faces
    for name, value, reason in rejected:
        result = peer.set_parameter(name, value)
        assert not result.successful, (name, value)
        assert reason in result.reason, (name, value)
        assert '\n' not in result.reason, (name, value)
    assert not peer.set_parameters(smoothing_time=0.1, detector='mtcnn').successful
    assert values() == before
    (after,) = camera.result_of(image_message(HEAD)).faces
    assert after.track_id == face.track_id
    assert estimate(after, 'emotion').frame_count == estimate(face, 'emotion').frame_count + 1


def test_integers_count_as_doubles_and_as_text(start_node: StartNode, peer: Peer) -> None:
    """On the command line and at run time; the type of the parameter does not change."""
    given = {
        'max_processing_rate': 16,
        'track_timeout': 2,
        'unknown_threshold.gender': 1,
        'explanation_track': 1,
    }
    start_node(*(text for name, value in given.items() for text in ('-p', f'{name}:={value}')))

    def values() -> list[float | str]:
        request = GetParameters.Request(names=list(given))
        found = peer.call(GetParameters, f'{NODE}/get_parameters', request).values
        return [parameter_value_to_python(each) for each in found]

    assert values() == [16.0, 2.0, 1.0, '1']
    assert [type(each) for each in values()] == [float, float, float, str]
    assert peer.set_parameter('smoothing_time', 3).successful
    assert peer.set_parameter('unknown_threshold.gender', 0).successful
    assert peer.set_parameter('explanation_track', 27).successful
    assert peer.set_parameters(max_processing_rate=20, track_timeout=4).successful
    assert values() == [20.0, 4.0, 0.0, '27']
    assert not peer.set_parameter('track_timeout', 61).successful
    assert not peer.set_parameter('track_timeout', '4').successful


def test_integers_in_a_parameter_file_count_as_doubles_and_as_text(
    start_node: StartNode, peer: Peer, tmp_path: Path
) -> None:
    """As ids of tracks and numbers are written there."""
    path = tmp_path / 'parameters.yaml'
    path.write_text(
        'face_classification:\n  ros__parameters:\n    max_processing_rate: 16\n'
        '    explanation_track: 7\n    unknown_threshold: {emotion: 1}\n'
    )
    start_node('--params-file', str(path))
    names = ['max_processing_rate', 'explanation_track', 'unknown_threshold.emotion']
    request = GetParameters.Request(names=names)
    found = peer.call(GetParameters, f'{NODE}/get_parameters', request).values
    assert [parameter_value_to_python(each) for each in found] == [16.0, '7', 1.0]
    values = read_parameter_file(path, NODE)
    config = NodeConfig().changed(values)
    assert (config.max_processing_rate, config.explanation_track) == (16.0, '7')


@pytest.mark.parametrize(
    'keys',
    [
        ('robot', 'head', 'face_classification'),
        ('/robot/head', 'face_classification'),
        ('/robot', 'head/face_classification'),
        ('/**', 'face_classification'),
        ('robot', '**'),
        ('/robot/*/face_classification',),
    ],
)
def test_parameter_file_with_nested_namespaces_is_read_as_the_node_does(
    start_node: StartNode, peer: Peer, tmp_path: Path, keys: tuple[str, ...]
) -> None:
    """The value reaches the node, and what reads files without it."""
    content: dict[str, Any] = {'ros__parameters': {'rotation': 90}}
    for key in reversed(keys):
        content = {key: content}
    path = tmp_path / 'parameters.yaml'
    path.write_text(yaml.safe_dump(content))
    start_node(
        *('--params-file', str(path), '-r', '__ns:=/robot/head', '-p', 'autostart:=false'),
        until_active=False,
    )
    node = '/robot/head/face_classification'
    found = peer.call(
        GetParameters, f'{node}/get_parameters', GetParameters.Request(names=['rotation'])
    ).values
    assert read_parameter_file(path, node).get('rotation', 0) == found[0].integer_value == 90
    assert not read_parameter_file(path, '/other/front/face_classification_2')


def test_default_parameter_file_can_be_loaded_at_run_time(camera: Camera, peer: Peer) -> None:
    """As `ros2 param load` does: every parameter is set, those of the start to what they are."""
    values = read_parameter_file(ROOT / 'config' / 'face_classification.yaml', NODE)
    assert 'autostart' in values
    for name, value in values.items():
        result = peer.set_parameter(name, value)
        assert result.successful, (name, result.reason)
    assert peer.set_parameters(**values).successful
    assert camera.result_of(image_message(HEAD)).faces


def test_parameters_of_detection_take_effect(camera: Camera, peer: Peer) -> None:
    """A face that is too small or not certain enough is not detected until it is set back."""

    def count() -> int:
        return len(camera.result_of(image_message(HEAD)).faces)

    assert count() == 1
    for name, value, default in (
        ('detection_threshold', 0.999, 0.6),
        ('detection_size', 32, 320),
        ('min_face_size', 150, 0),
    ):
        assert peer.set_parameter(name, value).successful
        assert count() == 0, name
        assert peer.set_parameter(name, default).successful
        assert count() == 1, name


def test_number_of_threads_takes_effect(start_node: StartNode, peer: Peer) -> None:
    """Every session has so many threads, one of which is that of the node."""
    node = start_node('-p', 'models:=[gender_mini_xception, emotion_mini_xception]')
    camera = Camera(peer)
    camera.connect()
    alone = node.num_threads
    assert peer.set_parameter('num_threads', 3).successful
    assert len(camera.result_of(image_message(HEAD)).faces) == 1
    several = node.num_threads
    assert several >= alone + 4
    assert peer.set_parameter('num_threads', 1).successful
    assert len(camera.result_of(image_message(HEAD)).faces) == 1
    assert node.num_threads <= several - 4


def test_detection_interval_takes_effect(camera: Camera, peer: Peer) -> None:
    """A new face is found by the next search of the full frame, or immediately with 1."""
    wall = np.full_like(HEAD, 128)
    alone = image_message(np.hstack([HEAD, wall, wall, wall]))
    both = image_message(np.hstack([HEAD, wall, wall, HEAD]))
    for interval, expected in ((1, [1, 2, 2, 2, 2]), (4, [1, 1, 1, 1, 2])):
        assert peer.set_parameter('detection_interval', interval).successful
        counts = [len(camera.result_of(each).faces) for each in (alone, both, both, both, both)]
        assert counts == expected, interval


def test_detector_and_its_model_can_be_changed(camera: Camera, peer: Peer) -> None:
    """The face keeps its track; the other detector has no landmarks."""
    if not hasattr(cv2, 'CascadeClassifier') or not hasattr(cv2, 'data'):
        pytest.skip('this OpenCV has no cascades')
    (face,) = camera.result_of(image_message(HEAD)).faces
    assert len(face.landmarks) == 5
    assert peer.set_parameter('detector', 'haar').successful
    (same,) = camera.result_of(image_message(HEAD)).faces
    assert len(same.landmarks) == 0
    assert same.track_id == face.track_id
    eyes = f'{cv2.data.haarcascades}haarcascade_eye.xml'
    assert peer.set_parameters(detector_model=eyes, detection_threshold=0.3).successful
    found = [box_of(each) for each in camera.result_of(image_message(HEAD)).faces]
    assert found
    assert all(box.width < 0.7 * box_of(same).width for box in found)
    assert peer.set_parameters(detector='libfacedetection', detector_model='').successful
    assert len(camera.result_of(image_message(HEAD)).faces[0].landmarks) == 5


def test_attribute_can_be_switched_off_and_on(camera: Camera, peer: Peer) -> None:
    """An attribute that is switched off is absent, and its threshold is undeclared."""

    def names() -> list[str]:
        (face,) = camera.result_of(image_message(HEAD)).faces
        return [each.name for each in face.attributes]

    assert names() == ['gender', 'emotion', 'age']
    assert peer.set_parameter('attributes', ['emotion']).successful
    assert names() == ['emotion']
    assert not peer.set_parameter('unknown_threshold.gender', 0.5).successful
    assert peer.set_parameter('models', ['']).successful is False
    assert peer.set_parameters(models=[''], attributes=['']).successful
    assert names() == []
    assert peer.set_parameter('models', ['emotion_mini_xception']).successful
    assert names() == ['emotion']
    assert peer.set_parameter(
        'models', ['gender_mini_xception', 'emotion_mini_xception']
    ).successful
    assert names() == ['gender', 'emotion']
    assert peer.set_parameter('unknown_threshold.gender', 0.5).successful


def test_threshold_is_kept_while_its_attribute_is_switched_off(camera: Camera, peer: Peer) -> None:
    """By `attributes` or `models`, and over a cleanup of the node."""

    def threshold() -> float:
        (value,) = peer.get_parameters(NODE, 'unknown_threshold.gender').values()
        return float(value)

    default = threshold()
    assert peer.set_parameter('unknown_threshold.gender', 1.0).successful
    assert peer.set_parameter('attributes', ['emotion']).successful
    camera.result_of(image_message(HEAD))
    assert peer.set_parameter('attributes', ['']).successful
    assert threshold() == 1.0
    (face,) = camera.result_of(image_message(HEAD)).faces
    assert estimate(face, 'gender').label == 'unknown'
    assert peer.set_parameter('models', ['emotion_mini_xception']).successful
    for transition in (
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_CONFIGURE,
    ):
        assert peer.change_state(transition)
    assert peer.set_parameter('models', ['gender_mini_xception']).successful
    assert threshold() == 1.0 != default


def test_model_with_other_labels_replaces_the_old_one(
    camera: Camera, peer: Peer, make_model: MakeModel
) -> None:
    """The track continues, its filter starts again, and of two models the first one counts."""
    (before,) = camera.result_of(image_message(HEAD)).faces
    path = str(make_model({'emotion': ['sad', 'happy', 'neutral'], 'hat': ['yes', 'no']}))
    assert peer.set_parameter('models', [path, 'multitask_mini_xception']).successful
    (face,) = camera.result_of(image_message(HEAD)).faces
    assert face.track_id == before.track_id
    assert [each.name for each in face.attributes] == ['emotion', 'hat', 'gender', 'age']
    assert [each.frame_count for each in face.attributes] == [1, 1, 1, 1]
    emotion, hat, *_ = face.attributes
    assert list(emotion.labels) == ['sad', 'happy', 'neutral']
    assert emotion.probabilities[1] == pytest.approx(emotion.probabilities[2])
    assert hat.probabilities[0] == pytest.approx(emotion.probabilities[0], abs=1e-5)


def test_thresholds_decide_what_is_unknown(
    camera: Camera, peer: Peer, make_model: MakeModel
) -> None:
    """Below the threshold the label is unknown, and the probabilities are published unchanged."""
    labels = {'gender': GENDERS, 'emotion': ['sad', 'happy', 'neutral']}
    assert peer.set_parameter('models', [str(make_model(labels))]).successful
    for name in labels:
        for threshold in (0.0, 1.0):
            assert peer.set_parameter(f'unknown_threshold.{name}', threshold).successful
            (face,) = camera.result_of(image_message(HEAD)).faces
            found = estimate(face, name)
            assert (found.label == 'unknown') == bool(threshold)
            assert 0 < found.confidence < 1
            assert sum(found.probabilities) == pytest.approx(1, abs=1e-5)


def test_threshold_is_that_of_the_model_file_until_it_is_set(
    start_node: StartNode, peer: Peer, make_model: MakeModel
) -> None:
    """A value at the start replaces it; another model brings its own for what was not set."""
    labels = {'gender': GENDERS, 'hat': ['yes', 'no']}
    first = make_model(labels, name='first.onnx', thresholds={'gender': 0.3, 'hat': 0.25})
    second = make_model(labels, name='second.onnx', thresholds={'gender': 0.4, 'hat': 0.35})
    start_node('-p', f'models:=[{first}]', '-p', 'unknown_threshold.hat:=0.75')
    names = ['unknown_threshold.gender', 'unknown_threshold.hat']

    def values() -> list[float]:
        request = GetParameters.Request(names=names)
        found = peer.call(GetParameters, f'{NODE}/get_parameters', request).values
        return [each.double_value for each in found]

    assert values() == [0.3, 0.75]
    assert peer.set_parameter('models', [str(second)]).successful
    assert values() == [0.4, 0.75]


def test_smoothing_time_and_track_timeout_take_effect(camera: Camera, peer: Peer) -> None:
    """Without smoothing each image counts alone; a gap longer than the timeout ends a track."""
    camera.result_of(image_message(HEAD), stamp=10.0)
    (face,) = camera.result_of(image_message(HEAD), stamp=10.5).faces
    assert estimate(face, 'gender').frame_count == 2
    assert peer.set_parameter('smoothing_time', 0.0).successful
    (single,) = camera.result_of(image_message(HEAD), stamp=11.0).faces
    assert estimate(single, 'gender').frame_count == 1
    assert single.track_id == face.track_id
    assert peer.set_parameter('track_timeout', 0.2).successful
    (other,) = camera.result_of(image_message(HEAD), stamp=11.5).faces
    assert other.track_id != face.track_id
    assert peer.set_parameter('track_timeout', 5.0).successful
    (again,) = camera.result_of(image_message(HEAD), stamp=15.0).faces
    assert again.track_id == other.track_id


def test_rate_is_limited_by_the_stamps(start_node: StartNode, peer: Peer) -> None:
    """Of 10 images a second 2 are processed, also of a recording that starts again."""
    start_node('-p', 'image_reliability:=reliable')
    camera = Camera(peer)
    camera.connect()
    assert peer.set_parameter('max_processing_rate', 2.0).successful

    def assert_processed(stamps: list[float], expected: list[float]) -> None:
        camera.results.clear()
        for stamp in stamps:
            # A queue of 1 drops images that arrive too fast, which must not be the expected ones.
            if stamp in expected:
                camera.result_of(image_message(BLANK), stamp)
            else:
                camera.publish(image_message(BLANK), stamp)
                peer.spin(0.05)
        assert [seconds(each.header.stamp) for each in camera.results] == expected

    assert_processed([100 + i / 10 for i in range(11)], [100.0, 100.5, 101.0])
    assert_processed([50.0], [50.0])
    assert_processed([50.1, 50.4996, 50.6, 51.0], [50.4996, 51.0])
    # A camera without stamps is not limited.
    for _ in range(3):
        assert_processed([0.0], [0.0])
    assert peer.set_parameter('max_processing_rate', 0.0).successful
    assert_processed([200.0, 200.01], [200.0, 200.01])


def test_transport_can_be_switched(camera: Camera, peer: Peer) -> None:
    """The node subscribes to the other topic, and back."""
    compressed = Camera(peer, '/image/compressed', kind=CompressedImage)
    assert peer.set_parameter('image_transport', 'compressed').successful
    compressed.connect(compressed_message(BLANK, 'jpeg'))
    assert len(compressed.result_of(compressed_message(HEAD, 'jpeg')).faces) == 1
    peer.wait_for(lambda: camera.matches() == 0, 'the end of the raw subscription')
    assert peer.set_parameter('image_transport', 'raw').successful
    camera.results.clear()
    camera.connect()
    assert len(camera.result_of(image_message(HEAD)).faces) == 1
    peer.wait_for(lambda: compressed.matches() == 0, 'the end of the compressed subscription')


def test_reliability_can_be_switched(camera: Camera, peer: Peer) -> None:
    """The node subscribes again, as the graph shows, and images still arrive."""

    def reliabilities() -> list[str]:
        subscribers = peer.node.get_subscriptions_info_by_topic('/image')
        return [each.qos_profile.reliability.name for each in subscribers]

    assert reliabilities() == ['BEST_EFFORT']
    assert peer.set_parameter('image_reliability', 'reliable').successful
    peer.wait_for(lambda: reliabilities() == ['RELIABLE'], 'a reliable subscription')
    camera.results.clear()
    camera.connect()
    assert len(camera.result_of(image_message(HEAD)).faces) == 1


# A node that cannot start


def line_of(start_node: StartNode, *arguments: str) -> str:
    """Return the line of a node that cannot start; it ends with exit code 2."""
    node = start_node(*arguments, until_active=False)
    assert node.wait() == 2, node.log
    (line,) = node.log.splitlines()
    assert 'face_classification' in line
    return line


@pytest.mark.parametrize(
    'parameter, reason',
    [
        ('models:=[/no/model.onnx]', '/no/model.onnx'),
        ('models:=[resnet]', 'resnet'),
        ('attributes:=[hat]', 'hat'),
        ('unknown_threshold.hat:=0.5', 'unknown_threshold.hat'),
        ('unknown_threshold.gender:=1.5', 'unknown_threshold.gender'),
        ('explanation_attribute:=hat', 'explanation_attribute'),
        ('detector:=mtcnn', 'detector'),
        ('detector:=yunet', 'yunet'),
        ('image_transport:=theora', 'image_transport'),
        ('detection_threshold:=1.5', 'detection_threshold'),
        ('num_threads:=0', 'num_threads'),
        ('detection_size:=wide', 'detection_size'),
        ('detection_size:=[]', 'detection_size'),
        ('models:=gender_mini_xception', '[gender_mini_xception]'),
    ],
)
def test_impossible_value_at_the_start_is_an_error_of_one_line(
    start_node: StartNode, parameter: str, reason: str
) -> None:
    """The line names the parameter or its value."""
    assert reason in line_of(start_node, '-p', parameter)


def test_file_that_is_not_a_model_is_an_error_of_one_line(
    start_node: StartNode, tmp_path: Path, make_model: MakeModel
) -> None:
    """Neither a file of text nor an ONNX file of another project is accepted."""
    text = tmp_path / 'text.onnx'
    text.write_text('not a model')
    for path in (text, make_model({'gender': GENDERS}, metadata={})):
        assert str(path) in line_of(start_node, '-p', f'models:=[{path}]')


def test_message_about_an_unknown_threshold_names_the_attributes(start_node: StartNode) -> None:
    """The reason names the attributes of the loaded models."""
    line = line_of(start_node, '-p', 'unknown_threshold.hat:=0.5')
    assert 'no model estimates this attribute; available: gender, emotion, age' in line


def test_wrong_remapping_is_an_error_without_a_traceback(start_node: StartNode) -> None:
    """It ends like every other wrong use."""
    node = start_node('-r', 'image:=//two//slashes', until_active=False)
    assert node.wait() == 2
    assert "Couldn't parse" in node.log
    assert 'Traceback' not in node.log


@pytest.mark.parametrize('how', ['assignment', 'file', 'argument'])
def test_unknown_parameter_or_argument_is_an_error_of_one_line(
    start_node: StartNode, tmp_path: Path, how: str
) -> None:
    """On the command line and in a section of the node; the line has the most similar name."""
    path = tmp_path / 'parameters.yaml'
    path.write_text('face_classification:\n  ros__parameters:\n    detection_sise: 5\n')
    arguments, expected = {
        'assignment': (('-p', 'detection_treshold:=0.5'), 'detection_threshold'),
        'file': (('--params-file', str(path)), 'detection_size'),
        'argument': (('--', '--foo'), '--foo'),
    }[how]
    assert expected in line_of(start_node, *arguments)


def test_parameters_of_ros_and_of_other_nodes_are_legal(
    start_node: StartNode, tmp_path: Path
) -> None:
    """A section for all nodes may have parameters of others, of which the log warns."""
    path = tmp_path / 'parameters.yaml'
    path.write_text(
        '/**:\n  ros__parameters: {frame_rate: 30, use_sim_time: false}\n'
        'face_classification:\n  ros__parameters:\n    start_type_description_service: true\n'
        '    diagnostic_updater: {period: 2.0}\n'
        'other:\n  ros__parameters: {detection_sise: 5}\n'
    )
    node = start_node(
        *('--params-file', str(path), '-p', 'unknown_threshold.gender:=0.6'),
        *('-p', 'qos_overrides./faces.publisher.depth:=3'),
    )
    (warning,) = (line for line in node.log.splitlines() if 'no parameter' in line)
    assert 'WARN' in warning
    assert 'frame_rate' in warning
