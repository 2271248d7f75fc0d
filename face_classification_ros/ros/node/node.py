"""The node: camera pictures in, faces with gender and emotion out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import wraps
import sys
import time
from typing import Any

import cv2
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import LifecycleState, Node, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_msgs.msg import Header

from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.pipeline import create_pipeline, FacePipeline, thresholds_of
from face_classification_ros.ros.conversions.messages import faces_message, seconds
from face_classification_ros.ros.node.depth_input import DepthInput
from face_classification_ros.ros.node.diagnostics.publisher import Diagnostics
from face_classification_ros.ros.node.diagnostics.status import (
    evaluate_positions,
    ImageStatus,
    Level,
    Limits,
    Status,
)
from face_classification_ros.ros.node.frame_clock import FrameClock
from face_classification_ros.ros.node.image_input import ImageInput
from face_classification_ros.ros.node.name_conflicts import NameConflicts
from face_classification_ros.ros.node.observe import ObserveServer
from face_classification_ros.ros.node.outputs.publishers import Outputs
from face_classification_ros.ros.node.parameters import (
    default_value,
    descriptor_of,
    NodeConfig,
    PARAMETERS,
    RELOAD_PARAMETERS,
    THRESHOLD,
    threshold_descriptor,
)
from face_classification_ros.ros.node.result_cache import FrameResult, ResultCache
from face_classification_ros.ros.node.services import ControlServices, QueryServices
from face_classification_ros.ros.node.statistics import ImageStatistics
from face_classification_ros.ros.runtime import (
    release_free_memory,
    ros_running,
    signals_as_interrupt,
)
from face_classification_ros.tracking.people import PeopleCounter
from face_classification_ros.tracking.tracker import Tracker
from face_classification_ros.types import Face, Image

NODE_NAME = 'face_classification'

Transition = Callable[['FaceClassificationNode', LifecycleState], TransitionCallbackReturn]


def _log_errors(transition: Transition) -> Transition:
    """Log the error in which a transition ends: rclpy handles it and says nothing."""

    @wraps(transition)
    def tell(node: FaceClassificationNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception as error:
            name = transition.__name__
            node.get_logger().fatal(f'{name} failed: {type(error).__name__}: {error}')
            raise

    return tell


class FaceClassificationNode(Node):
    """Finds and classifies the faces of a camera's pictures.

    A managed node: configuring loads detector and models, activating subscribes.
    """

    def __init__(self, namespace: str = '') -> None:
        """Declare the parameters, offer services and action, and begin to tell diagnostics.

        No model is loaded, and no picture comes in, yet.

        Args:
            namespace: of the node; several in one process need one each.

        Raises:
            ValueError: a parameter has a value that cannot be.
        """
        super().__init__(NODE_NAME, namespace=namespace)
        values: dict[str, Any] = {}
        for name, field in PARAMETERS.items():
            declared = self.declare_parameter(name, default_value(field), descriptor_of(field))
            values[name] = declared.value
        # rclpy has no public access to values of parameters that are not declared yet.
        for name, parameter in self._parameter_overrides.items():
            if name.startswith(THRESHOLD):
                values[name] = parameter.value
        self._settings = NodeConfig().changed(values)
        # One for the whole run, as no id is given twice in it.
        self._tracker = Tracker(self._settings.track_timeout)
        self._time = FrameClock()
        self._pipeline: FacePipeline | None = None
        self._prepared: tuple[NodeConfig, FacePipeline | None] | None = None
        self._outputs: Outputs | None = None
        self._state = 'unconfigured'
        self._is_enabled = True
        self._counts = ImageStatistics()
        self._input = ImageInput(self, self._counts, self._process)
        self._depth = DepthInput(self)
        self._image_status = ImageStatus()
        self._load_error = ''
        self._name_conflicts = NameConflicts(self)
        self._diagnostics = Diagnostics(self, self._evaluate_status)
        self._people = PeopleCounter()
        self._results = ResultCache(self)
        self._observe = ObserveServer(
            self,
            inactive_reason=self._inactive_reason,
            config=lambda: self._settings,
            thresholds=lambda: self._pipeline.thresholds if self._pipeline else {},
        )
        QueryServices(
            self,
            self._results,
            self._people,
            classify=self._classify_still,
            inactive_reason=self._inactive_reason,
            unloaded_reason=self._unloaded_reason,
            labels=self._labels,
        )
        ControlServices(self, enable=self._enable, reset=self._reset_tracks)
        self._refuse_impossible_transitions()
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)

    # Life cycle

    @_log_errors
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load detector and models, and offer the topics."""
        self._tracker.timeout = self._settings.track_timeout
        try:
            self._pipeline = create_pipeline(self._settings, tracker=self._tracker)
        except (FileNotFoundError, ImportError, ValueError) as error:
            self._load_error = str(error)
            self.get_logger().error(f'cannot start: {error}')
            return TransitionCallbackReturn.FAILURE
        self._load_error = ''
        cv2.setNumThreads(self._settings.num_threads)
        self._declare_thresholds(self._pipeline)
        self._outputs = Outputs(self)
        self._state = 'inactive'
        return TransitionCallbackReturn.SUCCESS

    @_log_errors
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the camera, unless the work on pictures is switched off."""
        result = super().on_activate(state)
        assert self._pipeline is not None and self._outputs is not None
        self._state = 'active'
        if self._is_enabled:
            self._look()
        else:
            self.get_logger().warning(self._inactive_reason())
        self._outputs.publish_labels(self._pipeline, self._settings)
        self._outputs.log_topics()
        return result

    @_log_errors
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Leave the camera and the processor to others."""
        self._state = 'inactive'
        self._stop_input()
        return super().on_deactivate(state)

    @_log_errors
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the memory of detector and models, and forget who was seen."""
        self._free()
        release_free_memory()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let a transition that failed in its midst be tried again from the start."""
        self._free()
        return TransitionCallbackReturn.SUCCESS

    def _free(self) -> None:
        self._state = 'unconfigured'
        self._stop_input()
        if self._outputs is not None:
            self._outputs.destroy()
        self._outputs = self._pipeline = None
        self._is_enabled = True
        self._reset_tracks()

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop working; what is left goes with the process."""
        self._state = 'finalized'
        self._stop_input()
        return TransitionCallbackReturn.SUCCESS

    def _unloaded_reason(self) -> str:
        return '' if self._state in ('inactive', 'active') else f'the node is {self._state}'

    def _inactive_reason(self) -> str:
        if self._state != 'active':
            return f'the node is {self._state}'
        service = f'{self.get_fully_qualified_name()}/enable'
        return '' if self._is_enabled else f'the node is disabled; {service} switches it on'

    def _labels(self) -> dict[str, tuple[str, ...]]:
        """Return attribute -> labels of the loaded models."""
        classifiers = self._pipeline.classifiers if self._pipeline else {}
        return {name: each.labels[name] for name, each in classifiers.items()}

    def _look(self) -> None:
        """Take pictures, and what tells where their faces are."""
        self._input.subscribe(self._settings)
        self._depth.subscribe(self._settings)
        self._image_status.start(self._counts, time.monotonic())

    def _stop_input(self) -> None:
        """Take no more pictures, and tell who waits for one."""
        self._input.unsubscribe()
        self._depth.unsubscribe()
        if self._outputs is not None:
            self._outputs.withdraw_hri()
        self._results.refuse(self._inactive_reason())
        self._observe.stop(self._inactive_reason())

    def _evaluate_status(self) -> dict[str, Status]:
        """Say how well pictures, models and positions do, for diagnostics."""
        parameters = self._settings
        if idle := self._inactive_reason():
            # That is what somebody asked for, so it is no trouble.
            pictures = Status(Level.OK, idle)
        else:
            limits = Limits(
                parameters.max_image_age, parameters.max_latency, parameters.min_output_rate
            )
            pictures = self._image_status.evaluate(self._counts, time.monotonic(), limits)
        loaded = {'detector': parameters.detector, 'models': ', '.join(parameters.models)}
        if self._load_error:
            models = Status(Level.ERROR, self._load_error, loaded)
        elif self._pipeline is None:
            models = Status(Level.OK, 'not loaded')
        else:
            models = Status(Level.OK, 'loaded', loaded)
        statuses = {'pictures': pictures, 'models': models}
        if self._depth.subscribed:
            statuses['positions'] = evaluate_positions(self._depth.counts, self._depth.problem)
        if name_conflicts := self._name_conflicts.evaluate(time.monotonic()):
            statuses['name'] = name_conflicts
        return statuses

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

    # NodeConfig

    def _declare_thresholds(self, pipeline: FacePipeline) -> None:
        """Declare one parameter per attribute of the models, with the thresholds in use."""
        for name in self.get_parameters_by_prefix(THRESHOLD.removesuffix('.')):
            self.undeclare_parameter(f'{THRESHOLD}{name}')
        for attribute, threshold in pipeline.thresholds.items():
            self.declare_parameter(
                f'{THRESHOLD}{attribute}',
                threshold,
                threshold_descriptor(attribute),
                ignore_override=True,
            )

    def _check_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        """Reject values that cannot work; detector and models are loaded here for that."""
        # Not use_sim_time and others of rclpy, nor what is just being declared.
        values = {
            each.name: each.value
            for each in changes
            if each.name in PARAMETERS or each.name.startswith(THRESHOLD)
            if self.has_parameter(each.name)
        }
        self._prepared = None
        if not values:
            return SetParametersResult(successful=True)
        try:
            config = self._settings.changed(values)
            pipeline = None
            if self._pipeline is not None and RELOAD_PARAMETERS & values.keys():
                pipeline = create_pipeline(
                    replace(config, unknown_threshold={}), tracker=self._tracker
                )
                # Thresholds of attributes that no model estimates any more are undeclared.
                remaining = {
                    attribute: threshold
                    for attribute, threshold in config.unknown_threshold.items()
                    if attribute in pipeline.classifiers
                }
                pipeline.thresholds = thresholds_of(pipeline.classifiers, remaining)
                config = replace(config, unknown_threshold=remaining)
        except (FileNotFoundError, ImportError, ValueError) as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._prepared = config, pipeline
        return SetParametersResult(successful=True)

    def _apply_parameters(self, changes: list[Parameter]) -> None:
        if self._prepared is None:
            return
        before = self._settings
        (self._settings, pipeline), self._prepared = self._prepared, None
        if self._pipeline is None:
            return
        assert self._outputs is not None
        if pipeline is not None:
            # Tracks go on: who is in view does not change with the detector. Averages do not:
            # another model may have other labels.
            self._tracker.reset_filters()
            self._pipeline = pipeline
            cv2.setNumThreads(self._settings.num_threads)
            self._declare_thresholds(pipeline)
            self._outputs.forget_explainer()
        elif (before.explanation_attribute, before.explanation_method) != (
            self._settings.explanation_attribute,
            self._settings.explanation_method,
        ):
            self._outputs.forget_explainer()
        self._pipeline.thresholds = thresholds_of(
            self._pipeline.classifiers, self._settings.unknown_threshold
        )
        self._pipeline.smoothing_time = self._settings.smoothing_time
        if before.rotation != self._settings.rotation:
            self._pipeline.rotation = self._settings.rotation
            self._tracker.reset()
            self._forget_people('the rotation was changed')
        self._tracker.timeout = self._settings.track_timeout
        self._input.apply(self._settings)
        self._depth.apply(self._settings, wanted=self._input.subscribed)
        if self._state == 'active':
            self._outputs.publish_labels(self._pipeline, self._settings)

    # The way of a picture

    def _process(self, image: Image, header: Header, arrival: float) -> None:
        """Answer a picture with its faces; `arrival` is when it came, by `time.perf_counter`."""
        assert self._pipeline is not None and self._outputs is not None
        stamp = self._time.of(seconds(header.stamp), arrival)
        if self._time.is_still:
            self.get_logger().warning(
                f'the stamps of the pictures stand still at {seconds(header.stamp):.3f} s, '
                'so time is that of their arrival',
                once=True,
            )
        capture_time = self._now() if self._time.is_by_arrival else seconds(header.stamp)
        result = self._pipeline.process_frame(image, stamp, self._depth.view(header))
        faces = result.faces
        self._depth.record(result)
        if result.was_reset:
            reason = f'time was set back to {stamp:.3f} s, so tracks start anew'
            self.get_logger().warning(reason)
            self._forget_people(reason)
        message = self._message(image, faces, header, arrival)
        answer = FrameResult(faces, message, stamp, capture_time)
        self._outputs.publish(image, answer, self._pipeline, self._settings)
        self._counts.record_result(len(faces), message.processing_time, self._now() - capture_time)
        self._counts.have_stamps = not self._time.is_by_arrival
        self._people.add(faces, stamp)
        self._results.give(answer)
        self._observe.add(answer)

    def _classify_still(self, image: Image, header: Header) -> FaceAttributesArray:
        assert self._pipeline is not None
        arrival = time.perf_counter()
        faces = self._pipeline.process_still(image)
        return self._message(image, faces, header, arrival)

    def _message(
        self, image: Image, faces: list[Face], header: Header, arrival: float
    ) -> FaceAttributesArray:
        height, width = image.shape[:2]
        duration = time.perf_counter() - arrival
        return faces_message(faces, header, width, height, duration)

    def _enable(self, on: bool) -> str:
        """Switch the work on pictures on or off, and say what the state is then."""
        if on != self._is_enabled:
            self._is_enabled = on
            if self._state == 'active' and on:
                self._look()
            elif self._state == 'active':
                self._stop_input()
                self.get_logger().info(self._inactive_reason())
        state = 'enabled' if on else 'disabled'
        return state if self._state == 'active' else f'{state}, but the node is {self._state}'

    def _reset_tracks(self) -> str:
        """Follow everybody as if never seen before, and say so."""
        self._tracker.reset()
        self._forget_people('tracks were reset')
        return 'tracks start anew; no id is given twice'

    def _forget_people(self, reason: str) -> None:
        self._people.reset()
        self._observe.stop(reason)

    def _now(self) -> float:
        return self.get_clock().now().nanoseconds / 1e9


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
        with signals_as_interrupt():
            try:
                node = FaceClassificationNode()
            except (ValueError, ParameterException) as error:
                print(f'{NODE_NAME}: {error}', file=sys.stderr)
                return 2
            except RuntimeError as error:
                # DDS lets no node in, as where SROS2 is enforced without keys, or a signal came.
                if not rclpy.ok():
                    return 0
                print(f'{NODE_NAME}: {" ".join(str(error).split())}', file=sys.stderr)
                return 2
            if node.get_parameter('autostart').value:
                if node.trigger_configure() != TransitionCallbackReturn.SUCCESS:
                    # Its reason is in the log, or a signal came meanwhile.
                    return 2 if rclpy.ok() else 0
                node.trigger_activate()
            rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    return 0
