"""Declare the parameters of the node, and apply changes of them completely or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import ParameterNotDeclaredException
from rclpy.node import Node
from rclpy.parameter import Parameter

from face_classification_ros.config import SettingError
from face_classification_ros.pipeline import FacePipeline
from face_classification_ros.ros.node.parameters.node_config import (
    default_value,
    descriptor_of,
    is_parameter,
    is_ros_parameter,
    LISTS,
    NodeConfig,
    PARAMETERS,
    START_PARAMETERS,
    THRESHOLD,
    threshold_descriptor,
    value_in_own_type,
)

_ARRAYS = (
    Parameter.Type.BYTE_ARRAY,
    Parameter.Type.BOOL_ARRAY,
    Parameter.Type.INTEGER_ARRAY,
    Parameter.Type.DOUBLE_ARRAY,
)
"""Types that an empty list may have, because it does not show that of its elements."""


@dataclass(frozen=True)
class ParameterChange:
    """A validated change of parameters.

    Attributes:
        config: configuration after the change.
        pipeline: loaded for the new configuration; None if the present one remains in use.
    """

    config: NodeConfig
    pipeline: FacePipeline | None


class ParameterServer:
    """Declares the parameters and holds their values.

    Attributes:
        config: present values of all parameters.
        unknown: names of values given at the start that belong to no parameter.
    """

    def __init__(
        self,
        node: Node,
        prepare: Callable[[NodeConfig], ParameterChange],
        apply: Callable[[ParameterChange], None],
    ) -> None:
        """Declare all parameters but the thresholds, which depend on the models.

        Args:
            node: declares them.
            prepare: validates another configuration and loads what it requires, without any
                effect on the node; raises FileNotFoundError, ImportError or ValueError if it is
                not possible.
            apply: makes the node work with a validated change; must not fail.

        Raises:
            SettingError: a value given at the start is not possible.
        """
        self._node = node
        self._prepare = prepare
        self._apply = apply
        # rclpy has no public access to values that were given at the start.
        given = node._parameter_overrides
        given.update({each.name: each for each in _in_own_types(map(_with_type, given.values()))})
        self.unknown = [
            each for each in given if not (is_parameter(each) or is_ros_parameter(each))
        ]
        for name in LISTS & set(given):
            # The error of rclpy does not show how a list is written.
            if isinstance(text := given[name].value, str):
                raise SettingError(name, f'{text!r} is not a list of text; write [{text}]')
        values: dict[str, Any] = {}
        for name, described in PARAMETERS.items():
            declared = node.declare_parameter(
                name, default_value(described), descriptor_of(described)
            )
            values[name] = declared.value
        for name, parameter in given.items():
            if name.startswith(THRESHOLD):
                values[name] = parameter.value
        self.config = NodeConfig().changed(values)
        self._prepared: ParameterChange | None = None
        node.add_pre_set_parameters_callback(self._prepare_values)
        node.add_on_set_parameters_callback(self._validate_change)
        node.add_post_set_parameters_callback(self._apply_change)

    def declare_thresholds(self, thresholds: Mapping[str, float]) -> None:
        """Declare one parameter per attribute of the loaded models, instead of those before."""
        for attribute in self._node.get_parameters_by_prefix(THRESHOLD.removesuffix('.')):
            self._node.undeclare_parameter(f'{THRESHOLD}{attribute}')
        for attribute, threshold in thresholds.items():
            descriptor = threshold_descriptor(attribute)
            self._node.declare_parameter(
                descriptor.name, threshold, descriptor, ignore_override=True
            )

    def _prepare_values(self, parameters: list[Parameter]) -> list[Parameter]:
        # rclpy rejects names that are not declared later, but in its error the names are missing.
        unknown = [each.name for each in parameters if not self._node.has_parameter(each.name)]
        if unknown:
            raise ParameterNotDeclaredException(unknown)
        return _in_own_types(parameters)

    def _validate_change(self, parameters: list[Parameter]) -> SetParametersResult:
        # Parameters of rclpy, such as use_sim_time, and one that is being declared pass.
        values = {
            each.name: each.value
            for each in parameters
            if each.name in PARAMETERS or each.name.startswith(THRESHOLD)
            if self._node.has_parameter(each.name)
        }
        self._prepared = None
        if values:
            try:
                config = self.config.changed(values)
                _check_start_parameters(self.config, config)
                self._prepared = self._prepare(config)
            except (FileNotFoundError, ImportError, ValueError) as error:
                return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply_change(self, _: list[Parameter]) -> None:
        change, self._prepared = self._prepared, None
        if change is not None:
            self.config = change.config
            self._apply(change)


def _check_start_parameters(before: NodeConfig, config: NodeConfig) -> None:
    """Raise a SettingError if a parameter changes that only applies at the start.

    The descriptor does not declare it as read-only, because rclpy then also rejects the present
    value, and with it every complete parameter file.
    """
    for name in START_PARAMETERS:
        if getattr(before, name) != getattr(config, name):
            raise SettingError(name, 'can only be set at startup')


def _with_type(parameter: Parameter) -> Parameter:
    """Return a parameter given at the start, where `[]` has no type, as `ros2 param set` does."""
    if parameter.type_ != Parameter.Type.NOT_SET:
        return parameter
    return Parameter(parameter.name, Parameter.Type.BOOL_ARRAY, [])


def _in_own_types(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Return parameters with integers and empty lists in the type of their parameter."""
    return list(map(_in_own_type, parameters))


def _in_own_type(parameter: Parameter) -> Parameter:
    name, kind = parameter.name, parameter.type_
    if kind == Parameter.Type.INTEGER:
        return Parameter(name, value=value_in_own_type(name, parameter.value))
    if name in LISTS and kind in _ARRAYS and not parameter.value:
        # rclpy would take an empty list for one of bytes.
        return Parameter(name, value=[''])
    return parameter
