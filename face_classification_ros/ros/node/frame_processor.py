"""Process the images of the camera one after the other, and distribute the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
import time

import cv2
from rclpy.lifecycle import Node
from std_msgs.msg import Header

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.geometry.transforms import Transform
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.pipeline import create_pipeline, FacePipeline, thresholds_of
from face_classification_ros.ros.conversions.messages import faces_message, seconds
from face_classification_ros.ros.node.frame import Frame, FrameResult
from face_classification_ros.ros.node.inputs.calibration_input import CalibrationInput
from face_classification_ros.ros.node.inputs.depth_input import DepthInput
from face_classification_ros.ros.node.inputs.frame_clock import FrameClock, FrameTime, TimeSource
from face_classification_ros.ros.node.inputs.transform_input import TransformInput, TransformMatch
from face_classification_ros.ros.node.observe import ObserveServer
from face_classification_ros.ros.node.outputs.output import OutputFrame
from face_classification_ros.ros.node.outputs.registry import Outputs
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.ros.node.result_cache import ResultCache
from face_classification_ros.ros.node.result_queue import ProcessedFrame, ResultQueue
from face_classification_ros.ros.node.state import NodeState, Reason
from face_classification_ros.ros.node.statistics import ImageStatistics
from face_classification_ros.tracking.people import PeopleCounter
from face_classification_ros.tracking.tracker import Tracker
from face_classification_ros.types import Face, Image


def transformed_faces(faces: Sequence[Face], transform: Transform | None) -> list[Face]:
    """Return faces with their positions in the target frame, as far as these are known."""
    return [
        replace(face, target_position=transform.position(face.position))
        if face.position is not None and transform is not None
        else face
        for face in faces
    ]


class FrameProcessor:
    """Runs the pipeline on images, and passes the faces to outputs, services and the action.

    Attributes:
        pipeline: detector, models and tracks; None while they are not loaded.
        people: who was seen.
        results: the newest result.
    """

    def __init__(
        self,
        node: Node,
        state: NodeState,
        statistics: ImageStatistics,
        calibration: CalibrationInput,
        depth: DepthInput,
        transforms: TransformInput,
    ) -> None:
        """Create the processor without a pipeline.

        Args:
            node: publishes and serves.
            state: of the node.
            statistics: every processed image is counted in them.
            calibration: of the camera.
            depth: provides the depth image of an image.
            transforms: provides the transform to the target frame.
        """
        self._node = node
        self._statistics = statistics
        self._calibration = calibration
        self._depth = depth
        self._transforms = transforms
        self._queue = ResultQueue(node, transforms, self._publish)
        self._clock = FrameClock()
        # Track ids are unique for the whole run of the node, so there is a single tracker.
        self._tracker = Tracker(NodeConfig.track_timeout)
        self._observe = ObserveServer(node, state)
        self._config = NodeConfig()
        self._outputs: Outputs | None = None
        # Attributes that models estimated so far, some of which may be switched off now.
        self._known_attributes: set[str] = set()
        self.pipeline: FacePipeline | None = None
        self.people = PeopleCounter()
        self.results = ResultCache(node)

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """Attribute -> its labels, in the order of the models."""
        classifiers = self.pipeline.classifiers if self.pipeline is not None else {}
        return {attribute: each.labels[attribute] for attribute, each in classifiers.items()}

    def create_pipeline(self, config: NodeConfig) -> FacePipeline:
        """Load a pipeline that continues the tracks, without using it yet.

        Raises:
            FileNotFoundError, ImportError, ValueError: see `pipeline.create_pipeline`.
        """
        pipeline = create_pipeline(replace(config, unknown_threshold={}), tracker=self._tracker)
        pipeline.thresholds = self._thresholds(pipeline.classifiers, config)
        return pipeline

    def load(self, pipeline: FacePipeline, config: NodeConfig) -> None:
        """Use another pipeline, and create the outputs if there are none.

        Tracks continue, since people do not change with the detector; temporal filters do not,
        since other models may have other labels.
        """
        # Results that wait have the attributes of the pipeline before.
        self._queue.flush()
        self._tracker.reset_filters()
        self.pipeline = pipeline
        self._known_attributes.update(pipeline.classifiers)
        # The threads of OpenCV, which resizes and converts images, are shared by the process.
        cv2.setNumThreads(config.num_threads)
        self._outputs = self._outputs or Outputs(self._node)
        self.update(config)

    def update(self, config: NodeConfig) -> None:
        """Continue with another configuration that requires no other models."""
        assert self.pipeline is not None
        if self._config.rotation != config.rotation:
            # Tracks live in the upright image.
            self.reset_tracks('the rotation was changed')
        before, self._config = self._config, config
        if before.target_frame != config.target_frame:
            # Positions of one observation are in one frame.
            self._observe.interrupt('the target frame was changed')
        self._tracker.timeout = config.track_timeout
        self.people.min_frames = config.count_min_frames
        self.people.min_duration = config.count_min_duration
        self.people.return_time = config.count_return_time
        self.pipeline.thresholds = self._thresholds(self.pipeline.classifiers, config)
        self.pipeline.smoothing_time = config.smoothing_time
        self.pipeline.rotation = config.rotation
        self._observe.update(config.track_timeout, config.target_frame)

    def update_outputs(self) -> None:
        """Publish what depends on models and configuration; call it while the node is active."""
        assert self._outputs is not None and self.pipeline is not None
        self._outputs.update(self.pipeline, self._config)

    def unload(self) -> None:
        """Free detector and models, remove the outputs, and forget everybody."""
        if self._outputs is not None:
            self._outputs.destroy()
        self._outputs = self.pipeline = None
        self.reset_tracks('detector and models were unloaded')

    def stop(self, reason: Reason) -> None:
        """End everything that waits for images, with the reason why none are processed."""
        self._queue.flush()
        if self._outputs is not None:
            self._outputs.stop()
        self.results.stop(reason)
        self._observe.interrupt(reason.text)

    def reset_tracks(self, reason: str) -> None:
        """Start all tracks again; ids continue."""
        self._tracker.reset()
        self._forget_people(reason)

    def process(self, frame: Frame) -> None:
        """Process an image and publish its faces, now or when their transform has arrived.

        Call it only while the node is active.
        """
        assert self.pipeline is not None
        # By the clock of the node, which is that of a recording while one is replayed: the steady
        # clock would make the tracks of images without stamps depend on the speed of the replay.
        now = self._now()
        frame_time = self._time_of(frame.header, now)
        capture_time = seconds(frame.header.stamp) if frame_time.is_stamp else now
        height, width = frame.image.shape[:2]
        processed = self.pipeline.process_frame(
            frame.image,
            frame_time.seconds,
            intrinsics=self._calibration.intrinsics_for(width, height),
        )
        # Matched last, since the depth image often arrives while the image is processed.
        depth = self._depth.match(frame.header)
        processed = self.pipeline.locate(processed, frame.image, depth.view)
        self._depth.record(depth, processed)
        if processed.was_reset:
            reason = f'time jumped back to {frame_time.seconds:.3f} s, tracks were reset'
            self._node.get_logger().warning(reason)
            self._forget_people(reason)
            self._transforms.reset()
        self._queue.add(ProcessedFrame(frame, processed, frame_time, capture_time))

    def _publish(self, processed: ProcessedFrame, match: TransformMatch) -> None:
        """Publish the faces of a processed image."""
        assert self.pipeline is not None and self._outputs is not None
        frame, transform = processed.frame, match.transform
        faces = transformed_faces(processed.result.faces, transform)
        height, width = frame.image.shape[:2]
        processing_time = time.perf_counter() - frame.arrival
        message = faces_message(
            faces, frame.header, width, height, processing_time, self._transforms.target_frame
        )
        result = FrameResult(
            faces, message, transform, processed.time.seconds, processed.capture_time
        )
        self._outputs.publish(OutputFrame(frame.image, result, self.pipeline, self._config))
        self._statistics.record_result(
            len(result.faces),
            processing_time,
            self._now() - processed.capture_time,
            has_stamps=processed.time.is_stamp,
        )
        self.people.add(result.faces, result.stamp)
        self.results.add(result)
        self._observe.add(result)

    def process_still(self, image: Image, header: Header) -> FaceAttributesArray:
        """Return the faces of an image that does not belong to the stream; needs a pipeline."""
        assert self.pipeline is not None
        start = time.perf_counter()
        faces = self.pipeline.process_still(image)
        height, width = image.shape[:2]
        return faces_message(faces, header, width, height, time.perf_counter() - start)

    def _thresholds(
        self, classifiers: Mapping[str, Classifier], config: NodeConfig
    ) -> dict[str, float]:
        """Return the thresholds of the attributes that classifiers estimate.

        A threshold of an attribute that is switched off counts again when it is switched on.

        Raises:
            SettingError: the configuration has a threshold for an attribute that is not known.
        """
        is_off = self._known_attributes - set(classifiers)
        thresholds = {
            attribute: threshold
            for attribute, threshold in config.unknown_threshold.items()
            if attribute not in is_off
        }
        return thresholds_of(classifiers, thresholds)

    def _time_of(self, header: Header, arrival: float) -> FrameTime:
        stamp = seconds(header.stamp)
        frame_time = self._clock.time_of(stamp, arrival)
        if frame_time.source is TimeSource.ARRIVAL_CONSTANT_STAMP:
            self._node.get_logger().warning(
                f'the stamps of the images stay at {stamp:.3f} s, so images have the time of '
                'their arrival',
                once=True,
            )
        return frame_time

    def _forget_people(self, reason: str) -> None:
        self._queue.flush()
        self.people.reset()
        self._observe.interrupt(reason)

    def _now(self) -> float:
        return self._node.get_clock().now().nanoseconds / 1e9
