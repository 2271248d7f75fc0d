"""Define the settings of the node, and describe all of them as ROS parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, Field, replace
from pathlib import Path
import re
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
import yaml

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.config import (
    PipelineConfig,
    Setting,
    setting,
    SettingError,
    settings_of,
)
from face_classification_ros.explanation import METHODS

TRANSPORTS = ('raw', 'compressed')
RELIABILITIES = ('auto', 'best_effort', 'reliable')

THRESHOLD = 'unknown_threshold.'
"""Beginning of the names of the parameters that exist once per attribute of the loaded models."""


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
    publish_hri: bool = setting(
        False, 'publish REP-155 (ROS4HRI) topics below /humans/faces; requires hri_msgs'
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
        '', 'attribute whose prediction is explained; "" is the one with the most labels'
    )
    explanation_method: str = setting(
        'guided', 'guided back-propagation, gradient or Grad-CAM', choices=METHODS
    )
    explanation_track: str = setting(
        '', 'track id of the face that is explained; "" is the largest face'
    )
    count_min_frames: int = setting(
        1,
        'number of images of a track from which count_people counts it as a person',
        low=1,
        high=1000,
    )
    count_min_duration: float = setting(
        0.0,
        'seconds from the first to the last image of a track from which count_people counts it '
        'as a person',
        low=0.0,
        high=600.0,
    )
    autostart: bool = setting(
        True,
        'configure and activate the node at start; false waits for a lifecycle manager',
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
"""Parameters that can only be set at the start."""


def is_parameter(name: str) -> bool:
    """Return whether the node may have a parameter of this name."""
    return name in PARAMETERS or name.startswith(THRESHOLD)


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
        descriptor.additional_constraints = 'only at the start'
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


def explained_attribute(config: NodeConfig, attributes: Mapping[str, Classifier]) -> str:
    """Return the attribute that is explained, "" if the models estimate none.

    Args:
        config: of the node.
        attributes: attribute -> classifier, see `load_classifiers`.

    Raises:
        SettingError: no model estimates `explanation_attribute`.
    """
    chosen = config.explanation_attribute
    if chosen and chosen not in attributes:
        available = ', '.join(attributes) or 'none'
        raise SettingError(
            'explanation_attribute', f'no model estimates {chosen!r}; available: {available}'
        )
    return chosen or max(
        attributes, key=lambda name: len(attributes[name].labels[name]), default=''
    )


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Parse `name:=value` as ROS does on its command line, where the value is YAML.

    Raises:
        ValueError: the text has another form, or names no parameter of the node.
    """
    values = {}
    for assignment in assignments:
        name, separator, text = assignment.partition(':=')
        if not (name and separator):
            raise ValueError(f'{assignment!r} is not NAME:=VALUE')
        if not is_parameter(name):
            raise ValueError(f'the node has no parameter {name!r}')
        try:
            values[name] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f'{name}: {text!r} is not YAML') from error
    return values


def read_parameter_file(path: Path, node: str) -> dict[str, Any]:
    """Read the values of a ROS parameter file for a node; unknown names are ignored.

    Args:
        path: a YAML file; its keys are names of nodes with their namespaces, or nested in them,
            and may have the wildcards * and **.
        node: full name, with its namespace.

    Returns:
        Values by name, thresholds as `unknown_threshold.<attribute>`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a parameter file.
    """
    values: dict[str, Any] = {}
    try:
        content = yaml.safe_load(path.read_text())
        for name, parameters in _sections(content):
            if re.fullmatch(_pattern(name), node):
                values |= _flat(parameters)
    except (AttributeError, TypeError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f'{path} is not a parameter file of ROS 2') from error
    return {name: value for name, value in values.items() if is_parameter(name)}


def _sections(
    content: Mapping[Any, Any], namespace: str = ''
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the full name and the parameters of each node in a parameter file."""
    for key, section in content.items():
        name = f'{namespace}/{str(key).strip("/")}'.rstrip('/')
        if 'ros__parameters' in section:
            yield name, section['ros__parameters']
        else:
            yield from _sections(section, name)


def _flat(section: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    """Return nested values under names with dots, as ROS does."""
    values: dict[str, Any] = {}
    for name, value in section.items():
        if isinstance(value, Mapping):
            values |= _flat(value, f'{prefix}{name}.')
        else:
            values[f'{prefix}{name}'] = value
    return values


def _pattern(name: str) -> str:
    """Return the regular expression of a full name: * is one name, ** any number of them."""
    return re.escape(name).replace(r'/\*\*', '(/[^/]+)*').replace(r'\*', '[^/]+')
