"""Parameters of a controller through its services, and changes that others make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor, ParameterEvent
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParametersAtomically,
)
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import qos_profile_parameter_events

from mppi_ros.dashboard.parameter_model import Entry, ParameterModel
from mppi_ros.parameters.declaration import Value
from mppi_ros.ros.parameters import TYPES

IGNORED = ('qos_overrides.', 'start_type_description_service')
KINDS = {kind.value: name for name, kind in TYPES.items()}
RETRY_TIME = 3.0  # [s] after which unanswered requests are repeated


class ParameterClient:
    """Fills a model with the parameters of a controller and sets them."""

    def __init__(
        self, node: Node, controller: str, model: ParameterModel, now: Callable[[], float]
    ) -> None:
        """Create the clients; `load` fills the model, `close` destroys them."""
        self._node, self._controller, self._model, self._now = node, controller, model, now
        self.loaded = False
        self._asked = -float('inf')
        self._round = 0
        self._clients = {
            kind: node.create_client(kind, f'{controller}/{name}')
            for kind, name in (
                (ListParameters, 'list_parameters'), (DescribeParameters, 'describe_parameters'),
                (GetParameters, 'get_parameters'),
                (SetParametersAtomically, 'set_parameters_atomically'),
            )
        }  # fmt: skip
        self._events = node.create_subscription(
            ParameterEvent, '/parameter_events', self._on_event, qos_profile_parameter_events
        )

    def close(self) -> None:
        """Destroy the clients."""
        self._round += 1
        for client in self._clients.values():
            self._node.destroy_client(client)
        self._node.destroy_subscription(self._events)

    def load(self) -> None:
        """Request all parameters unless that was done recently; call it until `loaded`."""
        if self.loaded or self._now() - self._asked < RETRY_TIME:
            return
        if not all(client.service_is_ready() for client in self._clients.values()):
            return
        self._asked = self._now()
        self._round += 1
        number = self._round

        def listed(answer: Any) -> None:
            names = [n for n in answer.result.names if not n.startswith(IGNORED)]
            request = DescribeParameters.Request(names=names)
            self._ask(number, request, lambda a: described(names, a.descriptors))

        def described(names: list[str], descriptors: list[ParameterDescriptor]) -> None:
            request = GetParameters.Request(names=names)
            self._ask(number, request, lambda a: got(descriptors, a.values))

        def got(descriptors: list[ParameterDescriptor], values: list[Any]) -> None:
            pairs = zip(descriptors, values, strict=True)
            self._model.load(self._controller, [self._entry(*pair) for pair in pairs])
            self.loaded = True

        self._ask(number, ListParameters.Request(), listed)

    def set(self, changes: Mapping[str, Value], *, undoable: bool) -> Future[str]:
        """Set parameters, all or none; the future has the reason of a refusal, or ''."""
        answer: Future[str] = Future()
        client = self._clients[SetParametersAtomically]
        if not client.service_is_ready():
            answer.set_result('the controller does not answer')
            return answer
        model = self._model
        before = {name: model[name].value for name in changes if name in model}
        request = SetParametersAtomically.Request(
            parameters=[self._message(name, value) for name, value in changes.items()]
        )

        def done(future: Any) -> None:
            result = future.result().result
            if result.successful:
                if undoable:
                    model.remember(before, changes)
                model.update(changes)
            answer.set_result('' if result.successful else result.reason or 'refused')

        client.call_async(request).add_done_callback(done)
        return answer

    def _ask(self, number: int, request: Any, then: Callable[[Any], None]) -> None:
        """Send a request; answers of an earlier round, or after `close`, are ignored."""
        (client,) = (c for kind, c in self._clients.items() if isinstance(request, kind.Request))

        def done(future: Any) -> None:
            if number == self._round:
                then(future.result())

        client.call_async(request).add_done_callback(done)

    def _entry(self, descriptor: ParameterDescriptor, value: Any) -> Entry:
        kind = KINDS.get(descriptor.type, 'string')
        bounds = None
        for found in (*descriptor.floating_point_range, *descriptor.integer_range):
            bounds = (found.from_value, found.to_value)
        return self._model.entry(
            descriptor.name, kind=kind, description=descriptor.description, bounds=bounds,
            constraint=descriptor.additional_constraints, read_only=descriptor.read_only,
            value=_python(value, kind),
        )

    def _message(self, name: str, value: Value) -> Any:
        kind = self._model[name].kind
        if kind == 'double' and isinstance(value, int):
            value = float(value)
        plain = list(value) if isinstance(value, tuple) else value
        return Parameter(name, TYPES[kind], plain).to_parameter_msg()

    def _on_event(self, event: ParameterEvent) -> None:
        if event.node != self._controller:
            return
        if event.new_parameters:  # another process declares them: the values of before are lost
            self.loaded = False
            return
        model = self._model
        model.update({
            p.name: _python(p.value, model[p.name].kind)
            for p in event.changed_parameters if p.name in model
        })  # fmt: skip


def _python(value: Any, kind: str) -> Value:
    found = parameter_value_to_python(value)
    if kind == 'double_array':
        return tuple(found or ())
    return '' if found is None else found
