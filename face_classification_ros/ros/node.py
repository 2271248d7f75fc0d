"""The node: camera pictures in, faces with gender and emotion out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import fields, replace
import sys
import time
from typing import TYPE_CHECKING

import cv2
from lifecycle_msgs.srv import ChangeState
import numpy as np
from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import (
    QoSMessageLostInfo,
    QoSRequestedIncompatibleQoSInfo,
    SubscriptionEventCallbacks,
)
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleState, Node, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from face_classification_ros.classification.cropping import crop_faces
from face_classification_ros.detection import create_detector
from face_classification_ros.drawing import draw_faces
from face_classification_ros.face import Face, Image
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.pipeline import FacePipeline, load_classifiers
from face_classification_ros.ros.context import ros_running
from face_classification_ros.ros.images import (
    converter,
    image_from_compressed,
    image_from_message,
    image_to_compressed,
    image_to_message,
)
from face_classification_ros.ros.messages import (
    detections_message,
    faces_message,
    label_info_message,
    seconds,
)
from face_classification_ros.ros.parameters import complaint_about, descriptor_of, Parameters
from face_classification_ros.share import dds_profile, model_path
from face_classification_ros.tracking.tracker import Tracker

if TYPE_CHECKING:
    from face_classification_ros.explanation.explainer import Explainer

NODE_NAME = 'face_classification'
SILENCE = 5.0
"""Seconds without a picture after which the node says what it waits for."""

LOG_PERIOD = 5.0
"""Seconds between two messages about malformed or lost pictures."""

LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
# What behaviours subscribe to, reliably or not; pictures are offered reliably, too, because rviz
# and image viewers ask for it.
RESULTS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.RELIABLE
)

LOADED_BY = {
    'detector',
    'detector_model',
    'detection_threshold',
    'detection_width',
    'detection_interval',
    'min_face_size',
    'gender_model',
    'emotion_model',
    'threads',
}
"""Parameters whose change loads detector and models anew."""


class FaceClassificationNode(Node):
    """Finds and classifies the faces of a camera's pictures.

    A managed node: configuring loads detector and models, activating subscribes. Only the newest
    picture is worked on, so results are never older than one picture.
    """

    def __init__(self, namespace: str = '') -> None:
        """Declare the parameters; nothing is loaded and no topic is touched yet.

        Args:
            namespace: of the node; several in one process need one each.

        Raises:
            ValueError: a parameter has a value that cannot be.
        """
        super().__init__(NODE_NAME, namespace=namespace)
        for each in fields(Parameters):
            self.declare_parameter(each.name, each.default, descriptor_of(each.name))
        self._settings = self._read_parameters()
        if complaint := complaint_about(self._settings.__dict__):
            raise ValueError(complaint)
        # One for the whole run, as no id is given twice in it.
        self._tracker = Tracker(self._settings.track_timeout)
        self._pipeline: FacePipeline | None = None
        self._candidate: FacePipeline | None = None
        self._explainer: Explainer | None = None
        self._is_explainer_tried = False
        self._subscription: Subscription | None = None
        self._last_arrival = 0.0
        self._incompatible_since = float('inf')
        self._last_processed = float('-inf')
        self._malformed = 0
        self._lost = 0
        self._lost_told = 0
        self._lost_told_at = float('-inf')
        # Of the steady clock: with `use_sim_time` and a recording that is not played, ROS's clock
        # stands still. It runs in every state, as rclpy now and then sleeps through a SIGTERM
        # while nothing happens.
        self._watch = self.create_timer(
            1.0, self._report_troubles, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._refuse_impossible_transitions()
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)

    # Life cycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load detector and models, and offer the topics."""
        self._settings = self._read_parameters()
        self._tracker.timeout = self._settings.track_timeout
        try:
            self._pipeline = self._make_pipeline(self._settings)
        except (FileNotFoundError, ImportError, ValueError) as error:
            self.get_logger().error(f'cannot start: {error}')
            return TransitionCallbackReturn.FAILURE
        publisher = self.create_lifecycle_publisher
        self._faces = publisher(FaceAttributesArray, '~/faces', RESULTS)
        self._detections = publisher(Detection2DArray, '~/detections', RESULTS)
        self._label_info = publisher(LabelInfo, '~/label_info', LATCHED)
        self._annotated = publisher(ImageMessage, '~/image_annotated', RESULTS)
        self._annotated_compressed = publisher(
            CompressedImage, '~/image_annotated/compressed', RESULTS
        )
        self._explanation = publisher(ImageMessage, '~/explanation', RESULTS)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the camera."""
        result = super().on_activate(state)
        self._subscribe()
        self._publish_labels()
        for what, topic in (
            ('faces on', self._faces.topic_name),
            ('detections on', self._detections.topic_name),
            ('labels on', self._label_info.topic_name),
            ('annotated pictures on', self._annotated.topic_name),
        ):
            self.get_logger().info(f'{what} {topic}')
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Leave the camera and the processor to others."""
        self._unsubscribe()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the memory of detector and models."""
        self._pipeline = None
        self._forget_explainer()
        self._tracker.reset()
        for publisher in (
            self._faces,
            self._detections,
            self._label_info,
            self._annotated,
            self._annotated_compressed,
            self._explanation,
        ):
            self.destroy_lifecycle_publisher(publisher)
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop working; what is left goes with the process."""
        self._unsubscribe()
        return TransitionCallbackReturn.SUCCESS

    def _refuse_impossible_transitions(self) -> None:
        """Answer who asks for a transition that the present state does not have.

        Jazzy's rclpy raises an error instead, which ends the node (ros2/rclpy issue 1209).
        """
        (service,) = (each for each in self.services if each.srv_type is ChangeState)
        change_state = service.callback

        def change_state_if_possible(
            request: ChangeState.Request, response: ChangeState.Response
        ) -> ChangeState.Response:
            try:
                return change_state(request, response)
            except RuntimeError as error:
                self.get_logger().error(f'no transition: {error}')
                response.success = False
                return response

        service.callback = change_state_if_possible

    # Parameters

    def _read_parameters(self) -> Parameters:
        return Parameters(
            **{each.name: self.get_parameter(each.name).value for each in fields(Parameters)}
        )

    def _check_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        """Refuse what cannot work; detector and models are loaded here, so that all of it can."""
        values = {change.name: change.value for change in changes}
        values = {name: value for name, value in values.items() if hasattr(Parameters, name)}
        if complaint := complaint_about(values):
            return SetParametersResult(successful=False, reason=complaint)
        self._candidate = None
        if self._pipeline is not None and LOADED_BY & values.keys():
            try:
                self._candidate = self._make_pipeline(replace(self._settings, **values))
            except (FileNotFoundError, ImportError, ValueError) as error:
                return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply_parameters(self, changes: list[Parameter]) -> None:
        before, self._settings = self._settings, self._read_parameters()
        if self._pipeline is None:
            return
        if (before.explanation_attribute, before.explanation_method) != (
            self._settings.explanation_attribute,
            self._settings.explanation_method,
        ):
            self._forget_explainer()
        if self._candidate is not None:
            # Tracks go on: who is in view does not change with the detector. Averages do not:
            # another model may have other labels.
            self._tracker.forget_averages()
            self._pipeline, self._candidate = self._candidate, None
            self._forget_explainer()
        self._pipeline.thresholds = _thresholds(self._settings)
        self._pipeline.smoothing_time = self._settings.smoothing_time
        self._tracker.timeout = self._settings.track_timeout
        if self._subscription is not None:
            self._publish_labels()
            if (before.image_transport, before.image_reliability) != (
                self._settings.image_transport,
                self._settings.image_reliability,
            ):
                self._unsubscribe()
                self._subscribe()

    def _make_pipeline(self, parameters: Parameters) -> FacePipeline:
        # OpenCV's threads are one pool for the whole process; it scales and converts pictures.
        cv2.setNumThreads(parameters.threads)
        detector = create_detector(
            parameters.detector,
            model=parameters.detector_model,
            threshold=parameters.detection_threshold,
            width=parameters.detection_width,
            min_face_size=parameters.min_face_size,
            threads=parameters.threads,
            interval=parameters.detection_interval,
        )
        classifiers = load_classifiers(
            {
                'gender': model_path(parameters.gender_model),
                'emotion': model_path(parameters.emotion_model),
            },
            threads=parameters.threads,
        )
        return FacePipeline(
            detector,
            classifiers,
            self._tracker,
            _thresholds(parameters),
            parameters.smoothing_time,
        )

    # Pictures in

    def _subscribe(self) -> None:
        parameters = self._settings
        # rclpy has no image_transport, so its rule for names is kept here: the topic of another
        # transport is the resolved name of the raw topic with the transport's name appended.
        topic = self.resolve_topic_name('image')
        message_type: type = ImageMessage
        if parameters.image_transport == 'compressed':
            topic, message_type = f'{topic}/compressed', CompressedImage
        self._incompatible_since = float('inf')
        reliable = parameters.image_reliability == 'reliable'
        self._subscription = self.create_subscription(
            message_type,
            topic,
            self._process,
            QoSProfile(
                history=HistoryPolicy.KEEP_LAST,
                depth=1,
                reliability=ReliabilityPolicy.RELIABLE
                if reliable
                else ReliabilityPolicy.BEST_EFFORT,
            ),
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=self._note_incompatible_publisher,
                message_lost=self._note_lost_pictures,
            ),
        )
        self._last_arrival = time.monotonic()
        self.get_logger().info(
            f'pictures from {self._describe_subscription()}, converted by {converter().name}'
        )

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self.destroy_subscription(self._subscription)
            self._subscription = None

    def _process(self, message: ImageMessage | CompressedImage) -> None:
        """Answer a picture with its faces."""
        start = time.perf_counter()
        self._last_arrival = time.monotonic()
        stamp = seconds(message.header.stamp)
        if self._is_too_soon(stamp):
            return
        try:
            if isinstance(message, CompressedImage):
                image = image_from_compressed(message)
            else:
                image = image_from_message(message)
        except ValueError as error:
            self._malformed += 1
            self.get_logger().error(
                f'skipped a malformed picture ({self._malformed} so far): {error}',
                throttle_duration_sec=LOG_PERIOD,
            )
            return
        assert self._pipeline is not None
        self._last_processed = stamp
        faces = self._pipeline.process(image, stamp)
        height, width = image.shape[:2]
        self._faces.publish(
            faces_message(faces, message.header, width, height, time.perf_counter() - start)
        )
        if self._detections.get_subscription_count():
            self._detections.publish(detections_message(faces, message.header))
        self._publish_annotated(image, faces, message)
        if self._explanation.get_subscription_count() and not self._settings.blur_faces:
            self._publish_explanation(image, faces, message.header)

    def _is_too_soon(self, stamp: float) -> bool:
        """Tell whether `max_rate` leaves this picture out, by its stamp."""
        rate = self._settings.max_rate
        elapsed = stamp - self._last_processed
        # Half a millisecond of jitter must not halve the rate of a camera that runs at it. Stamps
        # that stand still or go back say nothing of time.
        return rate > 0 and 0 < elapsed < 1 / rate - 0.0005

    def _publish_annotated(
        self, image: Image, faces: Sequence[Face], message: ImageMessage | CompressedImage
    ) -> None:
        raw = self._annotated.get_subscription_count() > 0
        compressed = self._annotated_compressed.get_subscription_count() > 0
        if not self._settings.publish_annotated or not (raw or compressed):
            return
        annotated = draw_faces(image, faces, blur=self._settings.blur_faces)
        if raw:
            self._annotated.publish(image_to_message(annotated, message.header))
        if compressed:
            self._annotated_compressed.publish(image_to_compressed(annotated, message.header))

    def _publish_explanation(self, image: Image, faces: Sequence[Face], header: Header) -> None:
        """Publish what was looked at in the largest face, or in the chosen one."""
        chosen = self._settings.explanation_track
        shown = [face for face in faces if not chosen or face.track_id == chosen]
        explainer = self._loaded_explainer() if shown else None
        if explainer is None:
            return
        # What it needs is loaded when somebody wants it: a node that explains nothing stays light.
        from face_classification_ros.explanation.panels import explain_faces

        assert self._pipeline is not None
        form = self._pipeline.classifiers[explainer.attribute].form
        estimate = {'gender': shown[0].gender, 'emotion': shown[0].emotion}[explainer.attribute]
        assert estimate is not None
        (panel,) = explain_faces(
            crop_faces(image, [shown[0].detection.box], form),
            estimate.labels,
            estimate.frame_probabilities[np.newaxis],
            explainer,
        )
        self._explanation.publish(image_to_message(panel, header))

    def _loaded_explainer(self) -> Explainer | None:
        """Give the explainer, loaded by the first picture; say once why there is none."""
        assert self._pipeline is not None
        if self._is_explainer_tried:
            return self._explainer
        self._is_explainer_tried = True
        attribute = self._settings.explanation_attribute
        classifier = self._pipeline.classifiers.get(attribute)
        try:
            if classifier is None:
                raise ValueError(f'{attribute} is switched off')
            from face_classification_ros.explanation.explainer import Explainer

            self._explainer = Explainer(
                classifier,
                attribute,
                method=self._settings.explanation_method,
                threads=self._settings.threads,
            )
        except (ImportError, ValueError) as error:
            self.get_logger().error(f'nothing is explained: {error}')
        return self._explainer

    def _forget_explainer(self) -> None:
        self._explainer, self._is_explainer_tried = None, False

    def _publish_labels(self) -> None:
        assert self._pipeline is not None
        header = Header(stamp=self.get_clock().now().to_msg())
        labels = {
            attribute: classifier.labels[attribute]
            for attribute, classifier in self._pipeline.classifiers.items()
        }
        self._label_info.publish(
            label_info_message(labels, header, self._settings.detection_threshold)
        )

    # What a user must be told

    def _report_troubles(self) -> None:
        """Say why there are no faces, once a second at most."""
        if self._subscription is None:
            return
        now = time.monotonic()
        # Not at once: the name of a publisher's node comes a moment after the publisher.
        if now - self._incompatible_since >= 1:
            self._incompatible_since = float('inf')
            self._report_incompatible_publisher()
        if self._lost > self._lost_told and now - self._lost_told_at >= LOG_PERIOD:
            self._lost_told, self._lost_told_at = self._lost, now
            self._report_lost_pictures()
        if now - self._last_arrival >= SILENCE:
            self._report_silence()

    def _report_silence(self) -> None:
        """Say what the node waits for when no picture came for some seconds."""
        assert self._subscription is not None
        self._last_arrival = time.monotonic()
        publishers = self.get_publishers_info_by_topic(self._subscription.topic_name)
        if publishers:
            found = 'its publishers: ' + ', '.join(map(_describe_publisher, publishers))
        else:
            wanted = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
            own = {self._annotated.topic_name, self._annotated_compressed.topic_name}
            others = sorted(
                name
                for name, types in self.get_topic_names_and_types()
                if set(wanted) & set(types) and name not in own and self.count_publishers(name)
            )
            found = 'nobody publishes it'
            found += f'; there are pictures on {", ".join(others)}' if others else ''
        self.get_logger().warning(
            f'no picture for {SILENCE:.0f} s on {self._describe_subscription()}: {found}'
        )

    def _note_incompatible_publisher(self, event: QoSRequestedIncompatibleQoSInfo) -> None:
        self._incompatible_since = time.monotonic()

    def _report_incompatible_publisher(self) -> None:
        assert self._subscription is not None
        publishers = self.get_publishers_info_by_topic(self._subscription.topic_name)
        self.get_logger().warning(
            f'a publisher cannot serve {self._describe_subscription()}: '
            f'{", ".join(map(_describe_publisher, publishers)) or "it is gone"}; '
            'set image_reliability to best_effort'
        )

    def _note_lost_pictures(self, event: QoSMessageLostInfo) -> None:
        self._lost += event.total_count_change

    def _report_lost_pictures(self) -> None:
        """Say that pictures do not get through, which happens before the node can see them."""
        other = {'raw': 'compressed', 'compressed': 'raw'}[self._settings.image_transport]
        self.get_logger().warning(
            f'{self._lost} pictures were lost so far on the way to '
            f'{self._describe_subscription()}: start camera and node with '
            f'FASTRTPS_DEFAULT_PROFILES_FILE={dds_profile()}, or try image_transport {other}'
        )

    def _describe_subscription(self) -> str:
        assert self._subscription is not None
        name = 'Image' if self._settings.image_transport == 'raw' else 'CompressedImage'
        return (
            f'{self._subscription.topic_name} '
            f'(sensor_msgs/msg/{name}, {self._settings.image_reliability})'
        )


def _describe_publisher(info: TopicEndpointInfo) -> str:
    namespace = info.node_namespace.rstrip('/')
    reliability = info.qos_profile.reliability.name.lower()
    return f'{namespace}/{info.node_name} ({info.topic_type}, {reliability})'


def _thresholds(parameters: Parameters) -> dict[str, float]:
    return {
        'gender': parameters.unknown_threshold_gender,
        'emotion': parameters.unknown_threshold_emotion,
    }


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop; the exit code is 2 where it cannot start."""
    with ExitStack() as stack:
        try:
            stack.enter_context(ros_running(args))
        except RuntimeError as error:
            print(f'{NODE_NAME}: {error}', file=sys.stderr)
            return 2
        return _run()


def _run() -> int:
    try:
        try:
            node = FaceClassificationNode()
        except (ValueError, ParameterException) as error:
            print(f'{NODE_NAME}: {error}', file=sys.stderr)
            return 2
        if node.get_parameter('autostart').value:
            if node.trigger_configure() != TransitionCallbackReturn.SUCCESS:
                # Its reason is in the log, or a signal came meanwhile.
                return 2 if rclpy.ok() else 0
            node.trigger_activate()
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:
        # What rclpy raises where a signal ends ROS in the middle of the start or of a callback.
        if rclpy.ok():
            raise
    return 0
