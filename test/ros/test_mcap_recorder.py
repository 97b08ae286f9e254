"""Recording: what was published is read back, with its definition and quality of service."""
from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mppi_ros.parameters.errors import InputError
from mppi_ros.ros import use_wheels
from mppi_ros.ros.mcap_recorder import Recording, message_definition, offered_qos, type_hash

pytest.importorskip('rclpy')
reader = pytest.importorskip('mcap.reader')
decoder = pytest.importorskip('mcap_ros2.decoder')
use_wheels()

INFINITE = 2**63 - 1
LATCHED = {
    'history': 1, 'depth': 1, 'reliability': 1, 'durability': 1, 'liveliness': 1,
    'deadline': INFINITE, 'lifespan': INFINITE, 'liveliness_lease_duration': INFINITE,
}


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    from geometry_msgs.msg import PoseStamped
    from nav_msgs.msg import OccupancyGrid
    from nav_msgs.msg import Path as Plan
    from rclpy.serialization import serialize_message

    grid = OccupancyGrid()
    grid.info.width, grid.info.height, grid.info.resolution = 3, 2, 0.5
    grid.data = [-1, 0, 50, 99, 100, 0]
    plan = Plan()
    plan.header.frame_id = 'map'
    plan.poses = [PoseStamped(), PoseStamped()]
    plan.poses[1].pose.position.x = 1.25
    path = tmp_path / 'run.mcap'
    with Recording(path) as recording:
        recording.add_topic('/costmap', 'nav_msgs/msg/OccupancyGrid', offered_qos([LATCHED]))
        recording.add_topic('/plan', 'nav_msgs/msg/Path')
        recording.write('/costmap', serialize_message(grid), 1_000, 900)
        recording.write('/plan', serialize_message(plan), 2_000)
    return path


def test_messages_come_back_as_they_were_published(bag):
    with bag.open('rb') as stream:
        read = reader.make_reader(stream, decoder_factories=[decoder.DecoderFactory()])
        messages = list(read.iter_decoded_messages())
    (_, channel, first, grid), (_, _, second, plan) = messages
    assert channel.topic == '/costmap'
    assert (first.log_time, first.publish_time) == (1_000, 900)
    assert (second.log_time, second.publish_time) == (2_000, 2_000)
    assert list(grid.data) == [-1, 0, 50, 99, 100, 0]
    assert grid.info.resolution == 0.5
    assert plan.header.frame_id == 'map'
    assert plan.poses[1].pose.position.x == 1.25


def test_file_says_what_rosbag2_needs_to_replay_a_latched_topic(bag):
    with bag.open('rb') as stream:
        read = reader.make_reader(stream)
        assert read.get_header().profile == 'ros2'
        summary = read.get_summary()
    channel = next(c for c in summary.channels.values() if c.topic == '/costmap')
    assert channel.message_encoding == 'cdr'
    assert summary.schemas[channel.schema_id].encoding == 'ros2msg'
    assert summary.schemas[channel.schema_id].name == 'nav_msgs/msg/OccupancyGrid'
    (offered,) = yaml.safe_load(channel.metadata['offered_qos_profiles'])
    assert (offered['reliability'], offered['durability'], offered['depth']) == (1, 1, 1)
    assert offered['deadline'] == {'sec': 9223372036, 'nsec': 854775807}
    assert channel.metadata['topic_type_hash'].startswith('RIHS01_')


def test_definition_holds_every_contained_message_once():
    text = message_definition('nav_msgs/msg/Odometry')
    contained = [line[5:] for line in text.splitlines() if line.startswith('MSG: ')]
    assert len(contained) == len(set(contained))
    assert {'std_msgs/Header', 'builtin_interfaces/Time', 'geometry_msgs/Quaternion'} <= set(
        contained)


def test_hash_is_that_of_the_message_itself():
    assert type_hash('nav_msgs/msg/Odometry') != type_hash('nav_msgs/msg/Path')


def test_unknown_message_is_named():
    with pytest.raises(InputError, match='nav_msgs/msg/Nothing.msg is not installed'):
        message_definition('nav_msgs/msg/Nothing')
