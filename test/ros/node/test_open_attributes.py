"""An attribute that the package does not know is trained, exported and used by the node."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import subprocess
import sys

from action_msgs.msg import GoalStatus
import cv2
import numpy as np
import pytest
from rclpy.action import ActionClient
from ros_peers import (
    Camera,
    FACE,
    HEAD,
    image_message,
    LATCHED,
    NodeProcess,
    Peer,
    pixels_of,
)
from sensor_msgs.msg import Image as ImageMessage
from vision_msgs.msg import Detection2DArray, LabelInfo

from face_classification_ros.action import Observe
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.srv import CountPeople
from face_classification_ros.types import Image
from face_classification_ros.visualization.colors import color_of

NODE = '/face_classification'
LABELS = ['hat', 'helmet', 'none']

NETWORK = """\
name: tiny
summary: one convolution
blocks:
  - {block: convolution, filters: 4}
  - block: average_pooling
head: {head: pooling}
limits: {max_parameters: 5000}
"""

RECIPE = """\
attributes: [headwear]
network: tiny.yaml
size: 32
epochs: 2
batch_size: 16
unknown_thresholds: {headwear: 0.0}
"""

StartNode = Callable[..., NodeProcess]


def face_with(label: str, random: np.random.Generator) -> Image:
    """Return a face that wears something, with some noise."""
    x, y, width, height = (round(each) for each in (FACE.x, FACE.y, FACE.width, FACE.height))
    face = HEAD[y : y + height, x : x + width].astype(np.int64)
    if label != 'none':
        face[: height // 3] = 20 if label == 'helmet' else 230
    return np.clip(face + random.integers(-10, 11, face.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model file of a network that was trained for some steps on labeled folders."""
    pytest.importorskip('tensorflow', reason='needs the extra [train]')
    folder = tmp_path_factory.mktemp('headwear')
    random = np.random.default_rng(0)
    for label in LABELS:
        for split, count in (('train', 16), ('val', 8)):
            images = folder / 'data' / split / label
            images.mkdir(parents=True)
            for number in range(count):
                cv2.imwrite(str(images / f'{number}.png'), face_with(label, random))
    (folder / 'tiny.yaml').write_text(NETWORK)
    (folder / 'headwear.yaml').write_text(RECIPE)
    command = Path(sys.executable).parent / 'face_classification'
    done = subprocess.run(
        [command, 'train', 'headwear.yaml', '--data', 'data', '--output', 'run'],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (path,) = (folder / 'run').glob('*.onnx')
    return path


@pytest.fixture
def headwear_camera(model: Path, start_node: StartNode, peer: Peer) -> Camera:
    """Return a camera of a node that estimates headwear, and gender with a shipped model."""
    start_node('-p', f'models:=[{model}, gender_mini_xception]')
    camera = Camera(peer)
    camera.connect()
    return camera


def test_node_publishes_the_attribute(headwear_camera: Camera, peer: Peer) -> None:
    """In faces, in detections and in the list of classes, in the order of the models."""
    detections = peer.collect(Detection2DArray, f'{NODE}/detections')
    classes = peer.collect(LabelInfo, f'{NODE}/label_info', LATCHED)

    def arrived() -> bool:
        headwear_camera.result_of(image_message(HEAD))
        # The first message may be of the image that connected the camera.
        return bool(detections and detections[-1].detections and classes)

    peer.wait_for(arrived, 'detections')
    (face,) = headwear_camera.result_of(image_message(HEAD)).faces
    headwear, gender = face.attributes
    assert (headwear.name, gender.name) == ('headwear', 'gender')
    assert list(headwear.labels) == LABELS
    assert headwear.label in LABELS
    assert sum(headwear.probabilities) == pytest.approx(1, abs=1e-4)
    names = ['face', *(f'headwear/{each}' for each in LABELS), 'gender/woman', 'gender/man']
    (detection,) = detections[-1].detections
    assert [each.hypothesis.class_id for each in detection.results] == names
    assert [each.class_name for each in classes[-1].class_map] == names


def test_node_draws_the_attribute(headwear_camera: Camera, peer: Peer) -> None:
    """The box has the color of its label, and a bar shows the distribution."""
    annotated = peer.collect(ImageMessage, f'{NODE}/image_annotated')

    results: list[FaceAttributesArray] = []

    def arrived() -> bool:
        results.append(headwear_camera.result_of(image_message(HEAD)))
        header = results[-1].header
        return bool(peer.happens(lambda: annotated and annotated[-1].header == header, 0.5))

    peer.wait_for(arrived, 'an annotated image')
    (face,) = results[-1].faces
    drawn = pixels_of(annotated[-1])
    for label, probability in zip(LABELS, face.attributes[0].probabilities, strict=True):
        if probability > 0.1:
            assert (drawn == color_of(label)).all(axis=2).any(), label


def test_node_counts_people_by_the_attribute(headwear_camera: Camera, peer: Peer) -> None:
    """By its name, and as the first attribute by default."""
    for stamp in (10.0, 10.2, 10.4):
        (face,) = headwear_camera.result_of(image_message(HEAD), stamp=stamp).faces
    for attribute in ('headwear', ''):
        request = CountPeople.Request(window=1.0, attribute=attribute)
        response = peer.call(CountPeople, f'{NODE}/count_people', request)
        assert response.success, response.message
        assert list(response.labels) == LABELS
        expected = [int(label == face.attributes[0].label) for label in LABELS]
        assert (list(response.counts), response.unknown) == (expected, 0)


def test_node_observes_the_attribute(headwear_camera: Camera, peer: Peer) -> None:
    """The result is the mean of the images."""
    client = ActionClient(peer.node, Observe, f'{NODE}/observe')
    peer.wait_for(client.server_is_ready, 'the action')
    accepted = client.send_goal_async(Observe.Goal(frames=2))
    peer.wait_for(accepted.done, 'the goal')
    finished = accepted.result().get_result_async()
    for brightness in (1, 2):
        headwear_camera.result_of(image_message(HEAD // brightness))
    peer.wait_for(finished.done, 'the result')
    assert finished.result().status == GoalStatus.STATUS_SUCCEEDED
    (face,) = finished.result().result.faces
    headwear = face.attributes[0]
    assert (headwear.name, headwear.frame_count) == ('headwear', 2)
    assert list(headwear.labels) == LABELS
    assert sum(headwear.probabilities) == pytest.approx(1, abs=1e-4)
