"""Read and set the parameters of the node through its services, with their ranges and help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor, ParameterType
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParametersAtomically,
)
from rclpy.parameter import Parameter, parameter_value_to_python

from face_classification_ros.ros.client.service_client import NodeClient

CHOICES = 'one of '
"""Beginning of the constraints of a parameter that has choices."""

KINDS = {
    ParameterType.PARAMETER_BOOL: 'bool',
    ParameterType.PARAMETER_INTEGER: 'integer',
    ParameterType.PARAMETER_DOUBLE: 'double',
    ParameterType.PARAMETER_STRING: 'string',
    ParameterType.PARAMETER_STRING_ARRAY: 'list',
}
"""Types of parameters that the page can edit."""

OF_ROS = ('use_sim_time', 'start_type_description_service', 'qos_overrides.')
"""Beginnings of the names of parameters that ROS declares in every node."""


class ParameterError(ValueError):
    """A parameter cannot be set; the text says why."""


def read_parameters(client: NodeClient) -> list[dict[str, Any]]:
    """Return name, type, value, help and range of all parameters of the node, ready for JSON.

    Raises:
        FaceClientError: the node does not respond.
    """
    listed = client.call(ListParameters, 'list_parameters', ListParameters.Request())
    names = [each for each in listed.result.names if not each.startswith(OF_ROS)]
    described = client.call(
        DescribeParameters, 'describe_parameters', DescribeParameters.Request(names=names)
    )
    got = client.call(GetParameters, 'get_parameters', GetParameters.Request(names=names))
    # A change of models in between changes the thresholds: then the lists differ in length, and
    # the event of that change lets them be read again.
    return [
        _record(descriptor, parameter_value_to_python(value))
        for descriptor, value in zip(described.descriptors, got.values, strict=False)
        if descriptor.type in KINDS
    ]


def read_parameter(client: NodeClient, name: str) -> Any:
    """Return the value of a parameter of the node.

    Raises:
        FaceClientError: the node does not respond.
    """
    response = client.call(GetParameters, 'get_parameters', GetParameters.Request(names=[name]))
    return parameter_value_to_python(response.values[0])


def set_parameters(client: NodeClient, values: Mapping[str, Any]) -> None:
    """Set some parameters, all or none of them.

    Args:
        client: of the node.
        values: name -> value as JSON has it: an integer also for a double.

    Raises:
        ParameterError: the node refuses a value, or has no such parameter.
        FaceClientError: the node does not respond.
    """
    parameters = [_parameter(name, value) for name, value in values.items()]
    request = SetParametersAtomically.Request(
        parameters=[each.to_parameter_msg() for each in parameters]
    )
    response = client.call(SetParametersAtomically, 'set_parameters_atomically', request)
    if not response.result.successful:
        raise ParameterError(response.result.reason)


def _parameter(name: str, value: Any) -> Parameter:
    is_list = isinstance(value, list) and all(isinstance(each, str) for each in value)
    if not (isinstance(value, bool | int | float | str) or is_list):
        raise ParameterError(f'{name}: {value!r} is neither a number, text, bool nor list of text')
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise ParameterError(f'{name}: {value} is not an integer of 64 bits')
    try:
        # ROS has no type for an empty list.
        return Parameter(name, value=value or [''] if is_list else value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ParameterError(f'{name}: {value!r}: {error}') from error


def _record(descriptor: ParameterDescriptor, value: Any) -> dict[str, Any]:
    constraints = descriptor.additional_constraints
    ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
    return {
        'name': descriptor.name,
        'type': KINDS[descriptor.type],
        'value': [each for each in value if each] if isinstance(value, list) else value,
        'help': descriptor.description,
        'range': [ranges[0].from_value, ranges[0].to_value] if ranges else None,
        'choices': constraints.removeprefix(CHOICES).split(', ')
        if constraints.startswith(CHOICES)
        else [],
        'is_fixed': constraints == 'only at startup',
    }
