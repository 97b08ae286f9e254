"""Live view of a drive in Rerun: obstacles, plan, samples, robot, and signals over time."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import sys
from typing import Any

import numpy as np
import rerun as rr

from mppi_ros.driving.costmap import LETHAL
from mppi_ros.parameters.errors import InputError, MppiError
from mppi_ros.ros import conversions

CONTROLLER = '/mppi_controller'
NUMBERS = ('ess', 'temperature', 'kl', 'clearance', 'solve_ms', 'cross_track')
GREEN, ORANGE, BLUE, GREY = (25, 255, 0), (255, 85, 0), (0, 170, 255), (150, 150, 150)


class View:
    """
    View of messages in a Rerun window, or in a file if one is given.

    Attributes
    ----------
    readers : dict
        Function that displays the messages of each topic.

    """

    def __init__(self, title: str, file: Path | None = None) -> None:
        """
        Open the window or the file.

        Raises
        ------
        MppiError
            The viewer cannot be started.

        """
        rr.init(title)
        if file is None:
            _open_window()
        else:
            rr.save(file)
        rr.log('world', rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
        self.readers: dict[str, Callable[[Any], None]] = {
            '/map': self._show_map,
            '/costmap': self._show_costmap,
            '/plan': self._show_plan,
            f'{CONTROLLER}/optimal_trajectory': self._show_optimal,
            f'{CONTROLLER}/candidate_trajectories': self._show_candidates,
            f'{CONTROLLER}/footprint': self._show_footprint,
            f'{CONTROLLER}/statistics': self._show_statistics,
            '/cmd_vel': self._show_command,
        }

    def show(self, now: float, topic: str, message: Any) -> None:
        """Show a message of a topic at the time `now` [s]."""
        rr.set_time('time', timestamp=now)
        self.readers[topic](message)

    def _show_map(self, message: Any) -> None:
        self._show_grid('world/map', message, GREY)

    def _show_costmap(self, message: Any) -> None:
        self._show_grid('world/costmap', message, BLUE)

    def _show_grid(self, name: str, message: Any, color: tuple[int, int, int]) -> None:
        try:
            grid = conversions.costmap_from_msg(message)
        except InputError:
            return  # the controller reports it
        rows, columns = np.nonzero(grid.data >= LETHAL)
        centres = np.stack([
            grid.origin_x + (columns + 0.5) * grid.resolution,
            grid.origin_y + (rows + 0.5) * grid.resolution,
            np.zeros(len(rows)),
        ], axis=1)  # fmt: skip
        rr.log(name, rr.Points3D(centres, radii=0.5 * grid.resolution, colors=color))

    def _show_plan(self, message: Any) -> None:
        self._show_path('world/plan', message, GREEN)

    def _show_optimal(self, message: Any) -> None:
        self._show_path('world/optimal_trajectory', message, ORANGE)

    def _show_path(self, name: str, message: Any, color: tuple[int, int, int]) -> None:
        line = [(p.pose.position.x, p.pose.position.y, 0.02) for p in message.poses]
        rr.log(name, rr.LineStrips3D([line] if line else [], colors=color, radii=0.01))

    def _show_candidates(self, message: Any) -> None:
        (marker,) = message.markers
        ends = [(point.x, point.y, 0.01) for point in marker.points]
        colors = [
            [round(255 * share) for share in (color.r, color.g, color.b, color.a)]
            for color in marker.colors[::2]
        ]
        pieces = list(zip(ends[::2], ends[1::2], strict=True))
        rr.log('world/candidate_trajectories', rr.LineStrips3D(pieces, colors=colors, radii=0.004))

    def _show_footprint(self, message: Any) -> None:
        corners = [(point.x, point.y, 0.03) for point in message.polygon.points]
        outline = [*corners, *corners[:1]]
        rr.log('world/footprint', rr.LineStrips3D([outline], colors=BLUE, radii=0.015))

    def _show_statistics(self, message: Any) -> None:
        values = {entry.key: entry.value for entry in message.status[0].values}
        for name in NUMBERS:
            rr.log(f'numbers/{name}', rr.Scalars(float(values.get(name, 'nan'))))
        for name, value in values.items():
            if name.startswith('cost.'):
                rr.log(f'costs/{name[5:]}', rr.Scalars(float(value)))
        rr.log('state', rr.TextLog(f'{values.get("state", "")}: {values.get("reason", "")}'))

    def _show_command(self, message: Any) -> None:
        command = conversions.command_from_msg(message.twist)
        rr.log('numbers/speed', rr.Scalars(command.vx))
        rr.log('numbers/turn', rr.Scalars(command.wz))


def _open_window() -> None:
    """Start the viewer, which is installed in the folder of the interpreter."""
    folders = [str(Path(sys.executable).parent), os.environ.get('PATH', os.defpath)]
    os.environ['PATH'] = os.pathsep.join(folders)
    try:
        rr.spawn()
    except RuntimeError as error:
        raise MppiError(f'the viewer does not start: {str(error).splitlines()[0]}') from None
