"""The planner node keeps a plan while it is good and makes another when it is not."""
from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from geometry_msgs.msg import PoseStamped  # noqa: E402
from nav_msgs.msg import OccupancyGrid  # noqa: E402
import rclpy  # noqa: E402
from rclpy.clock import ClockType  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.time import Time  # noqa: E402

from mppi_ros.control.inputs import Odometry  # noqa: E402
from mppi_ros.driving.costmap import Costmap  # noqa: E402
from mppi_ros.nodes.path_planner import PathPlanner  # noqa: E402
from mppi_ros.ros import conversions  # noqa: E402


@pytest.fixture
def planner(ros_domain):
    rclpy.init()
    node = PathPlanner()
    node.sent = []
    node._publisher.publish = lambda message: node.sent.append(
        conversions.path_from_msg(message))
    yield node
    node.destroy_node()
    rclpy.shutdown()


def see(planner, data, topic='map', origin=(0.0, 0.0), frame='map'):
    message = conversions.costmap_to_msg(Costmap(data, 0.1, *origin), 1.0, frame)
    {'map': planner._on_map, 'costmap': planner._on_costmap}[topic](message)


def stand(planner, x, y, frame='map'):
    planner._on_odom(conversions.odometry_to_msg(
        Odometry(1.0, x, y, 0.0, 0.0, 0.0, 0.0), frame, 'base_link'))


def aim(planner, x, y, frame='map'):
    message = PoseStamped(pose=conversions.pose_to_msg(x, y, 0.0))
    message.header.frame_id = frame
    planner._on_goal(message)


def free():
    return np.zeros((50, 80), np.int8)


def test_a_plan_is_made_when_all_is_known_and_kept_while_it_is_good(planner):
    aim(planner, 7.0, 2.5)
    stand(planner, 1.0, 2.5)
    assert planner.sent == []
    see(planner, free())
    planner._check()
    (path,) = planner.sent
    assert path[0, :2] == pytest.approx([1.0, 2.5])
    assert path[-1] == pytest.approx([7.0, 2.5, 0.0])
    stand(planner, 3.0, 2.6)
    planner._check()
    assert len(planner.sent) == 1


def test_a_new_plan_goes_round_what_the_costmap_shows(planner):
    see(planner, free())
    stand(planner, 1.0, 2.5)
    aim(planner, 7.0, 2.5)
    box = np.zeros((10, 10), np.int8)
    box[:] = 100
    see(planner, box, topic='costmap', origin=(3.5, 2.0))
    planner._check()
    assert len(planner.sent) == 2
    x, y = planner.sent[1][:, 0], planner.sent[1][:, 1]
    beside = (x > 3.5) & (x < 4.5)
    assert beside.any()
    assert np.all((y[beside] < 2.0) | (y[beside] > 3.0))


def test_a_new_plan_is_made_for_a_robot_that_strayed(planner):
    see(planner, free())
    stand(planner, 1.0, 2.5)
    aim(planner, 7.0, 2.5)
    stand(planner, 2.0, 4.0)
    planner._check()
    assert len(planner.sent) == 2
    assert planner.sent[1][0, :2] == pytest.approx([2.0, 4.0])


def test_a_plan_is_made_anew_when_simulated_time_begins_anew(planner):
    see(planner, free())
    stand(planner, 1.0, 2.5)
    aim(planner, 7.0, 2.5)
    planner.set_parameters([Parameter('use_sim_time', value=True)])
    clock = planner.get_clock()
    for seconds in (30.0, 29.5, 100.0):  # no restart
        clock.set_ros_time_override(Time(seconds=seconds, clock_type=ClockType.ROS_TIME))
    planner._check()
    assert len(planner.sent) == 1
    clock.set_ros_time_override(Time(seconds=0.5, clock_type=ClockType.ROS_TIME))
    planner._check()  # where the robot is now is not known
    assert len(planner.sent) == 1
    stand(planner, 1.0, 2.5)  # back at the start: the old plan would do, but it was driven
    planner._check()
    assert len(planner.sent) == 2
    assert planner.sent[1][-1] == pytest.approx([7.0, 2.5, 0.0])


def test_an_empty_plan_once_says_that_there_is_no_way(planner):
    data = free()
    data[:, 40] = 100
    see(planner, data)
    stand(planner, 1.0, 2.5)
    aim(planner, 7.0, 2.5)
    for _ in range(3):
        planner._check()
    (path,) = planner.sent
    assert path.shape == (0, 3)
    assert planner._trouble == 'no path to the goal (7, 2.5) m'


def test_a_plan_is_kept_while_an_obstacle_covers_the_goal(planner):
    see(planner, free())
    stand(planner, 1.0, 2.5)
    aim(planner, 7.0, 2.5)
    person = free()
    person[22:28, 67:73] = 100
    see(planner, person, 'costmap')
    planner._check()
    assert len(planner.sent) == 1
    assert 'goal (7.00, 2.50) m is in an obstacle' in planner._trouble
    see(planner, free(), 'costmap')
    planner._check()
    assert len(planner.sent) == 1
    assert planner._trouble == ''


def test_a_covered_goal_gets_a_plan_when_it_is_free(planner):
    see(planner, free())
    person = free()
    person[22:28, 67:73] = 100
    see(planner, person, 'costmap')
    stand(planner, 1.0, 2.5)
    aim(planner, 7.0, 2.5)
    planner._check()
    (path,) = planner.sent
    assert not len(path)
    see(planner, free(), 'costmap')
    planner._check()
    assert planner.sent[-1][-1] == pytest.approx([7.0, 2.5, 0.0])


def test_differing_frames_are_named(planner):
    see(planner, free())
    stand(planner, 1.0, 2.5, frame='odom')
    aim(planner, 7.0, 2.5)
    assert "odometry is in frame 'odom'" in planner._trouble


def test_a_goal_in_the_frame_of_the_robot_does_not_move_with_it(planner, monkeypatch):
    def transform(poses, what, source, target):
        return poses + planner._pose if source == 'base_link' else poses

    monkeypatch.setattr(planner._frames, 'transform', transform)
    see(planner, free())
    stand(planner, 1.0, 2.5)
    aim(planner, 3.0, 0.0, 'base_link')
    for x in (2.0, 3.0):
        stand(planner, x, 3.4)  # farther from the plan than replan_distance
        planner._check()
    assert len(planner.sent) > 1
    assert [tuple(path[-1, :2]) for path in planner.sent] == [(4.0, 2.5)] * len(planner.sent)


def test_the_map_of_whoever_publishes_one_comes_first(planner):
    """A costmap is free where nobody has looked: its plan might lead into a wall."""
    aim(planner, 7.0, 2.5)
    stand(planner, 1.0, 2.5)
    server = planner.create_publisher(OccupancyGrid, 'map', 1)
    see(planner, free(), topic='costmap')
    planner._check()
    assert planner.sent == []
    assert planner._awaited() == 'the map'
    see(planner, np.where(np.arange(80) == 40, 100, free()).astype(np.int8))
    planner._check()
    assert planner._trouble == 'no path to the goal (7, 2.5) m'
    planner.destroy_publisher(server)


def test_a_costmap_will_do_where_nobody_publishes_a_map(planner):
    assert planner._awaited() == 'a goal'
    aim(planner, 7.0, 2.5)
    assert planner._awaited() == 'odometry'
    stand(planner, 1.0, 2.5)
    assert planner._awaited() == 'a map or a costmap'
    see(planner, free(), topic='costmap')
    planner._check()
    (path,) = planner.sent
    assert path[-1] == pytest.approx([7.0, 2.5, 0.0])


@pytest.mark.parametrize(('namespace', 'radius'), [('/robot1', 0.2), ('/robot2', 0.4)])
def test_robot_of_the_own_namespace_is_read_from_a_file_of_several(
        ros_domain, tmp_path, namespace, radius):
    file = tmp_path / 'robots.yaml'
    file.write_text(''.join(
        f'/robot{n}/mppi_controller: {{ros__parameters: {{robot: {{radius: {0.2 * n}}}}}}}\n'
        for n in (1, 2)), 'utf-8')
    rclpy.init()
    try:
        node = PathPlanner(namespace=namespace, parameter_overrides=[
            Parameter('controller_params', value=str(file))])
        assert node._footprint.reach == pytest.approx(radius)
        node.destroy_node()
    finally:
        rclpy.shutdown()
