"""The node as a process over DDS: images in, faces out, from its start to its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import signal
import time
from typing import Any

import cv2
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from ros_peers import (
    BLANK,
    box_of,
    Camera,
    estimate,
    FACE,
    HEAD,
    image_message,
    LATCHED,
    NodeProcess,
    Peer,
    pixels_of,
)
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from vision_msgs.msg import Detection2DArray, LabelInfo

from face_classification_ros.ros.conversions.messages import seconds
from face_classification_ros.types import BoundingBox, Image

LABELS = {
    'gender': ['woman', 'man'],
    'emotion': ['angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral'],
    'age': ['0-2', '3-9', '10-19', '20-29', '30-39', '40-49', '50-59', '60-69', '70+'],
}
CLASSES = ['face', *(f'{name}/{label}' for name, labels in LABELS.items() for label in labels)]

StartNode = Callable[..., NodeProcess]
MakeModel = Callable[..., Path]


def inside(image: Image, box: BoundingBox) -> Image:
    """Return the center of a face, without the lines of its box."""
    left, top = round(box.x + box.width * 0.2), round(box.y + box.height * 0.2)
    return image[top : top + round(box.height * 0.6), left : left + round(box.width * 0.6)]


def detail(image: Image) -> float:
    """Return the mean strength of edges."""
    return float(np.abs(cv2.Laplacian(image, cv2.CV_32F)).mean())


# Faces


def test_faces_are_published_once_for_every_image(start_node: StartNode, peer: Peer) -> None:
    """With the header of the image, also without faces, and in the order of the images."""
    start_node('-p', 'image_reliability:=reliable')
    camera = Camera(peer)
    camera.connect()
    sent = [image_message(HEAD if i % 2 else BLANK) for i in range(6)]
    results = [camera.result_of(message) for message in sent]
    assert camera.results == results
    assert [each.header for each in results] == [message.header for message in sent]
    assert [len(each.faces) for each in results] == [0, 1, 0, 1, 0, 1]
    for message, result in zip(sent, results, strict=True):
        assert (result.image_width, result.image_height) == (message.width, message.height)
        assert 0 < result.processing_time < 60


def test_face_has_box_landmarks_and_confidence(camera: Camera) -> None:
    """Boxes and landmarks are in pixels of the image."""
    first = camera.result_of(image_message(HEAD))
    (face,) = first.faces
    assert box_of(face).iou(FACE) > 0.6
    assert face.detection_confidence > 0.6
    assert not face.has_position
    # Right eye, left eye, nose, right and left corner of the mouth.
    expected = [(70, 82), (117, 83), (90, 104), (69, 123), (110, 124)]
    assert np.allclose([(point.x, point.y) for point in face.landmarks], expected, atol=8)
    (again,) = camera.result_of(image_message(HEAD)).faces
    assert again.track_id == face.track_id != ''
    assert again.first_seen == face.first_seen == first.header.stamp


def test_attributes_are_distributions_in_the_order_of_the_model(camera: Camera) -> None:
    """The labels are those of the manual, and the sum of all probabilities is 1."""
    for frame_count in (1, 2):
        (face,) = camera.result_of(image_message(HEAD)).faces
        assert [each.name for each in face.attributes] == list(LABELS)
        for found, labels in zip(face.attributes, LABELS.values(), strict=True):
            assert list(found.labels) == labels
            for probabilities in (found.probabilities, found.frame_probabilities):
                assert len(probabilities) == len(labels)
                assert sum(probabilities) == pytest.approx(1, abs=1e-4)
            assert found.confidence == pytest.approx(max(found.probabilities), abs=1e-6)
            best = labels[int(np.argmax(found.probabilities))]
            assert found.label in (best, 'unknown')
            assert found.frame_count == frame_count


def test_astronaut_is_a_woman_and_happy(camera: Camera) -> None:
    """The default model is right; no other test of the node needs good weights."""
    for _ in range(3):
        (face,) = camera.result_of(image_message(HEAD)).faces
    assert estimate(face, 'gender').label == 'woman'
    assert estimate(face, 'emotion').label == 'happy'


def test_several_faces_are_sorted_by_size(start_node: StartNode, peer: Peer) -> None:
    """Each face has its own track and estimates, wherever it is in the image."""
    start_node('-p', 'detection_size:=640')
    camera = Camera(peer)
    camera.connect()
    image = np.zeros((220, 480, 3), np.uint8)
    boxes = []
    for scale, x in ((0.5, 0), (1.0, 110), (0.75, 320)):
        side = round(200 * scale)
        image[10 : 10 + side, x : x + side] = cv2.resize(HEAD, (side, side))
        face = FACE.scaled(scale)
        boxes.append(BoundingBox(face.x + x, face.y + 10, face.width, face.height))
    expected = sorted(boxes, key=lambda box: box.area, reverse=True)
    for _ in range(2):
        faces = camera.result_of(image_message(image)).faces
        assert len(faces) == 3
        for face, box in zip(faces, expected, strict=True):
            assert box_of(face).iou(box) > 0.5
        assert len({face.track_id for face in faces}) == 3
        assert all(len(face.attributes) == 3 for face in faces)


def test_probabilities_are_filtered_over_the_track(
    start_node: StartNode, peer: Peer, make_model: MakeModel
) -> None:
    """The weight of an image decreases to 1/e in `smoothing_time` seconds of the stamps."""
    model = make_model({'hat': ['yes', 'no']})
    start_node('-p', f'models:=[{model}]', '-p', 'smoothing_time:=2.0')
    camera = Camera(peer)
    camera.connect()
    (bright,) = camera.result_of(image_message(HEAD), stamp=100.0).faces
    (dark,) = camera.result_of(image_message(HEAD // 2), stamp=101.0).faces
    before, after = bright.attributes[0], dark.attributes[0]
    p, q = before.frame_probabilities[0], after.frame_probabilities[0]
    assert q < 0.6 * p
    kept = np.exp(-1 / 2)
    assert dark.track_id == bright.track_id
    assert after.probabilities[0] == pytest.approx((p * kept + q) / (kept + 1), abs=1e-4)
    assert after.frame_count == 2


# Other outputs


def test_detections_have_the_classes_of_the_manual(camera: Camera, peer: Peer) -> None:
    """Subscribers that know only vision_msgs receive the same faces."""
    detections = peer.collect(Detection2DArray, '/face_classification/detections')
    results: list[Any] = []
    pairs: list[tuple[Detection2DArray, Any]] = []

    def arrived() -> bool:
        results.append(camera.result_of(image_message(HEAD)))
        pairs.extend(
            (message, result.faces)
            for message in detections
            for result in results
            if message.header == result.header
        )
        return bool(pairs)

    # The first detections may be of an image of an earlier test.
    peer.wait_for(arrived, 'detections')
    message, faces = pairs[0]
    (detection,) = message.detections
    assert detection.id == faces[0].track_id
    assert detection.header == message.header
    scores = {each.hypothesis.class_id: each.hypothesis.score for each in detection.results}
    assert list(scores) == CLASSES
    gender, emotion, _ = faces[0].attributes
    assert scores['face'] == pytest.approx(faces[0].detection_confidence, abs=1e-6)
    assert scores['gender/woman'] == pytest.approx(gender.probabilities[0], abs=1e-6)
    assert scores['emotion/happy'] == pytest.approx(emotion.probabilities[3], abs=1e-6)
    center, box = detection.bbox.center.position, box_of(faces[0])
    assert abs(center.x - box.x - box.width / 2) <= 1
    assert abs(center.y - box.y - box.height / 2) <= 1


def test_late_subscriber_receives_the_classes(start_node: StartNode, peer: Peer) -> None:
    """The classes are latched, and published again with other models."""
    start_node()
    labels = peer.collect(LabelInfo, '/face_classification/label_info', LATCHED)
    peer.wait_for(lambda: labels, 'the classes')
    assert [each.class_name for each in labels[0].class_map] == CLASSES
    assert [each.class_id for each in labels[0].class_map] == list(range(len(CLASSES)))
    assert labels[0].threshold == pytest.approx(0.6)
    assert peer.set_parameter('attributes', ['emotion']).successful
    late = peer.collect(LabelInfo, '/face_classification/label_info', LATCHED)
    peer.wait_for(lambda: late, 'the classes again')
    assert [each.class_name for each in late[-1].class_map] == [
        name for name in CLASSES if not name.startswith(('gender/', 'age/'))
    ]


def test_annotated_image_is_published_after_a_subscription(camera: Camera, peer: Peer) -> None:
    """It has the header and size of an image that was published after the subscription."""
    before = camera.result_of(image_message(HEAD)).header.stamp
    annotated = peer.collect(ImageMessage, '/face_classification/image_annotated')
    sent: list[ImageMessage] = []
    of_sent: list[ImageMessage] = []

    def arrived() -> bool:
        sent.append(image_message(HEAD))
        camera.result_of(sent[-1])
        # The node may discover the subscriber between the faces and the annotated image of the
        # image before.
        stamps = [each.header.stamp for each in sent]
        of_sent[:] = [each for each in annotated if each.header.stamp in stamps]
        return bool(of_sent)

    peer.wait_for(arrived, 'an annotated image')
    assert all(each.header.stamp == before for each in annotated if each not in of_sent)
    message = of_sent[0]
    assert message.header.stamp != before
    assert message.header.frame_id == 'head_camera'
    assert (message.width, message.height, message.step) == (200, 200, 600)
    drawn = pixels_of(message)
    assert (drawn != HEAD).any()
    assert detail(inside(drawn, FACE)) > 0.9 * detail(inside(HEAD, FACE))


def test_annotated_image_is_published_as_jpeg(camera: Camera, peer: Peer) -> None:
    """On the topic that image_transport uses."""
    annotated = peer.collect(CompressedImage, '/face_classification/image_annotated/compressed')

    def arrived() -> bool:
        header = camera.result_of(image_message(HEAD)).header
        return bool(peer.happens(lambda: annotated and annotated[-1].header == header, 0.5))

    peer.wait_for(arrived, 'an annotated image')
    message = annotated[-1]
    assert 'jpeg' in message.format
    decoded = cv2.imdecode(np.frombuffer(bytes(message.data), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == HEAD.shape


def test_annotated_image_can_be_switched_off_and_faces_blurred(
    start_node: StartNode, peer: Peer
) -> None:
    """Both can be set at the start and at run time."""
    start_node('-p', 'publish_annotated:=false', '-p', 'blur_faces:=true')
    camera = Camera(peer)
    camera.connect()
    annotated = peer.collect(ImageMessage, '/face_classification/image_annotated')

    def newest() -> Image:
        """Return the annotated image of the newest image."""

        def arrived() -> bool:
            header = camera.result_of(image_message(HEAD)).header
            if not annotated or annotated[-1].header != header:
                peer.spin(0.2)
            return bool(annotated) and annotated[-1].header == header

        peer.wait_for(arrived, 'an annotated image')
        return pixels_of(annotated[-1])

    for _ in range(5):
        last = camera.result_of(image_message(HEAD)).header
    assert peer.set_parameter('publish_annotated', True).successful
    blurred = newest()
    assert seconds(annotated[0].header.stamp) > seconds(last.stamp)
    assert detail(inside(blurred, FACE)) < 0.3 * detail(inside(HEAD, FACE))
    assert peer.set_parameter('blur_faces', False).successful
    assert detail(inside(newest(), FACE)) > 0.9 * detail(inside(HEAD, FACE))


# Names


def test_two_nodes_work_at_the_same_time(start_node: StartNode, peer: Peer) -> None:
    """One in a namespace, one with another name and camera: all names are relative."""
    start_node('-r', '__ns:=/robot/torso')
    start_node('-r', 'image:=/head/image_raw', '-r', '__node:=head_faces')
    torso = Camera(peer, '/robot/torso/image', '/robot/torso/face_classification/faces')
    head = Camera(peer, '/head/image_raw', '/head_faces/faces')
    torso.connect()
    head.connect()
    assert len(torso.result_of(image_message(HEAD)).faces) == 1
    assert len(head.result_of(image_message(BLANK)).faces) == 0
    assert torso.results[-1].image_width == HEAD.shape[1]
    assert head.results[-1].image_width == BLANK.shape[1]
    # Topics are discovered before the names of their nodes.
    name, namespace = 'face_classification', '/robot/torso'
    peer.wait_for(lambda: (name, namespace) in peer.node.get_node_names_and_namespaces())
    shared = {'/rosout', '/parameter_events', '/diagnostics'}
    topics = peer.node.get_publisher_names_and_types_by_node(name, namespace)
    names = {topic for topic, _ in topics} - shared
    assert names
    assert all(topic.startswith('/robot/torso/face_classification/') for topic in names)


def test_topics_are_logged_at_the_start(start_node: StartNode) -> None:
    """With their full names."""
    node = start_node('-r', '__ns:=/robot', '-r', 'image:=camera/image_raw')
    line = node.wait_for_log('publishes ')
    for topic in ('faces', 'detections', 'label_info', 'image_annotated', 'explanation'):
        assert f'/robot/face_classification/{topic}' in line
    node.wait_for_log('/robot/camera/image_raw (sensor_msgs/msg/Image, best_effort)')


# Life cycle


def test_managed_node_waits_for_its_manager(start_node: StartNode, peer: Peer) -> None:
    """Without autostart it has no subscription until it is configured and activated."""
    start_node('-p', 'autostart:=false', until_active=False)
    assert peer.state() == 'unconfigured'
    camera = Camera(peer)
    assert peer.change_state(Transition.TRANSITION_CONFIGURE)
    assert peer.state() == 'inactive'
    assert peer.node.count_subscribers('/image') == 0
    assert peer.change_state(Transition.TRANSITION_ACTIVATE)
    assert peer.state() == 'active'
    camera.connect()
    assert len(camera.result_of(image_message(HEAD)).faces) == 1


def test_deactivated_node_unsubscribes(camera: Camera, peer: Peer) -> None:
    """It publishes nothing, and continues its tracks when it is active again."""
    (before,) = camera.result_of(image_message(HEAD)).faces
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
    assert peer.state() == 'inactive'
    peer.wait_for(lambda: camera.matches() == 0, 'the end of the subscription')
    camera.results.clear()
    ignored = camera.publish(image_message(HEAD))
    assert peer.change_state(Transition.TRANSITION_ACTIVATE)
    camera.connect()
    (after,) = camera.result_of(image_message(HEAD)).faces
    assert after.track_id == before.track_id
    assert ignored not in [each.header for each in camera.results]


def test_node_can_be_configured_again_and_reuses_no_id(camera: Camera, peer: Peer) -> None:
    """A clean-up removes the topics, and the node works again after it."""
    (before,) = camera.result_of(image_message(HEAD)).faces
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
    assert peer.change_state(Transition.TRANSITION_CLEANUP)
    assert peer.state() == 'unconfigured'
    topic = '/face_classification/faces'
    peer.wait_for(lambda: peer.node.count_publishers(topic) == 0, 'the removal of the topic')
    camera.results.clear()
    assert peer.change_state(Transition.TRANSITION_CONFIGURE)
    assert peer.change_state(Transition.TRANSITION_ACTIVATE)
    camera.connect()
    (after,) = camera.result_of(image_message(HEAD)).faces
    assert int(after.track_id) > int(before.track_id)


def test_impossible_transition_is_rejected(camera: Camera, peer: Peer) -> None:
    """The request fails, and the node continues."""
    assert not peer.change_state(Transition.TRANSITION_CONFIGURE)
    assert not peer.change_state(Transition.TRANSITION_CLEANUP)
    assert not peer.change_state(99)
    assert peer.state() == 'active'
    assert len(camera.result_of(image_message(HEAD)).faces) == 1


def test_node_that_cannot_be_configured_stays_unconfigured(
    start_node: StartNode, peer: Peer
) -> None:
    """The transition fails, the log has the reason, and with another model it succeeds."""
    node = start_node(
        '-p', 'autostart:=false', '-p', 'models:=[/no/model.onnx]', until_active=False
    )
    assert not peer.change_state(Transition.TRANSITION_CONFIGURE)
    assert peer.state() == 'unconfigured'
    node.wait_for_log('/no/model.onnx')
    assert peer.set_parameter('models', ['gender_mini_xception']).successful
    assert peer.change_state(Transition.TRANSITION_CONFIGURE)
    assert peer.state() == 'inactive'


# The end


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_a_busy_node(start_node: StartNode, peer: Peer, how: signal.Signals) -> None:
    """The exit code is 0 and no traceback is printed, regardless of the running callback."""
    node = start_node('-p', 'detection_size:=4096')
    camera = Camera(peer)
    camera.connect()
    peer.collect(ImageMessage, '/face_classification/image_annotated')
    large = image_message(cv2.resize(HEAD, (400, 400)))
    camera.result_of(large)
    for _ in range(3):
        camera.publish(large)
        peer.spin(0.005)
    assert node.stop(how) == 0
    assert node.errors == []


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_an_idle_node(start_node: StartNode, peer: Peer, how: signal.Signals) -> None:
    """No other event is necessary."""
    node = start_node('-p', 'autostart:=false', until_active=False)
    assert peer.state() == 'unconfigured'
    assert node.stop(how) == 0
    assert 'Traceback' not in node.log


@pytest.mark.parametrize('stamp', [0.0, 100.0])
def test_tracks_end_if_stamps_are_zero_or_constant(
    start_node: StartNode, peer: Peer, stamp: float
) -> None:
    """Images then have the time of their arrival, and the log says so once."""
    node = start_node('-p', 'track_timeout:=2.0')
    camera = Camera(peer)
    camera.connect()

    def track_ids(image: Image) -> list[str]:
        camera.results.clear()
        return [
            face.track_id for face in camera.result_of(image_message(image), stamp=stamp).faces
        ]

    def track_ids_for(image: Image, duration: float) -> set[str]:
        end, found = time.monotonic() + duration, set(track_ids(image))
        while time.monotonic() < end:
            peer.spin(0.1)
            found |= set(track_ids(image))
        return found

    (stays,) = track_ids_for(HEAD, 2.5)
    assert not track_ids_for(BLANK, 2.5)
    (returns,) = track_ids(HEAD)
    assert returns != stays
    text = f'the stamps of the images stay at {stamp:.3f} s'
    assert node.log.count(text) == 1
    assert 'time jumped back' not in node.log.partition(text)[2]
