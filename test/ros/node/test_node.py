"""The node as a process over DDS: pictures in, faces out, from its start to its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import signal
import time

import cv2
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from ros_peers import (
    BLANK,
    box_of,
    Camera,
    FACE,
    HEAD,
    image_message,
    LATCHED,
    NodeProcess,
    Peer,
)
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from vision_msgs.msg import Detection2DArray, LabelInfo

from face_classification_ros.ros.conversions.messages import seconds
from face_classification_ros.types import BoundingBox, Image

GENDERS = ['woman', 'man']
EMOTIONS = ['angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral']
CLASSES = ['face', *(f'gender/{g}' for g in GENDERS), *(f'emotion/{e}' for e in EMOTIONS)]

StartNode = Callable[..., NodeProcess]
MakeModel = Callable[..., Path]


def pixels_of(message: ImageMessage) -> Image:
    """Give the pixels of a bgr8 message."""
    assert message.encoding == 'bgr8'
    return np.frombuffer(bytes(message.data), np.uint8).reshape(message.height, message.width, 3)


def inside(image: Image, box: BoundingBox) -> Image:
    """Give the middle of a face, where no line of the box is."""
    left, top = round(box.x + box.width * 0.2), round(box.y + box.height * 0.2)
    return image[top : top + round(box.height * 0.6), left : left + round(box.width * 0.6)]


def detail(image: Image) -> float:
    """Give the strength of edges."""
    return float(np.abs(cv2.Laplacian(image, cv2.CV_32F)).mean())


# Faces


def test_every_picture_is_answered_once_with_its_header(start_node: StartNode, peer: Peer) -> None:
    """An array for each picture, with faces or without, and in their order."""
    start_node('-p', 'image_reliability:=reliable')
    camera = Camera(peer)
    camera.connect()
    sent = [image_message(HEAD if i % 2 else BLANK) for i in range(6)]
    answers = [camera.ask(message) for message in sent]
    assert camera.answers == answers
    assert [answer.header for answer in answers] == [message.header for message in sent]
    assert [len(answer.faces) for answer in answers] == [0, 1, 0, 1, 0, 1]
    for message, answer in zip(sent, answers, strict=True):
        assert (answer.image_width, answer.image_height) == (message.width, message.height)
        assert 0 < answer.processing_time < 60


def test_face_is_where_it_is(camera: Camera) -> None:
    """Box, landmarks and confidence are in the pixels of the picture."""
    first = camera.ask(image_message(HEAD))
    (face,) = first.faces
    assert box_of(face).iou(FACE) > 0.6
    assert face.detection_confidence > 0.6
    assert not face.has_position
    # Right eye, left eye, nose, right and left corner of the mouth.
    expected = [(70, 82), (117, 83), (90, 104), (69, 123), (110, 124)]
    assert np.allclose([(point.x, point.y) for point in face.landmarks], expected, atol=8)
    (again,) = camera.ask(image_message(HEAD)).faces
    assert again.track_id == face.track_id != ''
    assert again.first_seen == face.first_seen == first.header.stamp


def test_attributes_are_distributions_in_the_order_of_the_model(camera: Camera) -> None:
    """Labels are those of the manual, and every list of probabilities has the sum 1."""
    for observations in (1, 2):
        (face,) = camera.ask(image_message(HEAD)).faces
        for estimate, labels in ((face.gender, GENDERS), (face.emotion, EMOTIONS)):
            assert list(estimate.labels) == labels
            for probabilities in (estimate.probabilities, estimate.frame_probabilities):
                assert len(probabilities) == len(labels)
                assert sum(probabilities) == pytest.approx(1, abs=1e-4)
            assert estimate.confidence == pytest.approx(max(estimate.probabilities), abs=1e-6)
            best = labels[int(np.argmax(estimate.probabilities))]
            assert estimate.label in (best, 'unknown')
            assert estimate.frame_count == observations


def test_astronaut_is_a_woman_and_happy(camera: Camera) -> None:
    """The shipped models know Eileen Collins; no other test of the node needs good weights."""
    for _ in range(3):
        (face,) = camera.ask(image_message(HEAD)).faces
    assert face.gender.label == 'woman'
    assert face.emotion.label == 'happy'


def test_several_faces_come_largest_first(start_node: StartNode, peer: Peer) -> None:
    """Each face has a track and an answer of its own, wherever it is in the picture."""
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
        faces = camera.ask(image_message(image)).faces
        assert len(faces) == 3
        for face, box in zip(faces, expected, strict=True):
            assert box_of(face).iou(box) > 0.5
        assert len({face.track_id for face in faces}) == 3
        assert all(face.gender.label and face.emotion.label for face in faces)


def test_answers_are_smoothed_over_the_track(
    start_node: StartNode, peer: Peer, make_model: MakeModel
) -> None:
    """The weight of a picture falls by 1/e in `smoothing_time` seconds of the stamps."""
    model = make_model({'gender': GENDERS})
    start_node('-p', f'gender_model:={model}', '-p', 'smoothing_time:=2.0')
    camera = Camera(peer)
    camera.connect()
    (bright,) = camera.ask(image_message(HEAD), stamp=100.0).faces
    (dark,) = camera.ask(image_message(HEAD // 2), stamp=101.0).faces
    p, q = bright.gender.frame_probabilities[0], dark.gender.frame_probabilities[0]
    assert q < 0.6 * p
    kept = np.exp(-1 / 2)
    assert dark.track_id == bright.track_id
    assert dark.gender.probabilities[0] == pytest.approx((p * kept + q) / (kept + 1), abs=1e-4)
    assert dark.gender.frame_count == 2


# The other ways to tell faces


def test_detections_have_the_documented_classes(camera: Camera, peer: Peer) -> None:
    """Tools that know only vision_msgs get the same faces."""
    detections = peer.collect(Detection2DArray, '/face_classification/detections')
    answers = []

    def arrived() -> bool:
        answers.append(camera.ask(image_message(HEAD)))
        return bool(detections)

    peer.wait_for(arrived, 'detections')
    message = detections[-1]
    faces = next(each for each in answers if each.header == message.header).faces
    (detection,) = message.detections
    assert detection.id == faces[0].track_id
    assert detection.header == message.header
    scores = {each.hypothesis.class_id: each.hypothesis.score for each in detection.results}
    assert list(scores) == CLASSES
    assert scores['face'] == pytest.approx(faces[0].detection_confidence, abs=1e-6)
    assert scores['gender/woman'] == pytest.approx(faces[0].gender.probabilities[0], abs=1e-6)
    assert scores['emotion/happy'] == pytest.approx(faces[0].emotion.probabilities[3], abs=1e-6)
    center, box = detection.bbox.center.position, box_of(faces[0])
    assert abs(center.x - box.x - box.width / 2) <= 1
    assert abs(center.y - box.y - box.height / 2) <= 1


def test_late_subscriber_gets_the_labels(start_node: StartNode, peer: Peer) -> None:
    """The list of classes is latched, and follows the models."""
    start_node()
    labels = peer.collect(LabelInfo, '/face_classification/label_info', LATCHED)
    peer.wait_for(lambda: labels, 'the labels')
    assert [each.class_name for each in labels[0].class_map] == CLASSES
    assert [each.class_id for each in labels[0].class_map] == list(range(len(CLASSES)))
    assert labels[0].threshold == pytest.approx(0.6)
    assert peer.set_parameter('gender_model', '').successful
    late = peer.collect(LabelInfo, '/face_classification/label_info', LATCHED)
    peer.wait_for(lambda: late, 'the labels again')
    assert [each.class_name for each in late[-1].class_map] == [
        name for name in CLASSES if not name.startswith('gender/')
    ]


def test_annotated_picture_comes_once_somebody_subscribes(camera: Camera, peer: Peer) -> None:
    """It has the header and size of a picture that was sent after the subscription."""
    before = camera.ask(image_message(HEAD)).header.stamp
    annotated = peer.collect(ImageMessage, '/face_classification/image_annotated')
    sent: list[ImageMessage] = []
    of_sent: list[ImageMessage] = []

    def arrived() -> bool:
        sent.append(image_message(HEAD))
        camera.ask(sent[-1])
        # The first answer may come from a node that has not drawn its picture yet, and draws it
        # for a subscriber who has just come.
        stamps = [each.header.stamp for each in sent]
        of_sent[:] = [each for each in annotated if each.header.stamp in stamps]
        return bool(of_sent)

    peer.wait_for(arrived, 'an annotated picture')
    assert all(each.header.stamp == before for each in annotated if each not in of_sent)
    message = of_sent[0]
    assert message.header.stamp != before
    assert message.header.frame_id == 'head_camera'
    assert (message.width, message.height, message.step) == (200, 200, 600)
    drawn = pixels_of(message)
    assert (drawn != HEAD).any()
    assert detail(inside(drawn, FACE)) > 0.9 * detail(inside(HEAD, FACE))


def test_annotated_picture_is_offered_as_jpeg_too(camera: Camera, peer: Peer) -> None:
    """The topic of image_transport beside the raw one, for weak networks."""
    annotated = peer.collect(CompressedImage, '/face_classification/image_annotated/compressed')
    headers = []

    def arrived() -> bool:
        headers.append(camera.ask(image_message(HEAD)).header)
        return bool(annotated)

    peer.wait_for(arrived, 'an annotated picture')
    assert annotated[0].header in headers
    assert 'jpeg' in annotated[0].format
    decoded = cv2.imdecode(np.frombuffer(bytes(annotated[0].data), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == HEAD.shape


def test_annotated_picture_can_be_switched_off_and_faces_blurred(
    start_node: StartNode, peer: Peer
) -> None:
    """Both can be set at the start and while the node works."""
    start_node('-p', 'publish_annotated:=false', '-p', 'blur_faces:=true')
    camera = Camera(peer)
    camera.connect()
    annotated = peer.collect(ImageMessage, '/face_classification/image_annotated')

    def newest() -> Image:
        """Ask until the annotated picture of the newest question comes."""

        def arrived() -> bool:
            header = camera.ask(image_message(HEAD)).header
            if not annotated or annotated[-1].header != header:
                peer.spin(0.2)
            return bool(annotated) and annotated[-1].header == header

        peer.wait_for(arrived, 'an annotated picture')
        return pixels_of(annotated[-1])

    for _ in range(5):
        last = camera.ask(image_message(HEAD)).header
    assert peer.set_parameter('publish_annotated', True).successful
    blurred = newest()
    assert seconds(annotated[0].header.stamp) > seconds(last.stamp)
    assert detail(inside(blurred, FACE)) < 0.3 * detail(inside(HEAD, FACE))
    assert peer.set_parameter('blur_faces', False).successful
    assert detail(inside(newest(), FACE)) > 0.9 * detail(inside(HEAD, FACE))


# Names


def test_two_nodes_work_side_by_side(start_node: StartNode, peer: Peer) -> None:
    """One in a namespace, one with a remapped picture: every name is relative."""
    nodes = [
        start_node('-r', '__ns:=/robot/torso', until_active=False),
        start_node('-r', 'image:=/head/image_raw', '-r', '__node:=head_faces', until_active=False),
    ]
    for node in nodes:
        node.wait_for_log('faces on')
    torso = Camera(peer, '/robot/torso/image', '/robot/torso/face_classification/faces')
    head = Camera(peer, '/head/image_raw', '/head_faces/faces')
    torso.connect()
    head.connect()
    assert len(torso.ask(image_message(HEAD)).faces) == 1
    assert len(head.ask(image_message(BLANK)).faces) == 0
    assert torso.answers[-1].image_width == HEAD.shape[1]
    assert head.answers[-1].image_width == BLANK.shape[1]
    # Topics are known before the names of the nodes that offer them.
    name, namespace = 'face_classification', '/robot/torso'
    peer.wait_for(lambda: (name, namespace) in peer.node.get_node_names_and_namespaces())
    shared = {'/rosout', '/parameter_events', '/diagnostics'}
    topics = peer.node.get_publisher_names_and_types_by_node(name, namespace)
    names = {topic for topic, _ in topics} - shared
    assert names
    assert all(topic.startswith('/robot/torso/face_classification/') for topic in names)


def test_first_log_lines_tell_the_resolved_topics(start_node: StartNode) -> None:
    """Who wonders where faces are looks there first."""
    node = start_node('-r', '__ns:=/robot', '-r', 'image:=camera/image_raw')
    node.wait_for_log('annotated pictures on /robot/face_classification/image_annotated')
    node.wait_for_log('detections on /robot/face_classification/detections')
    node.wait_for_log('labels on /robot/face_classification/label_info')
    node.wait_for_log('faces on /robot/face_classification/faces')
    line = node.wait_for_log('pictures from')
    assert '/robot/camera/image_raw (sensor_msgs/msg/Image, best_effort)' in line


# Life cycle


def test_managed_node_waits_for_its_manager(start_node: StartNode, peer: Peer) -> None:
    """Without autostart it is silent until it is configured and activated."""
    node = start_node('-p', 'autostart:=false', until_active=False)
    assert peer.state() == 'unconfigured'
    camera = Camera(peer)
    assert peer.change_state(Transition.TRANSITION_CONFIGURE)
    assert peer.state() == 'inactive'
    assert peer.node.count_subscribers('/image') == 0
    assert peer.change_state(Transition.TRANSITION_ACTIVATE)
    assert peer.state() == 'active'
    camera.connect()
    assert len(camera.ask(image_message(HEAD)).faces) == 1
    assert node.log.index('pictures from') < node.log.index('faces on')


def test_deactivated_node_leaves_the_camera_alone(camera: Camera, peer: Peer) -> None:
    """It unsubscribes, tells nothing, and goes on where it was once it is active again."""
    (before,) = camera.ask(image_message(HEAD)).faces
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
    assert peer.state() == 'inactive'
    peer.wait_for(lambda: camera.matches() == 0, 'the end of the subscription')
    camera.answers.clear()
    ignored = camera.publish(image_message(HEAD))
    assert peer.change_state(Transition.TRANSITION_ACTIVATE)
    camera.connect()
    (after,) = camera.ask(image_message(HEAD)).faces
    assert after.track_id == before.track_id
    assert ignored not in [answer.header for answer in camera.answers]


def test_node_can_be_configured_again_and_gives_no_id_twice(camera: Camera, peer: Peer) -> None:
    """Cleaning up frees the models and withdraws the topics; another round works as the first."""
    (before,) = camera.ask(image_message(HEAD)).faces
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
    assert peer.change_state(Transition.TRANSITION_CLEANUP)
    assert peer.state() == 'unconfigured'
    topic = '/face_classification/faces'
    peer.wait_for(lambda: peer.node.count_publishers(topic) == 0, 'the topic to go')
    camera.answers.clear()
    assert peer.change_state(Transition.TRANSITION_CONFIGURE)
    assert peer.change_state(Transition.TRANSITION_ACTIVATE)
    camera.connect()
    (after,) = camera.ask(image_message(HEAD)).faces
    assert int(after.track_id) > int(before.track_id)


def test_transition_that_cannot_be_is_refused(camera: Camera, peer: Peer) -> None:
    """Whoever asks is told, and the node lives on."""
    assert not peer.change_state(Transition.TRANSITION_CONFIGURE)
    assert not peer.change_state(Transition.TRANSITION_CLEANUP)
    assert not peer.change_state(99)
    assert peer.state() == 'active'
    assert len(camera.ask(image_message(HEAD)).faces) == 1


def test_node_that_cannot_be_configured_stays_unconfigured(
    start_node: StartNode, peer: Peer
) -> None:
    """A manager is told, the log says why, and with the right model it works."""
    node = start_node(
        '-p', 'autostart:=false', '-p', 'gender_model:=/no/model.onnx', until_active=False
    )
    assert not peer.change_state(Transition.TRANSITION_CONFIGURE)
    assert peer.state() == 'unconfigured'
    node.wait_for_log('model file /no/model.onnx does not exist')
    assert peer.set_parameter('gender_model', 'gender_mini_xception').successful
    assert peer.change_state(Transition.TRANSITION_CONFIGURE)
    assert peer.state() == 'inactive'


# The end


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_node_in_the_midst_of_its_work(
    start_node: StartNode, peer: Peer, how: signal.Signals
) -> None:
    """The exit code is 0 and there is no traceback, whatever a callback was doing."""
    node = start_node('-p', 'detection_size:=4096')
    camera = Camera(peer)
    camera.connect()
    peer.collect(ImageMessage, '/face_classification/image_annotated')
    large = image_message(cv2.resize(HEAD, (400, 400)))
    camera.ask(large)
    for _ in range(3):
        camera.publish(large)
        peer.spin(0.005)
    assert node.stop(how) == 0
    assert 'Traceback' not in node.log
    assert 'Error' not in node.log


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_a_node_that_does_nothing(
    start_node: StartNode, peer: Peer, how: signal.Signals
) -> None:
    """Nothing has to happen for a node that waits to see the signal."""
    node = start_node('-p', 'autostart:=false', until_active=False)
    assert peer.state() == 'unconfigured'
    assert node.stop(how) == 0
    assert 'Traceback' not in node.log


@pytest.mark.parametrize('stamp', [0.0, 100.0])
def test_tracks_end_also_where_stamps_stand_still(
    start_node: StartNode, peer: Peer, stamp: float
) -> None:
    """A camera whose stamps are zero, or never move, has time by the arrival of its pictures."""
    node = start_node('-p', 'track_timeout:=2.0')
    camera = Camera(peer)
    camera.connect()

    def track_ids(image: Image) -> list[str]:
        camera.answers.clear()
        return [face.track_id for face in camera.ask(image_message(image), stamp=stamp).faces]

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
    text = f'the stamps of the pictures stand still at {stamp:.3f} s'
    assert node.log.count(text) == 1
    assert 'time was set back' not in node.log.partition(text)[2]
