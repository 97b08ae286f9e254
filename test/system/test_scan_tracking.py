"""A disc that moves in the simulator is tracked from its scans over DDS, and shown."""
from __future__ import annotations

from visualization_msgs.msg import MarkerArray

from system.harness import start_robot

DISC = [1.5, -1.0, 0.2, 0.0, 0.6, 4.0]


def test_a_moving_disc_is_tracked_in_the_scans_of_the_simulator(processes, watcher, tmp_path):
    start_robot(processes, tmp_path, goal=(0.0, 0.0, 0.0),
                simulator=('-p', f'moving_obstacles:={DISC}'))
    watcher.wait_for(lambda: watcher.statistics.get('scan') == 'used', 'scans that are used')
