"""Results are published in the order of the images, and none waits longer than allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import time

import numpy as np
import pytest
import rclpy
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from ros_peers import HEAD, TIMEOUT
from std_msgs.msg import Header

from face_classification_ros.geometry.head_pose import default_intrinsics
from face_classification_ros.geometry.positions import DepthImage, DepthView
from face_classification_ros.geometry.transforms import IDENTITY
from face_classification_ros.pipeline import PipelineResult
from face_classification_ros.ros.conversions.messages import seconds, time_message
from face_classification_ros.ros.node import result_queue
from face_classification_ros.ros.node.frame import Frame
from face_classification_ros.ros.node.frame_processor import FrameProcessor
from face_classification_ros.ros.node.inputs.calibration_input import CalibrationInput
from face_classification_ros.ros.node.inputs.depth_input import DepthInput, DepthMatch
from face_classification_ros.ros.node.inputs.frame_clock import FrameTime, TimeSource
from face_classification_ros.ros.node.inputs.reliability import Reliability
from face_classification_ros.ros.node.inputs.transform_input import TransformInput, TransformMatch
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.ros.node.result_queue import ProcessedFrame, ResultQueue
from face_classification_ros.ros.node.state import NodeState
from face_classification_ros.ros.node.statistics import ImageStatistics
from face_classification_ros.ros.runtime import ros_running
from face_classification_ros.types import BoundingBox, Detection, Face


class Transforms(TransformInput):
    """Knows the transforms up to a stamp; tf2_ros, which knows more, is in no wheel.

    Attributes:
        newest: stamp of the newest transform.
    """

    newest = 0.0

    def match(self, header: Header, *, has_stamp: bool) -> TransformMatch:
        """Return whether the transform at a stamp is known."""
        if seconds(header.stamp) <= self.newest:
            return TransformMatch(IDENTITY)
        return TransformMatch(problem='too new', is_pending=True)


class Queue:
    """A queue with what it has published.

    Attributes:
        published: stamp of each result, and whether its transform was known.
    """

    def __init__(self, node: Node) -> None:
        """Start without results."""
        self._node = node
        self.transforms = Transforms(node)
        self.published: list[tuple[float, bool]] = []
        self.queue = ResultQueue(node, self.transforms, self._publish)

    def add(self, stamp: float, *, has_position: bool = True) -> None:
        """Add the result of an image with one face."""
        header = Header(stamp=time_message(stamp))
        position = (0.0, 0.0, 1.0) if has_position else None
        face = Face(Detection(BoundingBox(0, 0, 1, 1), 1.0), position=position)
        image = np.zeros((1, 1, 3), np.uint8)
        frame_time = FrameTime(stamp, TimeSource.STAMP)
        result = PipelineResult([face], False)
        self.queue.add(ProcessedFrame(Frame(image, header, 0.0), result, frame_time, stamp))

    def wait_for(self, predicate: Callable[[], bool]) -> None:
        """Run the timer of the queue until the predicate is true."""
        end = time.monotonic() + TIMEOUT
        while not predicate():
            assert time.monotonic() < end, self.published
            rclpy.spin_once(self._node, timeout_sec=0.02)

    def _publish(self, processed: ProcessedFrame, match: TransformMatch) -> None:
        self.published.append((processed.time.seconds, match.transform is not None))


@pytest.fixture
def queue(domain: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """Return a queue in a node of this process."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    with ros_running([]):
        node = Node('queue')
        yield Queue(node)
        node.destroy_node()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let results wait as long as a test takes."""
    monkeypatch.setattr(result_queue, 'PATIENCE', 1000.0)


@pytest.mark.usefixtures('patient')
def test_result_waits_for_its_transform(queue: Queue) -> None:
    """One whose transform is known is published immediately, the others in their order."""
    queue.transforms.newest = 1.0
    for stamp in (1.0, 2.0, 3.0):
        queue.add(stamp)
    assert queue.published == [(1.0, True)]
    queue.transforms.newest = 2.5
    queue.wait_for(lambda: len(queue.published) == 2)
    queue.transforms.newest = 3.5
    queue.wait_for(lambda: len(queue.published) == 3)
    assert queue.published == [(1.0, True), (2.0, True), (3.0, True)]


@pytest.mark.usefixtures('patient')
def test_result_without_position_does_not_wait(queue: Queue) -> None:
    """But it does not overtake one that waits."""
    queue.add(1.0, has_position=False)
    assert queue.published == [(1.0, False)]
    queue.add(2.0)
    queue.add(3.0, has_position=False)
    assert len(queue.published) == 1
    queue.transforms.newest = 2.0
    queue.wait_for(lambda: len(queue.published) == 3)
    assert queue.published[1:] == [(2.0, True), (3.0, False)]


@pytest.mark.usefixtures('patient')
def test_everything_is_published_when_the_node_stops(queue: Queue) -> None:
    """Nothing is lost."""
    queue.add(1.0)
    queue.add(2.0)
    queue.transforms.newest = 1.0
    queue.queue.flush()
    assert queue.published == [(1.0, True), (2.0, False)]


class Depth(DepthInput):
    """Has a depth image for each image."""

    def match(self, header: Header) -> DepthMatch:
        """Return a wall at 1 m."""
        height, width = HEAD.shape[:2]
        depth = DepthImage(np.ones((height, width), np.float32), 1.0)
        return DepthMatch(DepthView(depth, default_intrinsics(width, height)))


@pytest.mark.usefixtures('patient')
def test_results_that_wait_are_published_before_the_models_change(
    domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs that need an attribute of the new models would not find it in them."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    with ros_running([]):
        node = LifecycleNode('processor')
        reliability = Reliability(node)
        calibration = CalibrationInput(node, reliability)
        processor = FrameProcessor(
            node,
            NodeState('/processor'),
            ImageStatistics(),
            calibration,
            Depth(node, reliability, calibration),
            Transforms(node),
        )
        gender, emotion = (NodeConfig(attributes=(each,)) for each in ('gender', 'emotion'))
        processor.load(processor.create_pipeline(gender), gender)
        processor.process(Frame(HEAD, Header(stamp=time_message(1.0)), 0.0))
        assert processor.results.newest is None
        processor.load(processor.create_pipeline(emotion), emotion)
        assert processor.results.newest is not None
        (face,) = processor.results.newest.faces
        assert set(face.attributes) == {'gender'}
        node.destroy_node()


def test_result_is_published_without_a_transform_that_does_not_arrive(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a wait in vain, others do not wait until a transform is in time again."""
    queue.add(1.0)
    queue.wait_for(lambda: len(queue.published) == 1)
    assert queue.published == [(1.0, False)]
    monkeypatch.setattr(result_queue, 'PATIENCE', 1000.0)
    queue.add(2.0)
    assert queue.published[1:] == [(2.0, False)]
    queue.transforms.newest = 3.0
    queue.add(3.0)
    queue.add(4.0)
    assert queue.published[2:] == [(3.0, True)]
