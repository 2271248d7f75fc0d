"""Define the settings of the node, and describe all of them as ROS parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, Field, replace
from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from face_classification_ros.config import (
    PipelineConfig,
    Setting,
    setting,
    settings_of,
)
from face_classification_ros.explanation import METHODS

TRANSPORTS = ('raw', 'compressed')
RELIABILITIES = ('auto', 'best_effort', 'reliable')

THRESHOLD = 'unknown_threshold.'
"""Beginning of the names of the parameters that exist once per attribute of the loaded models."""

ROS_PARAMETERS = ('use_sim_time', 'start_type_description_service')
"""Parameters that ROS declares in every node."""

ROS_PREFIXES = ('qos_overrides.', 'diagnostic_updater.')
"""Beginnings of the names of parameters that libraries of ROS declare."""


class UnknownParameterError(ValueError):
    """The node has no parameter of this name.

    Attributes:
        name: of the parameter.
    """

    def __init__(self, name: str) -> None:
        """Name the parameter, and the one with the most similar name if there is any."""
        similar = get_close_matches(name, PARAMETERS, 1)
        hint = f'; did you mean {similar[0]}?' if similar else ''
        super().__init__(f'the node has no parameter {name!r}{hint}')
        self.name = name


@dataclass(frozen=True)
class NodeConfig(PipelineConfig):
    """All settings of the node; each field is a parameter."""

    max_processing_rate: float = setting(
        0.0, 'maximum number of images per second to process; 0 is no limit', low=0.0, high=1000.0
    )
    min_output_rate: float = setting(
        0.0,
        'processed images per second below which diagnostics warn; 0 switches the check off',
        low=0.0,
        high=1000.0,
    )
    max_latency: float = setting(
        0.5,
        'seconds from the stamp of an image to its faces above which diagnostics warn',
        low=0.001,
        high=3600.0,
    )
    max_image_age: float = setting(
        2.0,
        'seconds without an image after which diagnostics report an error',
        low=0.1,
        high=3600.0,
    )
    image_transport: str = setting(
        'raw',
        'transport of the images, sensor_msgs/Image or CompressedImage',
        choices=TRANSPORTS,
    )
    image_reliability: str = setting(
        'auto',
        'reliability of the subscriptions: best_effort matches every publisher, reliable only '
        'reliable ones; auto is best_effort until images are lost, then reliable if the '
        'publishers are',
        choices=RELIABILITIES,
    )
    use_depth: bool = setting(
        False, 'subscribe to depth and camera_info, and publish the positions of faces in meters'
    )
    target_frame: str = setting(
        '',
        'frame of the positions, such as map; "" is that of the image; others require tf2_ros',
    )
    publish_tf: bool = setting(
        False, 'publish the position of each face as the frame face_<track id> on /tf'
    )
    publish_hri: bool = setting(
        False,
        'publish REP-155 (ROS4HRI) topics below /humans/faces; requires hri_msgs',
    )
    publish_annotated: bool = setting(
        True, 'publish annotated images, drawn only while somebody subscribes'
    )
    blur_faces: bool = setting(
        False,
        'make faces unrecognizable in annotated images, and publish neither crops nor '
        'explanations',
    )
    explanation_attribute: str = setting(
        '',
        'attribute whose prediction is explained; "" is the first one with more than two labels',
    )
    explanation_method: str = setting(
        'guided', 'guided back-propagation, gradient or Grad-CAM', choices=METHODS
    )
    explanation_track: str = setting(
        '', 'track id of the face that is explained; "" is the largest face'
    )
    count_min_frames: int = setting(
        3,
        'minimum number of images before count_people counts a track as a person',
        low=1,
        high=1000,
    )
    count_min_duration: float = setting(
        0.3,
        'minimum seconds from the first to the last image before count_people counts a track as '
        'a person',
        low=0.0,
        high=600.0,
    )
    count_return_time: float = setting(
        60.0,
        'seconds within which count_people recognizes a person who comes back at the same place '
        'with the same appearance; 0 counts every track as another person',
        low=0.0,
        high=600.0,
    )
    autostart: bool = setting(
        True,
        'configure and activate the node at startup; false waits for a lifecycle manager',
        only_at_start=True,
    )

    def changed(self, values: Mapping[str, Any]) -> NodeConfig:
        """Return the configuration with other values of some parameters.

        Args:
            values: by the names of the parameters, `unknown_threshold.<attribute>` included; an
                integer counts as a double and as text.

        Raises:
            SettingError: a value is of another type or out of range.
        """
        values = {name: value_in_own_type(name, value) for name, value in values.items()}
        thresholds = {
            name.removeprefix(THRESHOLD): value
            for name, value in values.items()
            if name.startswith(THRESHOLD)
        }
        others = {name: value for name, value in values.items() if name in PARAMETERS}
        return replace(self, **others, unknown_threshold={**self.unknown_threshold, **thresholds})


PARAMETERS: dict[str, Field[Any]] = settings_of(NodeConfig)
"""Name -> field of every parameter but the thresholds, which depend on the models."""

RELOAD_PARAMETERS = frozenset(
    name for name, each in PARAMETERS.items() if each.metadata['setting'].reload
)
"""Parameters whose change loads detector and models again."""

START_PARAMETERS = frozenset(
    name for name, each in PARAMETERS.items() if each.metadata['setting'].only_at_start
)
"""Parameters that can only be set at startup."""


LISTS = frozenset(name for name, each in PARAMETERS.items() if isinstance(each.default, tuple))
"""Parameters that are lists of text."""


def is_parameter(name: str) -> bool:
    """Return whether the node may have a parameter of this name."""
    return name in PARAMETERS or name.startswith(THRESHOLD)


def is_ros_parameter(name: str) -> bool:
    """Return whether ROS or one of its libraries may declare a parameter of this name."""
    return name in ROS_PARAMETERS or name.startswith(ROS_PREFIXES)


def value_in_own_type(name: str, value: Any) -> Any:
    """Return the value of a parameter, an integer in the type of the parameter.

    ROS reads `16` as an integer where a double is expected, and the id of a track where text is.
    """
    if type(value) is not int:
        return value
    if name.startswith(THRESHOLD):
        return float(value)
    kind = type(PARAMETERS[name].default) if name in PARAMETERS else int
    return kind(value) if kind in (float, str) else value


def default_value(described: Field[Any]) -> Any:
    """Return the default of a parameter as ROS takes it; a list must not be empty there."""
    default = described.default
    return list(default) or [''] if isinstance(default, tuple) else default


def descriptor_of(described: Field[Any]) -> ParameterDescriptor:
    """Return the descriptor of a parameter: help text, range and choices."""
    limits: Setting = described.metadata['setting']
    descriptor = ParameterDescriptor(name=described.name, description=limits.help)
    if limits.only_at_start:
        descriptor.additional_constraints = 'only at startup'
    if limits.choices:
        descriptor.additional_constraints = f'one of {", ".join(map(str, limits.choices))}'
    if limits.low is not None and limits.high is not None:
        low, high = limits.low, limits.high
        if isinstance(described.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        else:
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
    return descriptor


def threshold_descriptor(attribute: str) -> ParameterDescriptor:
    """Return the descriptor of the threshold of an attribute."""
    return ParameterDescriptor(
        name=f'{THRESHOLD}{attribute}',
        description=f'probability below which the label of {attribute} is "unknown"',
        floating_point_range=[FloatingPointRange(from_value=0.0, to_value=1.0)],
    )
