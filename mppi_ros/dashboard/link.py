"""Interface between the page and the node that is connected to a controller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol

from mppi_ros.dashboard.history import History
from mppi_ros.dashboard.parameter_model import ParameterModel
from mppi_ros.dashboard.status import Status
from mppi_ros.parameters.declaration import Value


class ParameterLink(Protocol):
    """Parameters and a way to change them; a future has the reason of a refusal, or ''."""

    parameters: ParameterModel

    def change(
        self, changes: Mapping[str, Value], *, undoable: bool = True
    ) -> Future[str]:
        """Set parameters, all or none."""


class Link(ParameterLink, Protocol):
    """
    What the page shows and does; its methods may be called from any thread.

    A future has the reason of a refusal, '' if the controller accepted.
    """

    history: History
    status: Status

    @property
    def controller(self) -> str:
        """Full name of the controller shown; '' before one is found."""

    def controllers(self) -> list[str]:
        """Return the full names of all controllers found."""

    def select(self, controller: str) -> None:
        """Show another controller."""

    def now(self) -> float:
        """Return the time on the clock of the frames [s]."""

    def watch(self, change: int) -> None:
        """Note that a page was opened (1) or closed (−1): only then trajectories are read."""

    def send_goal(self, x: float, y: float, yaw: float) -> str:
        """Publish a goal pose in the frame of the scene [m, m, rad]; return what was done."""

    def enable(self, enabled: bool) -> Future[str]:
        """Let the controller publish commands, or stop the robot and release `cmd_vel`."""

    def solve_again(
        self, stamp: float, changes: Mapping[str, Value], progress: Callable[[float], bool]
    ) -> Future[Any]:
        """Solve the tick of a time [s] again, as `TickWorker.solve` does with the recording."""
