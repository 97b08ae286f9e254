"""A managed node beyond what rclpy gives: errors are told, bad requests refused, Nav2 bonded."""

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
except ImportError:  # it comes with Nav2, and not everybody has Nav2
    bondpy = None

HEARTBEAT_PERIOD, HEARTBEAT_TIMEOUT = 0.1, 4.0  # [s] those of Nav2's own nodes


def transition(callback: Callable[..., Any]) -> Callable[..., TransitionCallbackReturn]:
    """
    Make a transition of a plain method: it fails by raising.

    A MppiError is a failure: the state stays what it was. Anything else is an error, which rclpy
    itself would pass over without a word, and leads through `on_error`.
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
    """A lifecycle node that lives on when it is asked for what its state does not allow."""

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

        # rclpy raises through the executor instead, and the node would end.
        self._service_change_state.callback = refuse_or_change

    def forget_destroyed(self) -> None:
        """
        Forget the entities that were destroyed.

        rclpy keeps a reference to each in the callback group of the node, and the handle of each
        parameter event that it hears.
        """
        entities = self.default_callback_group.entities
        entities -= {reference for reference in entities if reference() is None}

    def bond(self) -> None:
        """Tell Nav2's lifecycle manager that this node lives, where bondpy is installed."""
        if bondpy is None:
            return
        self._bond = bondpy.Bond(self, 'bond', self.get_name())
        self._bond.set_heartbeat_period(HEARTBEAT_PERIOD)
        self._bond.set_heartbeat_timeout(HEARTBEAT_TIMEOUT)
        self._bond.start()

    def unbond(self) -> None:
        """Take leave of the lifecycle manager."""
        if self._bond is not None:
            self._bond.shutdown()
            # bondpy leaves both in the lists of the node.
            self.destroy_subscription(self._bond.sub)
            self.destroy_publisher(self._bond.pub)
            self._bond = None
