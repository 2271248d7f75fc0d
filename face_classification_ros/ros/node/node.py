"""The node: images of a camera in, faces with their attributes out."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
import time

from rclpy.lifecycle import LifecycleState, Node, TransitionCallbackReturn

from face_classification_ros.ros.compat import refuse_impossible_transitions
from face_classification_ros.ros.node.diagnostics.publisher import Diagnostics
from face_classification_ros.ros.node.diagnostics.status import (
    evaluate_inactive,
    evaluate_models,
    evaluate_positions,
    evaluate_transforms,
    ImageStatus,
    Status,
)
from face_classification_ros.ros.node.frame_processor import FrameProcessor
from face_classification_ros.ros.node.inputs.calibration_input import CalibrationInput
from face_classification_ros.ros.node.inputs.depth_input import DepthInput
from face_classification_ros.ros.node.inputs.image_input import ImageInput
from face_classification_ros.ros.node.inputs.reliability import Reliability
from face_classification_ros.ros.node.inputs.transform_input import TransformInput
from face_classification_ros.ros.node.name_conflicts import NameConflicts
from face_classification_ros.ros.node.outputs.registry import check_outputs
from face_classification_ros.ros.node.parameters.node_config import NodeConfig, RELOAD_PARAMETERS
from face_classification_ros.ros.node.parameters.server import ParameterChange, ParameterServer
from face_classification_ros.ros.node.services import ControlServices, QueryServices
from face_classification_ros.ros.node.state import Lifecycle, NodeState
from face_classification_ros.ros.node.statistics import ImageStatistics
from face_classification_ros.ros.runtime import release_free_memory

NODE_NAME = 'face_classification'

Transition = Callable[['FaceClassificationNode', LifecycleState], TransitionCallbackReturn]


def _log_errors(transition: Transition) -> Transition:
    """Log the error that ends a transition, unless a signal caused it; rclpy does not log it."""

    @wraps(transition)
    def logged(node: FaceClassificationNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception as error:
            if node.context.ok():
                name = transition.__name__
                node.get_logger().fatal(f'{name} failed: {type(error).__name__}: {error}')
            raise

    return logged


class FaceClassificationNode(Node):
    """Detects and classifies faces in the images of a camera.

    A managed node: it loads detector and models when it is configured, and subscribes to the
    camera when it is activated.
    """

    def __init__(self, namespace: str = '') -> None:
        """Declare parameters, create services and action, and start diagnostics.

        Args:
            namespace: of the node; several in one process need one each.

        Raises:
            SettingError: a parameter has a value that is not possible.
        """
        super().__init__(NODE_NAME, namespace=namespace)
        self._parameter_server = ParameterServer(self, self._prepare_change, self._apply_change)
        self._state = NodeState(self.get_fully_qualified_name())
        self._statistics = ImageStatistics()
        reliability = Reliability(self)
        self._calibration = CalibrationInput(self, reliability)
        self._depth = DepthInput(self, reliability, self._calibration)
        self._transforms = TransformInput(self)
        self._processor = FrameProcessor(
            self, self._state, self._statistics, self._calibration, self._depth, self._transforms
        )
        self._input = ImageInput(
            self,
            self._statistics,
            reliability,
            process=self._processor.process,
            resubscribe=self._resubscribe,
        )
        self._image_status = ImageStatus()
        self._name_conflicts = NameConflicts(self)
        self._diagnostics = Diagnostics(self, self._evaluate_status)
        QueryServices(self, self._state, self._processor)
        ControlServices(self, enable=self._enable, reset_tracks=self._reset_tracks)
        refuse_impossible_transitions(self)

    @property
    def _config(self) -> NodeConfig:
        return self._parameter_server.config

    @property
    def unknown_parameters(self) -> list[str]:
        """Names of values given at the start that belong to no parameter."""
        return self._parameter_server.unknown

    # Life cycle

    @_log_errors
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load detector and models, and create the outputs."""
        try:
            pipeline = self._processor.create_pipeline(self._config)
            check_outputs(pipeline, self._config)
            self._transforms.check(self._config)
        except (FileNotFoundError, ImportError, ValueError) as error:
            self._state.load_error = str(error)
            self.get_logger().error(f'cannot start: {error}')
            return TransitionCallbackReturn.FAILURE
        self._state.load_error = ''
        self._processor.load(pipeline, self._config)
        self._parameter_server.declare_thresholds(pipeline.thresholds)
        self._state.lifecycle = Lifecycle.INACTIVE
        return TransitionCallbackReturn.SUCCESS

    @_log_errors
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the camera, unless the node is disabled."""
        result = super().on_activate(state)
        self._state.lifecycle = Lifecycle.ACTIVE
        if reason := self._state.inactive_reason:
            self.get_logger().warning(reason.text)
        else:
            self._start_input()
        self._processor.update_outputs()
        return result

    @_log_errors
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Leave camera and processor to others."""
        self._state.lifecycle = Lifecycle.INACTIVE
        self._stop_input()
        return super().on_deactivate(state)

    @_log_errors
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the memory of detector and models, and forget everybody."""
        self._unload()
        release_free_memory()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Undo a transition that failed halfway, so that it can be tried again."""
        self._unload()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop processing; everything else ends with the process."""
        self._state.lifecycle = Lifecycle.FINALIZED
        self._stop_input()
        return TransitionCallbackReturn.SUCCESS

    def _unload(self) -> None:
        self._state.lifecycle = Lifecycle.UNCONFIGURED
        self._stop_input()
        self._processor.unload()
        self._state.is_enabled = True

    def _start_input(self) -> None:
        self._input.subscribe(self._config)
        self._calibration.subscribe(self._config)
        self._depth.subscribe(self._config)
        self._transforms.subscribe(self._config)
        self._image_status.start(self._statistics, time.monotonic())

    def _resubscribe(self) -> None:
        for each in (self._input, self._calibration, self._depth):
            each.unsubscribe()
            each.subscribe(self._config)

    def _stop_input(self) -> None:
        self._input.unsubscribe()
        self._calibration.unsubscribe()
        self._depth.unsubscribe()
        reason = self._state.inactive_reason
        assert reason is not None
        self._processor.stop(reason)
        self._transforms.unsubscribe()

    # Parameters

    def _prepare_change(self, config: NodeConfig) -> ParameterChange:
        """Validate a change; detector and models are loaded here, because they may fail."""
        present, loaded = self._processor.pipeline, None
        if present is not None:
            before = self._config
            if any(getattr(before, name) != getattr(config, name) for name in RELOAD_PARAMETERS):
                loaded = self._processor.create_pipeline(config)
            check_outputs(loaded or present, config)
            self._transforms.check(config)
        return ParameterChange(config, loaded)

    def _apply_change(self, change: ParameterChange) -> None:
        if self._processor.pipeline is None:
            return
        if change.pipeline is None:
            self._processor.update(change.config)
        else:
            self._processor.load(change.pipeline, change.config)
            self._parameter_server.declare_thresholds(change.pipeline.thresholds)
        self._input.apply(change.config)
        for each in (self._calibration, self._depth, self._transforms):
            each.apply(change.config, is_processing=self._state.is_processing)
        if self._state.lifecycle is Lifecycle.ACTIVE:
            self._processor.update_outputs()

    # Services and diagnostics

    def _enable(self, is_enabled: bool) -> str:
        """Enable or disable the processing of images, and return a message about the result."""
        if is_enabled != self._state.is_enabled:
            self._state.is_enabled = is_enabled
            if self._state.is_processing:
                self._start_input()
            elif self._state.lifecycle is Lifecycle.ACTIVE:
                self._stop_input()
                self.get_logger().info('the node is disabled')
        result = 'enabled' if is_enabled else 'disabled'
        lifecycle = self._state.lifecycle
        if lifecycle is Lifecycle.ACTIVE:
            return result
        return f'{result}; the node is still {lifecycle.value}'

    def _reset_tracks(self) -> str:
        self._processor.reset_tracks('tracks were reset')
        return 'tracks were reset; ids continue'

    def _evaluate_status(self) -> dict[str, Status]:
        """Return the status of images, models and positions for diagnostics."""
        now = time.monotonic()
        if reason := self._state.inactive_reason:
            images = evaluate_inactive(reason)
        else:
            images = self._image_status.evaluate(
                self._statistics,
                now,
                self._config,
                self._input.monitor.incompatible_publishers,
            )
        statuses = {'images': images, 'models': evaluate_models(self._state, self._config)}
        if self._depth.is_subscribed or (self._state.is_processing and self._depth.is_missing):
            statuses['positions'] = evaluate_positions(self._depth.statistics, self._depth.problem)
        if self._transforms.is_subscribed:
            statuses['transforms'] = evaluate_transforms(
                self._transforms.statistics, self._transforms.problem, self._config
            )
        if conflict := self._name_conflicts.evaluate(now):
            statuses['name'] = conflict
        return statuses
