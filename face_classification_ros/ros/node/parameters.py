"""The node's parameters: names, defaults, descriptions and ranges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
import re
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
import yaml

from face_classification_ros.classification.classifier import ATTRIBUTES
from face_classification_ros.detection import DETECTORS
from face_classification_ros.explanation import METHODS
from face_classification_ros.pipeline import THRESHOLDS

TRANSPORTS = ('raw', 'compressed')
RELIABILITIES = ('best_effort', 'reliable')


def _parameter(
    default: bool | int | float | str,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    step: int = 0,
    choices: tuple[str, ...] = (),
    read_only: bool = False,
) -> Any:
    metadata = {
        'description': description,
        'low': low,
        'high': high,
        'step': step,
        'choices': choices,
        'read_only': read_only,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Parameters:
    """The value of every parameter of the node; each field carries its description."""

    detector: str = _parameter('libfacedetection', 'how faces are found', choices=DETECTORS)
    detector_model: str = _parameter(
        '', 'YuNet ONNX file for yunet, cascade for haar ("" is OpenCV\'s), "" otherwise'
    )
    detection_threshold: float = _parameter(
        0.6, 'detections of lower confidence are dropped', low=0.0, high=1.0
    )
    detection_size: int = _parameter(
        320,
        'longer side in pixels to which a larger picture is scaled for detection',
        low=32,
        high=4096,
    )
    detection_interval: int = _parameter(
        3,
        'every so many-th picture at least is searched as a whole, the others around the faces '
        'of the one before; 1 searches each as a whole',
        low=1,
        high=1000,
    )
    min_face_size: int = _parameter(
        0, 'faces whose shorter side in pixels is smaller are dropped', low=0, high=4096
    )
    rotation: int = _parameter(
        0,
        'degrees clockwise by which pictures must be turned for people to stand upright',
        low=0,
        high=270,
        step=90,
    )
    gender_model: str = _parameter(
        'gender_mini_xception', 'shipped model or .onnx file that tells gender; "" switches it off'
    )
    emotion_model: str = _parameter(
        'emotion_mini_xception', 'shipped model or .onnx file that tells emotion; "" is off'
    )
    unknown_threshold_gender: float = _parameter(
        THRESHOLDS['gender'], 'below this probability the gender is "unknown"', low=0.0, high=1.0
    )
    unknown_threshold_emotion: float = _parameter(
        THRESHOLDS['emotion'], 'below this probability the emotion is "unknown"', low=0.0, high=1.0
    )
    smoothing_time: float = _parameter(
        1.0,
        'seconds over which probabilities of a track are averaged; 0 is off',
        low=0.0,
        high=60.0,
    )
    track_timeout: float = _parameter(
        1.0, 'seconds after which a face that was not seen again is forgotten', low=0.0, high=60.0
    )
    max_processing_rate: float = _parameter(
        0.0, 'pictures per second that are worked on at most; 0 is no limit', low=0.0, high=1000.0
    )
    image_transport: str = _parameter(
        'raw', 'raw: sensor_msgs/Image; compressed: CompressedImage', choices=TRANSPORTS
    )
    image_reliability: str = _parameter(
        'best_effort',
        'best_effort matches every publisher; reliable loses none but only matches reliable ones',
        choices=RELIABILITIES,
    )
    use_depth: bool = _parameter(
        False, 'subscribe to depth and camera_info, and tell where faces are in meters'
    )
    num_threads: int = _parameter(
        1, 'processor threads for detection and networks', low=1, high=64
    )
    max_image_age: float = _parameter(
        2.0, 'seconds without a picture from which diagnostics is ERROR', low=0.1, high=3600.0
    )
    max_latency: float = _parameter(
        0.5, 'seconds from stamp to faces above which diagnostics is WARN', low=0.001, high=3600.0
    )
    min_output_rate: float = _parameter(
        0.0,
        'answered pictures per second below which diagnostics is WARN; 0 is off',
        low=0.0,
        high=1000.0,
    )
    publish_hri: bool = _parameter(
        False, 'publish REP-155 (ROS4HRI) topics below /humans/faces; needs hri_msgs'
    )
    publish_annotated: bool = _parameter(
        True, 'offer the annotated picture; it is drawn only while somebody subscribes'
    )
    blur_faces: bool = _parameter(
        False, 'make faces unrecognizable in the annotated picture, and explain none'
    )
    explanation_attribute: str = _parameter(
        'emotion', 'whose answer is explained while somebody subscribes', choices=ATTRIBUTES
    )
    explanation_method: str = _parameter(
        'guided',
        'guided back-propagation, gradient, or where the maps speak for the label (Grad-CAM)',
        choices=METHODS,
    )
    explanation_track: str = _parameter(
        '', 'track id of the face that is explained; "" is the largest'
    )
    autostart: bool = _parameter(
        True,
        'configure and activate at start; false waits for a lifecycle manager',
        read_only=True,
    )

    @property
    def thresholds(self) -> dict[str, float]:
        """Attribute -> probability below which its label is "unknown"."""
        return {
            'gender': self.unknown_threshold_gender,
            'emotion': self.unknown_threshold_emotion,
        }


PARAMETER_NAMES = frozenset(each.name for each in fields(Parameters))


def descriptor_of(name: str) -> ParameterDescriptor:
    """Describe a parameter to ROS."""
    metadata = {each.name: each for each in fields(Parameters)}[name].metadata
    descriptor = ParameterDescriptor(
        name=name, description=metadata['description'], read_only=metadata['read_only']
    )
    if metadata['choices']:
        descriptor.additional_constraints = f'one of {", ".join(metadata["choices"])}'
    default = getattr(Parameters, name)
    if isinstance(default, float):
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=metadata['low'], to_value=metadata['high'])
        ]
    elif isinstance(default, int) and not isinstance(default, bool):
        descriptor.integer_range = [
            IntegerRange(
                from_value=metadata['low'], to_value=metadata['high'], step=metadata['step']
            )
        ]
    return descriptor


def validation_error(values: Mapping[str, Any]) -> str:
    """Say which value is none of those that can be chosen; "" where all are."""
    for each in fields(Parameters):
        choices = each.metadata['choices']
        if choices and each.name in values and values[each.name] not in choices:
            return f'{each.name}: {values[each.name]!r} is none of {", ".join(choices)}'
    return ''


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Take `name:=value` as ROS does on its command line: the value is YAML.

    Raises:
        ValueError: one is no such text, or names no parameter of the node.
    """
    values = {}
    for assignment in assignments:
        name, separator, text = assignment.partition(':=')
        if not (name and separator):
            raise ValueError(f'{assignment!r} is not NAME:=VALUE')
        if name not in PARAMETER_NAMES:
            raise ValueError(f'the node has no parameter {name!r}')
        try:
            values[name] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f'{name}: {text!r} is no YAML') from error
    return values


def read_parameter_file(path: Path, node: str) -> dict[str, Any]:
    """Read what a ROS parameter file sets for a node; names that it does not have are left out.

    Args:
        path: a YAML file; its keys may have the wildcards * and **.
        node: full name, with its namespace.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no parameter file.
    """
    values: dict[str, Any] = {}
    try:
        content = yaml.safe_load(path.read_text())
        for key, section in content.items():
            if re.fullmatch(_pattern(str(key)), node):
                values |= section['ros__parameters']
    except (AttributeError, KeyError, TypeError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f'{path} is no parameter file of ROS 2') from error
    return {name: value for name, value in values.items() if name in PARAMETER_NAMES}


def _pattern(key: str) -> str:
    """Give the regular expression of a key: * is one name, ** any number of them."""
    pattern = re.escape(key if key.startswith('/') else f'/{key}')
    pattern = pattern.replace(r'/\*\*', '(/[^/]+)*').replace(r'\*', '[^/]+')
    return pattern


def make_parameters(values: Mapping[str, Any]) -> Parameters:
    """Give the node's parameters with these values; the others have their defaults.

    Raises:
        ValueError: one is of another type, out of range or none of the choices, all of which the
            node would refuse.
    """
    for each in fields(Parameters):
        if each.name not in values:
            continue
        value, default = values[each.name], each.default
        if type(value) is not type(default):
            wanted = type(default).__name__
            raise ValueError(f'{each.name}: {value!r} is no {wanted} (a float has a point)')
        low, high = each.metadata['low'], each.metadata['high']
        if low is not None and not low <= value <= high:
            raise ValueError(f'{each.name}: {value!r} is not between {low:g} and {high:g}')
        step = each.metadata['step']
        if step and (value - low) % step:
            raise ValueError(f'{each.name}: {value!r} is no multiple of {step}')
    if problem := validation_error(values):
        raise ValueError(problem)
    return Parameters(**values)
