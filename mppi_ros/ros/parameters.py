"""A parameter dataclass as ROS parameters of a node: described, validated atomically, live."""

from __future__ import annotations

from collections.abc import Mapping
import sys
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from mppi_ros.parameters.declaration import ParameterInfo, describe, flatten, hint_for, replace
from mppi_ros.parameters.errors import MppiError, ParameterError
from mppi_ros.ros.params_files import shared_names

T = TypeVar('T')
TYPES = {
    'bool': Parameter.Type.BOOL,
    'integer': Parameter.Type.INTEGER,
    'double': Parameter.Type.DOUBLE,
    'string': Parameter.Type.STRING,
    'double_array': Parameter.Type.DOUBLE_ARRAY,
}


class ParameterMixin(Generic[T]):
    """
    Gives a node a `configuration`: an immutable dataclass mirrored by its ROS parameters.

    A node calls `declare_configuration` once and overrides `apply_configuration`. Changes arrive
    through the parameter services or `set_parameters`. The dataclass validates a set of changes,
    which is applied completely or not at all. It precedes the validation of rclpy, since its
    messages contain unit and range, and since it accepts an integer for a double.
    """

    configuration: T
    _infos: Mapping[str, ParameterInfo] = {}  # rclpy sets parameters before the declaration

    def declare_configuration(self: Any, defaults: T) -> None:
        """
        Declare every parameter of `defaults` and apply the values given at start.

        In a section of a params file for several nodes, such as `/**:`, an unknown name is assumed
        to belong to another node: it is logged and ignored.

        Raises
        ------
        ParameterError
            A value given at start is invalid, or its name is unknown.

        """
        infos = {info.name: info for info in describe(type(defaults))}
        given = {
            name: parameter.value
            for name, parameter in self._parameter_overrides.items()
            if not name.startswith('qos_overrides.') and not self._is_of_rclpy(name, infos)
        }
        former = {info.former_name for info in infos.values()}
        for name in shared_names(sys.argv, self.get_fully_qualified_name()) & given.keys():
            if name not in infos and name not in former:
                hint = hint_for(name, infos.values(), cutoff=0.8)
                message = f'params file sets {name} for several nodes: unknown to this node{hint}'
                self.get_logger().warning(message)
                del given[name]
        self.configuration = replace(defaults, _typed(given, infos))
        values = flatten(self.configuration)
        for name, info in infos.items():
            if self.has_parameter(name):  # use_sim_time, which rclpy declares
                continue
            value = TYPES[info.kind] if info.kind == 'double_array' else values[name]
            self.declare_parameter(name, value, descriptor(info), ignore_override=True)
        # Declare an array by type, since an empty array has none, and set its value afterwards.
        arrays = [name for name, info in infos.items() if info.kind == 'double_array']
        Node.set_parameters_atomically(self, [_parameter(infos[n], values[n]) for n in arrays])
        self._infos = infos

    def apply_configuration(self, configuration: T) -> None:
        """Apply a new configuration between ticks; raise MppiError to reject it unchanged."""

    def set_parameters_atomically(
        self: Any, parameter_list: list[Parameter]
    ) -> SetParametersResult:
        """Validate and apply a set of changes atomically."""
        infos, before = self._infos, self.configuration
        ours = [p for p in parameter_list if not self._is_of_rclpy(p.name, infos)]
        rest = [p for p in parameter_list if self._is_of_rclpy(p.name, infos)
                and not self._stays(p)]
        try:
            after = replace(before, _typed({p.name: p.value for p in ours}, infos))
            old, new = flatten(before), flatten(after)
            # Loading a dump sets all parameters; a read-only one may be set to its current value.
            for name, info in infos.items():
                if not info.live and new[name] != old[name]:
                    raise ParameterError(f'{name} is read-only: set it at start')
            self._adopt(after)
        except MppiError as error:
            return SetParametersResult(successful=False, reason=str(error))
        except Exception as error:  # a programming error must not end the process
            reason = f'{type(error).__name__}: {error}'
            return SetParametersResult(successful=False, reason=reason)
        changes = [_parameter(infos[p.name], new[p.name]) for p in ours if infos[p.name].live]
        result = Node.set_parameters_atomically(self, rest + changes)
        if not result.successful:
            self._adopt(before)
        return result

    def _adopt(self, configuration: T) -> None:
        """Apply a configuration; if it raises MppiError, keep the previous one."""
        before = self.configuration
        if configuration == before:
            return
        self.configuration = configuration
        try:
            self.apply_configuration(configuration)
        except Exception:
            self.configuration = before
            raise

    def set_parameters(self, parameter_list: list[Parameter]) -> list[SetParametersResult]:
        """Validate and apply changes one by one."""
        return [self.set_parameters_atomically([parameter]) for parameter in parameter_list]

    def _stays(self: Any, parameter: Parameter) -> bool:
        # A read-only parameter of rclpy may also be set to its current value, see above.
        if not self.describe_parameter(parameter.name).read_only:
            return False
        return bool(self.get_parameter(parameter.name).value == parameter.value)

    def _is_of_rclpy(self: Any, name: str, infos: Mapping[str, ParameterInfo]) -> bool:
        return name == 'use_sim_time' or (name not in infos and self.has_parameter(name))


def descriptor(info: ParameterInfo) -> ParameterDescriptor:
    """
    Return the descriptor that `ros2 param describe` shows.

    ROS supports closed ranges only, so others are given as text; the dataclass always checks the
    range.
    """
    unit = f' [{info.unit}]' if info.unit else ''
    shown = ParameterDescriptor(
        name=info.name,
        type=TYPES[info.kind].value,
        description=f'{info.description}{unit}',
        read_only=not info.live,
    )
    low, high = info.low, info.high
    if low is not None and high is not None and info.kind == 'double':
        bounds = FloatingPointRange(from_value=float(low), to_value=float(high))
        shown.floating_point_range = [bounds]
    elif low is not None and high is not None and info.kind == 'integer':
        shown.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
    elif info.range_text != 'any':
        shown.additional_constraints = info.range_text
    return shown


def _typed(given: dict[str, Any], infos: Mapping[str, ParameterInfo]) -> dict[str, Any]:
    # ROS has no type for an empty list: it arrives as None or as an empty array of any type.
    return {
        name: () if _is_empty(value) and name in infos and infos[name].kind == 'double_array'
        else value
        for name, value in given.items()
    }


def _is_empty(value: Any) -> bool:
    return value is None or (not isinstance(value, (bool, int, float, str)) and len(value) == 0)


def _parameter(info: ParameterInfo, value: Any) -> Parameter:
    return Parameter(
        info.name, TYPES[info.kind], list(value) if isinstance(value, tuple) else value
    )
