"""The FollowPath action with nav2_msgs: success, preemption, cancellation and failure."""
from __future__ import annotations

from importlib.util import find_spec

from action_msgs.msg import GoalStatus
import pytest
from rclpy.action import ActionClient
from system import scenarios
from system.harness import WORLD, Watcher, distance_to, is_stopped

from mppi_ros.ros import conversions

if find_spec('nav2_msgs') is not None:
    from nav2_msgs.action import FollowPath
    from nav2_msgs.msg import SpeedLimit

pytestmark = pytest.mark.skipif(
    find_spec('nav2_msgs') is None, reason='nav2_msgs comes only with Nav2')


class Client:
    """Sends goals and records the feedback."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.feedback: list = []
        self.action = ActionClient(watcher.node, FollowPath, 'follow_path')
        watcher.wait_for(self.action.server_is_ready, 'the action')

    def send(self, *poses):
        """Send a path and return the accepted goal."""
        message = conversions.path_to_msg(poses, 0.0, 'map')
        future = self.action.send_goal_async(
            FollowPath.Goal(path=message), lambda message: self.feedback.append(message.feedback))
        self.watcher.wait_for(future.done, 'the response to the goal')
        assert future.result().accepted
        return future.result()

    def result(self, goal, timeout=60.0):
        """Wait for the end of a goal and return its status and error code."""
        future = goal.get_result_async()
        self.watcher.wait_for(future.done, 'the result', timeout)
        return future.result().status, future.result().result.error_code


def straight(length, y=0.0):
    return [(0.1 * i, y, 0.0) for i in range(round(length / 0.1) + 1)]


@pytest.fixture
def client(processes, watcher, tmp_path):
    (tmp_path / 'world.csv').write_text(WORLD.replace('2.0,0.1,0.25\n', ''), 'utf-8')
    processes.start('mppi_controller', '-p', 'follow_path.enabled:=true')
    processes.start('kinematic_simulator', '-p', f'world:={tmp_path / "world.csv"}',
                    '-p', 'start:=[0.0, 0.0, 0.0]')
    client = Client(watcher)
    watcher.wait_for(lambda: watcher.reason == 'no plan yet', 'the inputs')
    return client


def test_goal_succeeds_with_feedback(client, watcher):
    goal = client.send(*straight(2.0))
    assert client.result(goal) == (GoalStatus.STATUS_SUCCEEDED, FollowPath.Result.NONE)
    assert distance_to(watcher, (2.0, 0.0)) < 0.2
    assert len(client.feedback) > 20


def test_new_goal_preempts_the_active_goal_without_a_stop(client, watcher):
    first = client.send(*straight(2.0))
    scenarios.check_robot_drives(watcher)
    sent, reported = len(watcher.commands), len(watcher.history)
    second = client.send(*straight(3.0))
    assert client.result(first)[0] == GoalStatus.STATUS_ABORTED
    watcher.wait_for(lambda: len(watcher.commands) > sent + 10, 'ten more commands')
    scenarios.check_robot_did_not_stop(watcher, sent, reported)
    assert client.result(second)[0] == GoalStatus.STATUS_SUCCEEDED


def test_robot_stops_after_cancellation_and_drives_to_the_next_goal(client, watcher):
    goal = client.send(*straight(3.0))
    scenarios.check_robot_drives(watcher)
    goal.cancel_goal_async()
    assert client.result(goal)[0] == GoalStatus.STATUS_CANCELED
    watcher.wait_for(lambda: is_stopped(watcher), 'standstill')
    again = client.send(*straight(2.0))
    assert client.result(again)[0] == GoalStatus.STATUS_SUCCEEDED


def test_invalid_paths_are_reported_by_error_code(client, watcher):
    assert client.result(client.send())[1] == FollowPath.Result.INVALID_PATH
    bad = client.send((0.0, 0.0, 0.0), (float('nan'), 0.0, 0.0))
    assert client.result(bad)[1] == FollowPath.Result.INVALID_PATH
    good = client.send(*straight(1.0))
    assert client.result(good)[0] == GoalStatus.STATUS_SUCCEEDED


def test_goal_is_aborted_when_odometry_is_lost(client, processes, watcher):
    goal = client.send(*straight(3.0))
    scenarios.check_robot_drives(watcher)
    processes.end('kinematic_simulator')
    assert client.result(goal) == (
        GoalStatus.STATUS_ABORTED, FollowPath.Result.CONTROLLER_TIMED_OUT)


def test_speed_limit_applies_until_it_is_removed(client, watcher):
    limits = watcher.node.create_publisher(SpeedLimit, 'speed_limit', 1)
    client.send(*straight(3.5))
    scenarios.check_robot_drives(watcher)
    watcher.wait_for(lambda: watcher.commands[-1][0] > 0.35, 'full speed')
    limits.publish(SpeedLimit(percentage=True, speed_limit=40.0))
    watcher.wait_for(lambda: watcher.commands[-1][0] < 0.21, 'the limit')
    assert watcher.get_parameters('limits.vx_max')[0].double_value == 0.5
    limits.publish(SpeedLimit(speed_limit=0.0))
    watcher.wait_for(lambda: watcher.commands[-1][0] > 0.3, 'full speed again')
