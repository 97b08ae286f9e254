"""Lifecycle node with logged errors, rejected invalid transitions and a bond to Nav2."""

from __future__ import annotations

from collections.abc import Callable
import functools
import traceback
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from mppi_ros.parameters.errors import MppiError

try:
    from bondpy import bondpy
except ImportError:  # optional, part of Nav2
    bondpy = None

HEARTBEAT_PERIOD, HEARTBEAT_TIMEOUT = 0.1, 4.0  # [s] as in Nav2's nodes


def transition(callback: Callable[..., Any]) -> Callable[..., TransitionCallbackReturn]:
    """
    Convert a method that raises on failure to a transition callback.

    A MppiError is a FAILURE, which keeps the state. Any other exception is an ERROR, which rclpy
    itself does not log; it leads to `on_error`.
    """

    @functools.wraps(callback)
    def logged(node: LifecycleNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            callback(node, state)
        except MppiError as error:
            node.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception:
            node.get_logger().fatal(traceback.format_exc())
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    return logged


class ManagedNode(LifecycleNode):
    """A lifecycle node that rejects invalid transition requests instead of terminating."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self._bond: Any = None
        change = self._service_change_state.callback

        def refuse_or_change(
            request: ChangeState.Request, response: ChangeState.Response
        ) -> ChangeState.Response:
            transitions = self._state_machine.available_transitions
            wanted = request.transition
            if not any(wanted.label == label if wanted.label else wanted.id == number
                       for number, label, *_ in transitions):
                self.get_logger().error(
                    f'transition {wanted.label or wanted.id} is not possible while '
                    f'{self._state_machine.current_state[1]}'
                )
                response.success = False
                return response
            return change(request, response)

        # rclpy would raise through the executor, which terminates the node.
        self._service_change_state.callback = refuse_or_change

    def forget_destroyed(self) -> None:
        """
        Remove destroyed entities from the callback group.

        rclpy keeps a reference to each of them, and a handle per received parameter event.
        """
        entities = self.default_callback_group.entities
        entities -= {reference for reference in entities if reference() is None}

    def bond(self) -> None:
        """Start the bond to Nav2's lifecycle manager if bondpy is installed."""
        if bondpy is None:
            self.get_logger().info(
                'no bond: bondpy is not installed; set bond_timeout: 0.0 in the parameters of the '
                'lifecycle manager, which otherwise waits for it'
            )
            return
        self._bond = bondpy.Bond(self, 'bond', self.get_name())
        self._bond.set_heartbeat_period(HEARTBEAT_PERIOD)
        self._bond.set_heartbeat_timeout(HEARTBEAT_TIMEOUT)
        self._bond.start()

    def unbond(self) -> None:
        """Break the bond to the lifecycle manager."""
        if self._bond is not None:
            self._bond.shutdown()
            # bondpy does not destroy them.
            self.destroy_subscription(self._bond.sub)
            self.destroy_publisher(self._bond.pub)
            self._bond = None
