"""The node's parameters: described, checked, and each with an effect at run time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters
from ros_peers import (
    BLANK,
    box_of,
    Camera,
    compressed_message,
    HEAD,
    image_message,
    NodeProcess,
    Peer,
)
from sensor_msgs.msg import CompressedImage

from face_classification_ros.ros.conversions.messages import seconds
from face_classification_ros.ros.node.parameters import descriptor_of, Parameters, validation_error

NAMES = [each.name for each in fields(Parameters)]
GENDERS = ['woman', 'man']

StartNode = Callable[..., NodeProcess]
MakeModel = Callable[..., Path]


# Without a node


def test_default_is_accepted() -> None:
    """No default is one that the node would refuse."""
    assert validation_error(Parameters().__dict__) == ''


@pytest.mark.parametrize('name', NAMES)
def test_parameter_says_what_it_does_and_what_it_may_be(name: str) -> None:
    """Each has a description, each number a range that holds its default."""
    descriptor = descriptor_of(name)
    assert descriptor.name == name
    assert len(descriptor.description) > 10
    default = getattr(Parameters(), name)
    if isinstance(default, bool | str):
        return
    kind = 'floating_point_range' if isinstance(default, float) else 'integer_range'
    (range_,) = getattr(descriptor, kind)
    assert range_.from_value <= default <= range_.to_value


@pytest.mark.parametrize('name', ['detector', 'image_transport', 'image_reliability'])
def test_choice_that_is_none_is_named_with_those_that_are(name: str) -> None:
    """The reason names parameter, value and choices."""
    problem = validation_error({name: 'telepathy'})
    assert f"{name}: 'telepathy' is none of " in problem
    assert getattr(Parameters(), name) in problem


# A node that runs


def test_node_tells_of_its_parameters(start_node: StartNode, peer: Peer) -> None:
    """Tools such as rqt get descriptions and ranges from the node."""
    start_node()
    service = '/face_classification/list_parameters'
    listed = peer.call(ListParameters, service, ListParameters.Request()).result.names
    assert set(NAMES) <= set(listed)
    service = '/face_classification/describe_parameters'
    request = DescribeParameters.Request(names=NAMES)
    for descriptor in peer.call(DescribeParameters, service, request).descriptors:
        assert descriptor.description == descriptor_of(descriptor.name).description
        assert descriptor.floating_point_range == (
            descriptor_of(descriptor.name).floating_point_range
        )
        assert descriptor.integer_range == descriptor_of(descriptor.name).integer_range


def test_value_that_cannot_work_is_refused_and_changes_nothing(
    camera: Camera, peer: Peer, tmp_path: Path
) -> None:
    """Each refusal has its reason, and the node goes on as it was."""
    (tmp_path / 'text.onnx').write_text('no model')
    refused: list[tuple[str, Any, str]] = [
        ('detection_threshold', 1.5, 'Max: 1.0, value: 1.5'),
        ('detection_threshold', -0.1, 'Min: 0.0'),
        ('detection_threshold', float('nan'), 'value: nan'),
        ('detection_threshold', 1, 'Type'),
        ('detection_size', 31, 'Min: 32'),
        ('detection_size', 320.0, 'Type'),
        ('min_face_size', -1, 'Min: 0'),
        ('rotation', 45, 'step: 90'),
        ('rotation', 360, 'Max: 270'),
        ('unknown_threshold_gender', 2.0, 'Max: 1.0'),
        ('smoothing_time', -1.0, 'Min: 0.0'),
        ('track_timeout', 61.0, 'Max: 60.0'),
        ('max_processing_rate', float('inf'), 'Max: 1000.0'),
        ('num_threads', 0, 'Min: 1'),
        ('image_transport', 'theora', "'theora' is none of raw, compressed"),
        ('image_reliability', 'perfect', "'perfect' is none of best_effort, reliable"),
        ('detector', 'mtcnn', "'mtcnn' is none of libfacedetection, haar, yunet"),
        ('detector', 'yunet', 'yunet needs the path of an ONNX file'),
        ('gender_model', '/no/model.onnx', 'model file /no/model.onnx does not exist'),
        ('gender_model', 'resnet', "no shipped model is called 'resnet'; give one of "),
        ('gender_model', 'emotion_mini_xception', 'tells emotion, not gender'),
        ('emotion_model', str(tmp_path / 'text.onnx'), 'is not a usable ONNX file'),
        ('autostart', False, 'read-only'),
    ]
    names = sorted({name for name, _, _ in refused})

    def values() -> Any:
        request = GetParameters.Request(names=names)
        return peer.call(GetParameters, '/face_classification/get_parameters', request).values

    before = values()
    (face,) = camera.ask(image_message(HEAD)).faces
    for name, value, reason in refused:
        result = peer.set_parameter(name, value)
        assert not result.successful, (name, value)
        assert reason in result.reason, (name, value)
        assert '\n' not in result.reason, (name, value)
    result = peer.set_parameters(unknown_threshold_gender=0.1, detector='mtcnn')
    assert not result.successful
    assert values() == before
    (after,) = camera.ask(image_message(HEAD)).faces
    assert after.track_id == face.track_id
    assert after.gender.labels == face.gender.labels
    assert after.emotion.frame_count == face.emotion.frame_count + 1


def test_parameters_of_detection_take_effect(camera: Camera, peer: Peer) -> None:
    """What is too small or not sure enough is no face, at once and until it is set back."""

    def count() -> int:
        return len(camera.ask(image_message(HEAD)).faces)

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


def test_threads_are_those_of_the_parameter(start_node: StartNode, peer: Peer) -> None:
    """Each of the two networks has so many, one of which is the node's own; OpenCV has some."""
    node = start_node()
    camera = Camera(peer)
    camera.connect()
    alone = node.num_threads
    assert peer.set_parameter('num_threads', 3).successful
    assert len(camera.ask(image_message(HEAD)).faces) == 1
    several = node.num_threads
    assert several >= alone + 4
    assert peer.set_parameter('num_threads', 1).successful
    assert len(camera.ask(image_message(HEAD)).faces) == 1
    assert node.num_threads <= several - 4


def test_interval_of_detection_takes_effect(camera: Camera, peer: Peer) -> None:
    """Who comes in is found by the next search of the whole picture, or at once with 1."""
    wall = np.full_like(HEAD, 128)
    alone = image_message(np.hstack([HEAD, wall, wall, wall]))
    both = image_message(np.hstack([HEAD, wall, wall, HEAD]))
    for interval, expected in ((1, [1, 2, 2, 2, 2]), (4, [1, 1, 1, 1, 2])):
        assert peer.set_parameter('detection_interval', interval).successful
        counts = [len(camera.ask(each).faces) for each in (alone, both, both, both, both)]
        assert counts == expected, interval


def test_detector_and_its_model_can_be_changed(camera: Camera, peer: Peer) -> None:
    """The face keeps its track; the other detector knows no landmarks."""
    if not hasattr(cv2, 'CascadeClassifier') or not hasattr(cv2, 'data'):
        pytest.skip('this OpenCV brings no cascades')
    (face,) = camera.ask(image_message(HEAD)).faces
    assert len(face.landmarks) == 5
    assert peer.set_parameter('detector', 'haar').successful
    (same,) = camera.ask(image_message(HEAD)).faces
    assert len(same.landmarks) == 0
    assert same.track_id == face.track_id
    eyes = f'{cv2.data.haarcascades}haarcascade_eye.xml'
    assert peer.set_parameters(detector_model=eyes, detection_threshold=0.3).successful
    found = [box_of(each) for each in camera.ask(image_message(HEAD)).faces]
    assert found
    assert all(box.width < 0.7 * box_of(same).width for box in found)
    assert peer.set_parameters(detector='libfacedetection', detector_model='').successful
    assert len(camera.ask(image_message(HEAD)).faces[0].landmarks) == 5


def test_attribute_can_be_switched_off_and_on(camera: Camera, peer: Peer) -> None:
    """What is off has an empty label, and the other one is told all the same."""
    for off, on in (('gender', 'emotion'), ('emotion', 'gender')):
        assert peer.set_parameter(f'{off}_model', '').successful
        (face,) = camera.ask(image_message(HEAD)).faces
        estimate = getattr(face, off)
        assert (estimate.label, list(estimate.labels), estimate.frame_count) == ('', [], 0)
        assert getattr(face, on).label != ''
        assert peer.set_parameter(f'{off}_model', f'{off}_mini_xception').successful
        (face,) = camera.ask(image_message(HEAD)).faces
        assert getattr(face, off).label != ''


def test_model_with_other_labels_replaces_the_old_one(
    camera: Camera, peer: Peer, make_model: MakeModel
) -> None:
    """The track goes on, its average starts anew, and one file may tell both attributes."""
    (before,) = camera.ask(image_message(HEAD)).faces
    path = str(make_model({'gender': GENDERS, 'emotion': ['sad', 'happy', 'neutral']}))
    assert peer.set_parameters(gender_model=path, emotion_model=path).successful
    (face,) = camera.ask(image_message(HEAD)).faces
    assert face.track_id == before.track_id
    assert list(face.emotion.labels) == ['sad', 'happy', 'neutral']
    assert (face.gender.frame_count, face.emotion.frame_count) == (1, 1)
    assert face.emotion.probabilities[1] == pytest.approx(face.emotion.probabilities[2])
    assert face.gender.probabilities[0] == pytest.approx(face.emotion.probabilities[0], abs=1e-5)


def test_thresholds_decide_what_is_unknown(
    camera: Camera, peer: Peer, make_model: MakeModel
) -> None:
    """Below the threshold the label is unknown, while probabilities are told all the same."""
    path = str(make_model({'gender': GENDERS, 'emotion': ['sad', 'happy', 'neutral']}))
    assert peer.set_parameters(gender_model=path, emotion_model=path).successful
    for name in ('gender', 'emotion'):
        for threshold in (0.0, 1.0):
            assert peer.set_parameter(f'unknown_threshold_{name}', threshold).successful
            (face,) = camera.ask(image_message(HEAD)).faces
            estimate = getattr(face, name)
            assert (estimate.label == 'unknown') == bool(threshold)
            assert 0 < estimate.confidence < 1
            assert sum(estimate.probabilities) == pytest.approx(1, abs=1e-5)


def test_smoothing_time_and_track_timeout_take_effect(camera: Camera, peer: Peer) -> None:
    """Without smoothing each picture counts alone; without time-out each gap ends a track."""
    camera.ask(image_message(HEAD), stamp=10.0)
    (face,) = camera.ask(image_message(HEAD), stamp=10.5).faces
    assert face.gender.frame_count == 2
    assert peer.set_parameter('smoothing_time', 0.0).successful
    (single,) = camera.ask(image_message(HEAD), stamp=11.0).faces
    assert single.gender.frame_count == 1
    assert single.track_id == face.track_id
    assert peer.set_parameter('track_timeout', 0.2).successful
    (other,) = camera.ask(image_message(HEAD), stamp=11.5).faces
    assert other.track_id != face.track_id
    assert peer.set_parameter('track_timeout', 5.0).successful
    (again,) = camera.ask(image_message(HEAD), stamp=15.0).faces
    assert again.track_id == other.track_id


def test_rate_is_limited_by_the_stamps(start_node: StartNode, peer: Peer) -> None:
    """Of 10 pictures a second 2 are worked on; a recording that starts again is followed."""
    start_node('-p', 'image_reliability:=reliable')
    camera = Camera(peer)
    camera.connect()
    assert peer.set_parameter('max_processing_rate', 2.0).successful

    def assert_answered(stamps: list[float], expected: list[float]) -> None:
        camera.answers.clear()
        for stamp in stamps:
            # A depth of 1 drops what comes too fast: what is to be answered must not be among it.
            if stamp in expected:
                camera.ask(image_message(BLANK), stamp)
            else:
                camera.publish(image_message(BLANK), stamp)
                peer.spin(0.05)
        assert [seconds(each.header.stamp) for each in camera.answers] == expected

    assert_answered([100 + i / 10 for i in range(11)], [100.0, 100.5, 101.0])
    assert_answered([50.0], [50.0])
    assert_answered([50.1, 50.4996, 50.6, 51.0], [50.4996, 51.0])
    # A camera that sets no stamps is not silenced.
    for _ in range(3):
        assert_answered([0.0], [0.0])
    assert peer.set_parameter('max_processing_rate', 0.0).successful
    assert_answered([200.0, 200.01], [200.0, 200.01])


def test_transport_can_be_switched(camera: Camera, peer: Peer) -> None:
    """The node leaves one topic for the other, there and back."""
    compressed = Camera(peer, '/image/compressed', kind=CompressedImage)
    assert peer.set_parameter('image_transport', 'compressed').successful
    compressed.connect(compressed_message(BLANK, 'jpeg'))
    assert len(compressed.ask(compressed_message(HEAD, 'jpeg')).faces) == 1
    peer.wait_for(lambda: camera.matches() == 0, 'the end of the raw subscription')
    assert peer.set_parameter('image_transport', 'raw').successful
    camera.answers.clear()
    camera.connect()
    assert len(camera.ask(image_message(HEAD)).faces) == 1
    peer.wait_for(lambda: compressed.matches() == 0, 'the end of the compressed subscription')


def test_reliability_can_be_switched(camera: Camera, peer: Peer) -> None:
    """The subscription is made anew, as the graph shows, and pictures still arrive."""

    def reliabilities() -> list[str]:
        subscribers = peer.node.get_subscriptions_info_by_topic('/image')
        return [each.qos_profile.reliability.name for each in subscribers]

    assert reliabilities() == ['BEST_EFFORT']
    assert peer.set_parameter('image_reliability', 'reliable').successful
    peer.wait_for(lambda: reliabilities() == ['RELIABLE'], 'a reliable subscription')
    camera.answers.clear()
    camera.connect()
    assert len(camera.ask(image_message(HEAD)).faces) == 1


# A node that cannot start


def end_of(start_node: StartNode, *arguments: str) -> str:
    """Give what a node prints that cannot start; it ends with exit code 2 and no traceback."""
    node = start_node(*arguments, until_active=False)
    assert node.wait() == 2, node.log
    assert 'Traceback' not in node.log, node.log
    return node.log


@pytest.mark.parametrize(
    'setting, reason',
    [
        ('gender_model:=/no/model.onnx', 'model file /no/model.onnx does not exist'),
        ('emotion_model:=resnet', "no shipped model is called 'resnet'; give one of "),
        ('gender_model:=emotion_mini_xception', 'tells emotion, not gender'),
        ('detector:=mtcnn', "detector: 'mtcnn' is none of libfacedetection, haar, yunet"),
        ('detector:=yunet', 'yunet needs the path of an ONNX file'),
        ('image_transport:=theora', "image_transport: 'theora' is none of raw, compressed"),
        ('detection_threshold:=1.5', 'detection_threshold out of range'),
        ('num_threads:=0', 'threads out of range'),
        ('detection_size:=wide', 'detection_size'),
    ],
)
def test_bad_start_is_told_in_one_line(start_node: StartNode, setting: str, reason: str) -> None:
    """The line says which value is wrong and what was expected."""
    (line,) = end_of(start_node, '-p', setting).splitlines()
    assert reason in line
    assert 'face_classification' in line


def test_file_that_is_no_model_is_told_in_one_line(
    start_node: StartNode, tmp_path: Path, make_model: MakeModel
) -> None:
    """Neither bytes that are no ONNX nor an ONNX of somebody else's are used."""
    text = tmp_path / 'text.onnx'
    text.write_text('no model')
    (line,) = end_of(start_node, '-p', f'gender_model:={text}').splitlines()
    assert f'model file {text} is not a usable ONNX file' in line
    foreign = make_model({'gender': GENDERS}, metadata={})
    (line,) = end_of(start_node, '-p', f'gender_model:={foreign}').splitlines()
    assert f'model file {foreign} was not made for face_classification_ros' in line


def test_wrong_remapping_is_told_without_a_traceback(start_node: StartNode) -> None:
    """What rclpy refuses ends as any other wrong use."""
    assert "Couldn't parse" in end_of(start_node, '-r', 'image:=//two//slashes')
