"""FollowPath and Nav2's costmaps, with stand-ins for the packages that come only with Nav2."""
from __future__ import annotations

import array
import math
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from geometry_msgs.msg import PoseStamped  # noqa: E402
from nav_msgs.msg import Path  # noqa: E402
import rclpy  # noqa: E402
from rclpy.action import CancelResponse, GoalResponse  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402

from mppi_ros.control.controller import Controller  # noqa: E402
from mppi_ros.control.inputs import Command, Odometry  # noqa: E402
from mppi_ros.control.parameters import ControllerParameters  # noqa: E402
from mppi_ros.control.tick_result import ControllerState, Fault, Reason, Statistics, TickResult
from mppi_ros.driving.costmap import Costmap  # noqa: E402
from mppi_ros.nodes.controller import follow_path_server
from mppi_ros.nodes.controller import inputs as controller_inputs
from mppi_ros.nodes.controller import node as controller_node
from mppi_ros.nodes.controller.node import MppiController  # noqa: E402
from mppi_ros.parameters.declaration import replace  # noqa: E402
from mppi_ros.parameters.errors import InputError, ParameterError  # noqa: E402
from mppi_ros.ros import conversions

CODES = ('NONE', 'UNKNOWN', 'INVALID_CONTROLLER', 'TF_ERROR', 'INVALID_PATH', 'PATIENCE_EXCEEDED',
         'FAILED_TO_MAKE_PROGRESS', 'NO_VALID_CONTROL', 'CONTROLLER_TIMED_OUT')


class Result:
    def __init__(self):
        self.error_code, self.error_msg = 'NONE', ''


class Feedback:
    distance_to_goal = speed = 0.0


for _code in CODES:
    setattr(Result, _code, _code)
FollowPath = SimpleNamespace(Result=Result, Feedback=Feedback)  # as far as it is used


class Server:
    def __init__(self, node, kind, name, **callbacks):
        self.callbacks = callbacks

    def destroy(self):
        pass


class Handle:
    def __init__(self, path):
        self.request = SimpleNamespace(path=path)
        self.told, self.feedback, self.is_cancel_requested = [], [], False

    def execute(self, until_the_end):
        self.told.append('execute')

    def succeed(self):
        self.told.append('succeed')

    def abort(self):
        self.told.append('abort')

    def canceled(self):
        self.told.append('canceled')

    def publish_feedback(self, feedback):
        self.feedback.append(feedback)


class Action:
    """The server under test, and everybody whom it talks to."""

    def __init__(self):
        log = SimpleNamespace(warning=lambda _: None, error=lambda _: None)
        clock = SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=0))
        self.node = SimpleNamespace(
            create_subscription=lambda *_: None, destroy_subscription=lambda _: None,
            get_logger=lambda: log, get_clock=lambda: clock)
        self.shares, self.followed, self.fault = [], [], None
        self.configuration = ControllerParameters()
        self.odometry = Odometry(0.0, 0.0, 0.0, 0.0, 0.3, 0.0, 0.0)
        self.frame = 'odom'
        self.plan = np.array([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 0.0)])
        self.server = follow_path_server.FollowPathServer(self.node, self, self)
        self.server.activate()

    def limit_speed(self, share):
        self.shares.append(share)

    def follow(self, path):
        self.followed.append(path)
        return self.fault

    def stop_following(self):
        self.followed.append(None)

    def send(self, path=None):
        if path is None:
            path = conversions.path_to_msg([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0)], 0.0, 'odom')
        handle = Handle(path)
        self.server._on_accepted(handle)
        handle.future = self.server._goal.result if self.server._goal else None
        return handle

    def tick(self, now, state=ControllerState.DRIVING, code=Reason.NONE, speed=0.3, place=None):
        if place is not None:
            self.odometry = Odometry(now, *(*place, 0.0)[:3], speed, 0.0, 0.0)
        statistics = Statistics(distance_to_goal=0.7, progress=0.4, cross_track=-0.1)
        self.server.update(
            TickResult(Command(speed, 0.0, 0.0), state, code, 'words', statistics), now
        )


@pytest.fixture
def action(monkeypatch):
    monkeypatch.setattr(follow_path_server, 'FollowPath', FollowPath)
    monkeypatch.setattr(follow_path_server, 'SpeedLimit', object)
    monkeypatch.setattr(follow_path_server, 'ActionServer', Server)
    return Action()


def test_a_goal_ends_well_where_the_robot_arrives_and_tells_its_way(action):
    handle = action.send()
    action.tick(0.1)
    assert handle.feedback[0].distance_to_goal == pytest.approx(1.6)  # along the path
    assert handle.feedback[0].speed == 0.3
    action.tick(0.2, ControllerState.BRAKING, Reason.GOAL_REACHED)
    action.tick(5.0, ControllerState.REACHED, Reason.GOAL_REACHED)
    assert handle.told == ['execute', 'succeed']
    assert handle.future.result().error_code == 'NONE'
    assert action.followed[-1] is None


class TrackingFeedback:
    """The feedback since Lyrical."""

    def __init__(self):
        self.tracking_feedback = SimpleNamespace(
            header=Header(), robot_pose=PoseStamped(), position_tracking_error=0.0,
            heading_tracking_error=0.0, current_path_index=0, distance_to_goal=0.0, speed=0.0,
            remaining_path_length=0.0)


@pytest.mark.parametrize(('progress', 'index', 'remaining', 'heading'), [
    (0.4, 0, 1.6, -0.5), (1.0, 1, 1.0, 0.5 * math.pi - 0.5), (1.5, 1, 0.5, 0.5 * math.pi - 0.5),
    (2.1, 1, 0.0, 0.5 * math.pi - 0.5), (math.nan, 0, 2.0, -0.5)])
def test_the_feedback_since_lyrical_is_complete(
        action, monkeypatch, progress, index, remaining, heading):
    monkeypatch.setattr(FollowPath, 'Feedback', TrackingFeedback)
    handle = action.send()
    action.odometry = Odometry(0.0, 0.2, -0.1, 0.5, 0.3, 0.4, 0.0)
    statistics = Statistics(distance_to_goal=0.7, progress=progress, cross_track=-0.1)
    action.server.update(
        TickResult(Command(0.3, 0.0, 0.0), ControllerState.DRIVING, Reason.NONE, '', statistics),
        1.5)
    (told,) = [each.tracking_feedback for each in handle.feedback]
    assert told.current_path_index == index
    assert told.remaining_path_length == pytest.approx(remaining)
    assert told.heading_tracking_error == pytest.approx(heading)
    assert (told.position_tracking_error, told.distance_to_goal) == (-0.1, 0.7)
    assert told.speed == pytest.approx(0.5)
    assert (told.header.frame_id, told.header.stamp.nanosec) == ('odom', 500_000_000)
    assert told.robot_pose.pose.position.x == 0.2


@pytest.mark.parametrize('missing', [('CONTROLLER_TIMED_OUT',), (*CODES, 'error_code')])
def test_older_distributions_have_fewer_result_codes_or_none(action, monkeypatch, missing):
    """Iron has no CONTROLLER_TIMED_OUT, and Humble no code at all."""
    class Older:
        def __init__(self):
            if 'error_code' not in missing:
                self.error_code = 'NONE'

    for code in CODES:
        if code not in missing:
            setattr(Older, code, code)
    monkeypatch.setattr(FollowPath, 'Result', Older)
    handle = action.send()
    action.tick(0.1)
    action.tick(2.0, ControllerState.STOPPED, Reason.COSTMAP_OLD)
    assert handle.told == ['execute', 'abort']
    assert getattr(handle.future.result(), 'error_code', None) in ('UNKNOWN', None)
    handle = action.send()
    action.tick(2.1, ControllerState.REACHED, Reason.GOAL_REACHED)
    assert handle.told == ['execute', 'succeed']


def test_the_feedback_without_a_plan_is_zero(action):
    action.plan = np.empty((0, 3))
    handle = action.send()
    action.server.pause(0.1)
    assert handle.feedback[0].distance_to_goal == 0.0


@pytest.mark.parametrize(('code', 'name'), [
    (Reason.COLLISION_AHEAD, 'NO_VALID_CONTROL'), (Reason.TRANSFORM_OLD, 'TF_ERROR'),
    (Reason.COSTMAP_OLD, 'CONTROLLER_TIMED_OUT'), (Reason.INTERNAL_ERROR, 'UNKNOWN'),
])
def test_a_robot_that_stands_too_long_fails_the_goal_with_the_code(action, code, name):
    handle = action.send()
    action.tick(0.1)
    action.tick(1.0, ControllerState.STOPPED, code)
    assert handle.told == ['execute']
    action.tick(1.2, ControllerState.STOPPED, code)
    assert handle.told == ['execute', 'abort']
    assert handle.future.result().error_code == name
    assert handle.future.result().error_msg == 'words'


def test_every_failure_is_a_code_of_nav2():
    assert set(follow_path_server.FAILURE_CODES.values()) <= set(CODES)


def test_a_robot_that_drives_and_gets_nowhere_fails_the_goal(action):
    handle = action.send()
    action.tick(5.0, place=(0.6, 0.0))
    action.tick(14.9, place=(0.7, 0.1))
    assert handle.told == ['execute']
    action.tick(15.1, place=(0.7, 0.1))
    assert handle.future.result().error_code == 'FAILED_TO_MAKE_PROGRESS'


@pytest.mark.parametrize('angle', [0.0, 0.5])
def test_a_rotation_counts_as_progress_if_an_angle_is_given(action, angle):
    action.configuration = replace(action.configuration, {'follow_path.progress_angle': angle})
    handle = action.send()
    for second in range(1, 15):
        if handle.told == ['execute']:
            action.tick(float(second), place=(0.0, 0.0, 0.2 * second))
    assert (handle.told == ['execute']) == (angle > 0.0)


def test_a_clock_that_goes_back_does_not_keep_a_goal_from_failing(action):
    handle = action.send()
    action.tick(1000.0, place=(5.0, 0.0))
    action.tick(1.0, ControllerState.STOPPED, Reason.COLLISION_AHEAD)
    assert handle.told == ['execute']
    action.tick(500.0, ControllerState.STOPPED, Reason.COLLISION_AHEAD)
    assert handle.told == ['execute', 'abort']


def test_a_cancelled_goal_ends_when_the_robot_stands(action):
    handle = action.send()
    assert action.server._on_cancel(handle) == CancelResponse.ACCEPT
    handle.is_cancel_requested = True
    assert action.followed[-1] is None
    action.tick(0.1, ControllerState.BRAKING, speed=0.2)
    assert handle.told == ['execute']
    action.tick(0.2, ControllerState.WAITING, speed=0.0)
    assert handle.told == ['execute', 'canceled']


def test_a_new_goal_takes_over_and_keeps_the_robot_going(action):
    first = action.send()
    second = action.send()
    assert first.told == ['execute', 'abort']
    assert None not in action.followed
    action.tick(0.1, ControllerState.REACHED)
    assert second.told == ['execute', 'succeed']


@pytest.mark.parametrize(('path', 'fault'), [
    (Path(), None), (None, Fault(Reason.PLAN_REFUSED, 'no'))])
def test_a_bad_path_fails_at_once(action, path, fault):
    action.fault = fault
    handle = action.send(path)
    assert handle.told == ['execute', 'abort']
    assert action.server._goal is None


def test_an_inactive_controller_takes_no_goal_and_gives_up_its_own(action):
    handle = action.send()
    assert action.server._on_goal(None) == GoalResponse.ACCEPT
    action.server.deactivate()
    assert handle.told == ['execute', 'abort']
    assert action.server._on_goal(None) == GoalResponse.REJECT


@pytest.mark.parametrize(('percentage', 'limit', 'share'), [
    (True, 40.0, 0.4), (True, 0.0, 1.0), (False, 0.25, 0.5), (False, 9.0, 1.0),
    (True, 300.0, 1.0)])
def test_a_speed_limit_is_a_share_of_the_limits(action, percentage, limit, share):
    action.server._on_limit(SimpleNamespace(percentage=percentage, speed_limit=limit))
    assert action.shares == [share]


@pytest.mark.parametrize('limit', [-1.0, float('nan'), float('inf')])
def test_what_is_no_speed_limit_changes_nothing(action, limit):
    action.server._on_limit(SimpleNamespace(percentage=False, speed_limit=limit))
    assert action.shares == []


def test_a_slowed_configuration_turns_and_reverses_slower_too():
    before = ControllerParameters()
    after = follow_path_server.scale_limits(before, 0.5).limits
    assert after.vx_max == 0.5 * before.limits.vx_max
    assert after.vx_min == 0.5 * before.limits.vx_min
    assert after.wz_max == 0.5 * before.limits.wz_max
    assert follow_path_server.scale_limits(before, 1.0) is before


@pytest.fixture
def node(ros_domain, monkeypatch):
    monkeypatch.setattr('mppi_ros.nodes.controller.node.warm_up', lambda controller: None)
    rclpy.init()
    nodes = []

    def make(**values):
        nodes.append(MppiController(parameter_overrides=[
            Parameter(name.replace('__', '.'), value=value) for name, value in values.items()]))
        return nodes[-1]

    yield make
    for each in nodes:
        each.stop()
        each.destroy_node()
    rclpy.shutdown()


def test_without_nav2_msgs_the_action_is_refused_by_name(node, monkeypatch):
    monkeypatch.setattr(follow_path_server, 'FollowPath', None)
    controller = node(follow_path__enabled=True)
    before = len(list(controller.subscriptions))
    assert controller.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert len(list(controller.subscriptions)) == before
    with pytest.raises(ParameterError, match='follow_path.enabled = true needs .* nav2_msgs'):
        follow_path_server.FollowPathServer(None, None, None)


def test_without_nav2_msgs_its_costmap_is_refused_by_name(node, monkeypatch):
    monkeypatch.setattr(controller_inputs, 'Nav2Costmap', None)
    assert node(costmap_type='nav2_costmap').trigger_configure() == (
        TransitionCallbackReturn.FAILURE)


def test_a_speed_limit_leaves_the_parameters_alone(node):
    controller = node()
    controller.trigger_configure()
    controller.trigger_activate()
    controller.limit_speed(0.5)
    top = ControllerParameters().limits.vx_max
    assert controller._controller.configuration.limits.vx_max == 0.5 * top
    assert controller.get_parameter('limits.vx_max').value == top
    controller.set_parameters_atomically([Parameter('alpha', value=0.8)])
    assert controller._controller.configuration.limits.vx_max == 0.5 * top


def nav2_costmap(cells):
    origin = conversions.pose_to_msg(1.0, 2.0, 0.0)
    metadata = SimpleNamespace(resolution=0.1, origin=origin, size_x=len(cells), size_y=1)
    return SimpleNamespace(header=Header(), metadata=metadata, data=array.array('B', cells))


def test_cells_of_nav2_keep_their_meaning():
    costmap = conversions.costmap_from_nav2_msg(nav2_costmap([0, 1, 252, 253, 254, 255]))
    assert costmap.data.tolist() == [[0, 1, 98, 99, 100, -1]]
    assert (costmap.origin_x, costmap.origin_y, costmap.resolution) == (1.0, 2.0, 0.1)


def update(x, y, width, height, value=100):
    return SimpleNamespace(header=Header(), x=x, y=y, width=width, height=height,
                           data=array.array('b', [value] * (width * height)))


def nav2_update(x, y, width, height, cost=254):
    """Return a nav2_msgs/CostmapUpdate, as far as it is used."""
    return SimpleNamespace(header=Header(frame_id='odom'), x=x, y=y, size_x=width, size_y=height,
                           data=array.array('B', [cost] * (width * height)))


@pytest.mark.parametrize(('kind', 'cell', 'value'), [
    (update, 100, 100), (nav2_update, 254, 100), (nav2_update, 255, -1), (nav2_update, 1, 1)])
def test_an_update_changes_its_cells_and_no_others(kind, cell, value):
    before = Costmap(np.zeros((4, 5), np.int8), 0.1, 0.0, 0.0)
    cells = conversions.cells_from_update(before, kind(1, 2, 3, 1, cell))
    after = conversions.updated_costmap(before, [cells])
    assert np.argwhere(after.data == value).tolist() == [[2, 1], [2, 2], [2, 3]]
    assert np.count_nonzero(after.data) == 3
    assert not before.data.any()


@pytest.mark.parametrize('bad', [
    update(3, 0, 3, 1), update(-1, 0, 1, 1), update(0, 4, 1, 1), nav2_update(3, 0, 3, 1)])
def test_an_update_outside_of_the_costmap_is_refused(bad):
    with pytest.raises(InputError, match='costmap_updates covers'):
        conversions.cells_from_update(Costmap(np.zeros((4, 5), np.int8), 0.1, 0.0, 0.0), bad)


def test_a_raw_costmap_of_nav2_has_its_own_updates(node, monkeypatch):
    """Since Jazzy, costmap_raw is published when it moves, and costmap_raw_updates otherwise."""
    monkeypatch.setattr(controller_inputs, 'Nav2Costmap', Header)  # any message
    monkeypatch.setattr(controller_inputs, 'CostmapUpdate', Path)
    controller = node(costmap_type='nav2_costmap')
    assert controller.trigger_configure() == TransitionCallbackReturn.SUCCESS
    types = {each.topic_name: each.msg_type for each in controller.subscriptions}
    assert types['/costmap_updates'] is Path
    inlet, whole = controller.intake, nav2_costmap([0, 0, 254, 0, 0, 0])
    whole.header.frame_id = 'odom'
    inlet.on_nav2_costmap(whole)
    inlet.keep_update(nav2_update(1, 0, 3, 1, 0))
    inlet.take()
    assert inlet.fault is None
    assert not inlet._grid.data.any()


def test_before_jazzy_a_raw_costmap_of_nav2_has_no_updates(node, monkeypatch):
    monkeypatch.setattr(controller_inputs, 'Nav2Costmap', Header)
    monkeypatch.setattr(controller_inputs, 'CostmapUpdate', None)
    monkeypatch.setattr(controller_inputs, 'OccupancyGridUpdate', Path)
    controller = node(costmap_type='nav2_costmap')
    assert controller.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert '/costmap_updates' not in {each.topic_name for each in controller.subscriptions}


def cancel(action, handle):
    action.server._on_cancel(handle)
    handle.is_cancel_requested = True


def test_a_cancel_ends_while_the_controller_is_disabled(action):
    handle = action.send()
    action.tick(0.1)
    action.server.pause(0.2)
    cancel(action, handle)
    action.server.pause(0.3)
    assert handle.told == ['execute', 'canceled']
    assert action.followed[-1] is None


def test_a_goal_waits_while_the_controller_is_disabled_and_goes_on_afterwards(action):
    warnings = []
    action.node.get_logger().warning = warnings.append
    handle = action.send()
    action.tick(0.1)
    for n in range(2000):  # longer than every patience
        action.server.pause(0.2 + 0.05 * n)
    assert handle.told == ['execute']
    assert len(warnings) == 1
    assert len(handle.feedback) == 2001
    action.tick(100.3, ControllerState.STOPPED, Reason.COLLISION_AHEAD)
    assert handle.told == ['execute']
    action.tick(102.0, ControllerState.STOPPED, Reason.COLLISION_AHEAD)
    assert handle.told == ['execute', 'abort']


def test_a_cancel_ends_while_no_tick_comes_and_not_before(action, monkeypatch):
    seconds = [50.0]
    monkeypatch.setattr(follow_path_server.time, 'monotonic', lambda: seconds[0])
    handle = action.send()
    action.tick(0.1)
    action.server.end_unticked()
    cancel(action, handle)
    action.server.end_unticked()
    assert handle.told == ['execute']  # the robot may still be braking
    seconds[0] += follow_path_server.CANCEL_TIMEOUT
    action.server.end_unticked()
    assert handle.told == ['execute', 'canceled']
    running = action.send()
    seconds[0] += 100.0
    action.server.end_unticked()
    assert running.told == ['execute']


def test_a_goal_that_is_being_cancelled_when_another_comes_is_cancelled(action):
    first = action.send()
    cancel(action, first)
    action.send()
    assert first.told == ['execute', 'canceled']


def test_of_many_speed_limits_a_tick_takes_the_newest(action):
    for limit in (10.0, 30.0, 80.0):
        action.server._keep_limit(SimpleNamespace(percentage=True, speed_limit=limit))
    assert action.shares == []
    action.server.take_limit()
    action.server.take_limit()
    assert action.shares == [0.8]


@pytest.fixture
def driver(node, monkeypatch):
    """Return an active controller node with the action, and its server."""
    monkeypatch.setattr(follow_path_server, 'FollowPath', FollowPath)
    monkeypatch.setattr(follow_path_server, 'SpeedLimit', Header)  # any message
    monkeypatch.setattr(follow_path_server, 'ActionServer', Server)
    controller = node(follow_path__enabled=True)
    assert controller.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert controller.trigger_activate() == TransitionCallbackReturn.SUCCESS
    return controller


def test_a_cancel_reaches_the_client_of_a_disabled_node(driver):
    path = conversions.path_to_msg([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0)], 0.0, 'odom')
    handle = Handle(path)
    driver._action._on_accepted(handle)
    driver._on_enable(SetBool.Request(data=False), SetBool.Response())
    driver._tick()
    assert handle.told == ['execute']
    driver._action._on_cancel(handle)
    handle.is_cancel_requested = True
    driver._tick()
    assert handle.told == ['execute', 'canceled']


def test_a_cancel_reaches_the_client_while_no_tick_comes(driver, monkeypatch):
    driver._timer.cancel()  # as if a simulated clock stood
    path = conversions.path_to_msg([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0)], 0.0, 'odom')
    handle = Handle(path)
    driver._action._on_accepted(handle)
    driver._action._on_cancel(handle)
    handle.is_cancel_requested = True
    executor = SingleThreadedExecutor()
    executor.add_node(driver)
    for _ in range(100):
        executor.spin_once(timeout_sec=0.1)
        if 'canceled' in handle.told:
            break
    executor.remove_node(driver)
    assert handle.told == ['execute', 'canceled']


def test_many_updates_before_a_tick_are_applied_in_their_order_with_one_copy(node, monkeypatch):
    monkeypatch.setattr(controller_inputs, 'MAX_PENDING_UPDATES', 30)
    controller = node()
    controller.trigger_configure()
    taken = []
    monkeypatch.setattr(
        Controller, 'set_costmap', lambda _, stamp, costmap: taken.append(costmap))
    stamped = Header(frame_id='odom')

    def part(*where, value=100, frame='odom', stamp=0):
        message = update(*where, value)
        message.header = Header(frame_id=frame)
        message.header.stamp.sec = stamp
        return message

    inlet = controller.intake
    inlet.keep_update(part(0, 0, 1, 1))  # before any whole costmap it means nothing
    inlet.take()
    assert taken == []
    inlet._take_costmap(stamped, Costmap(np.zeros((4, 5), np.int8), 0.1, 0.0, 0.0))
    for value in range(1, 100):
        inlet.keep_update(part(1, 2, 3, 1, value=value))
    inlet.keep_update(part(0, 0, 1, 1, value=7))
    assert len(taken) == 1 + 3  # what would be too many is put together at once
    inlet.take()
    assert len(taken) == 1 + 4
    assert taken[-1].data[2].tolist() == [0, 99, 99, 99, 0]
    assert taken[-1].data[0, 0] == 7
    for bad in (part(3, 0, 3, 1), part(0, 0, 1, 1, frame='map')):
        inlet.keep_update(bad)
        inlet.keep_update(part(0, 0, 1, 1, value=8))
        inlet.take()
        assert inlet.faults == {}
        inlet.keep_update(part(0, 0, 1, 1, value=9))
        inlet.keep_update(bad)
        inlet.take()
        assert inlet.fault.code is Reason.COSTMAP_REFUSED
        assert taken[-1].data[0, 0] == 9
    inlet._costmap_stamp = 10.0
    inlet.keep_update(part(0, 0, 1, 1, value=1, stamp=9))  # the whole is newer
    before = len(taken)
    inlet.take()
    assert len(taken) == before


def test_it_publishes_only_while_a_goal_is_active_and_until_the_robot_stands(driver, monkeypatch):
    """Other nodes of Nav2 publish on the same topic: behavior_server, docking_server."""
    driver._timer.cancel()
    sent, others = [], [False]
    monkeypatch.setattr(driver._command, 'publish', sent.append)
    monkeypatch.setattr(driver._others, 'occurred', lambda: others[0])

    def ticks(count):
        sent.clear()
        for _ in range(count):
            driver._tick()
        return len(sent)

    assert ticks(5) == 0
    others[0] = True  # a behavior stops the robot
    assert ticks(2) == 0
    assert driver._health._last.code is not Reason.EXTERNAL_STOP
    driver._send_last_zero()
    assert not sent
    others[0] = False
    path = conversions.path_to_msg([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0)], 0.0, 'odom')
    driver._action._on_accepted(Handle(path))
    assert ticks(5) == 5
    driver._zeros = 0  # as if the robot drove
    driver._action._end('abort', 'UNKNOWN')
    assert ticks(10) == controller_node.FINAL_ZEROS
    assert ticks(5) == 0
    others[0] = True
    driver._action._on_accepted(Handle(path))
    assert ticks(1) == 1
    assert driver._health._last.code is Reason.EXTERNAL_STOP


@pytest.mark.parametrize(('follows', 'names', 'conflict'), [
    (True, ('behavior_server', 'docking_server'), False), (True, ('teleop',), True),
    (False, ('behavior_server',), True)])
def test_the_behaviors_of_nav2_may_publish_on_its_topic(
        driver, monkeypatch, follows, names, conflict):
    infos = [SimpleNamespace(node_name=name) for name in (*names, 'mppi_controller')]
    monkeypatch.setattr(driver, 'get_publishers_info_by_topic', lambda name: infos)
    if not follows:
        configuration = replace(driver.configuration, {'follow_path.enabled': False})
        driver._controller.configure(configuration)
    assert bool(driver._health._duplicate_publishers('cmd_vel')) == conflict
