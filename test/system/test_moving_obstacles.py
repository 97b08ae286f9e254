"""A moving disc of the simulator is tracked in its scans over DDS and visualised."""
from __future__ import annotations

import math

from system.harness import start_robot
from visualization_msgs.msg import Marker, MarkerArray

SPEED, TURN, RADIUS = 0.5, 4.0, 0.2
DISC = [1.3, -1.0, RADIUS, 0.0, SPEED, TURN]


def test_moving_disc_is_tracked_in_simulated_scans(processes, watcher, tmp_path):
    shown: dict[int, list[Marker]] = {}

    def keep(message: MarkerArray) -> None:
        for marker in message.markers:
            if marker.ns == 'velocity' and marker.action == Marker.ADD:
                shown.setdefault(marker.id, []).append(marker)

    watcher.node.create_subscription(
        MarkerArray, 'mppi_controller/moving_obstacles', keep, 10)
    start_robot(processes, tmp_path, goal=(0.0, 0.0, 0.0),
                simulator=('-p', f'moving_obstacles:={DISC}'))
    watcher.wait_for(lambda: watcher.statistics.get('scan') == 'used', 'scans that are used')
    watcher.wait_for(lambda: any(map(_is_the_disc, shown.values())), 'the track of the disc')


def _is_the_disc(markers: list[Marker]) -> bool:
    """Return whether a track follows the line and speed of the disc for one second."""
    ends = [marker.points for marker in markers]
    on_line = all(abs(start.x - DISC[0]) < 0.2 for start, _ in ends)
    speed = max((math.hypot(e.x - s.x, e.y - s.y) for s, e in ends), default=0.0)
    return on_line and len(ends) >= 20 and abs(speed - SPEED) < 0.2
