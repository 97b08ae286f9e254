"""Recordings of a simulated robot in the formats of rosbags."""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from mppi_ros.control.inputs import Command
from mppi_ros.driving.parameters import Limits
from mppi_ros.simulation.plant import HARD, Plant


def record(writer, store, stamped, odometry=True, steps=2000, robot=None):
    """Write odometry at 50 Hz and commands at 20 Hz of a simulated robot, by default HARD."""
    types, nano = store.types, 10**9
    vector, kind = types['geometry_msgs/msg/Vector3'], 'geometry_msgs/msg/Twist'
    time, header = types['builtin_interfaces/msg/Time'], types['std_msgs/msg/Header']
    kind += 'Stamped' * stamped
    topics = {'/robot/cmd_vel': kind, '/odom': 'nav_msgs/msg/Odometry'}
    connections = {
        topic: writer.add_connection(topic, name, typestore=store)
        for topic, name in topics.items()
        if odometry or topic != '/odom'
    }

    def twist(v, w):
        return types['geometry_msgs/msg/Twist'](vector(v, 0.0, 0.0), vector(0.0, 0.0, w))

    def head(now):
        stamp = time(int(now), int(now % 1.0 * nano))
        fields = {'stamp': stamp, 'frame_id': 'base'}
        if 'seq' in header.__dataclass_fields__:
            fields['seq'] = 0
        return header(**fields)

    def odometry_of(now, motion):
        def of(name, **fields):
            return types[f'geometry_msgs/msg/{name}'](**fields)

        pose = of('Pose', position=of('Point', x=motion.x, y=motion.y, z=0.0),
                  orientation=of('Quaternion', x=0.0, y=0.0, z=0.0, w=1.0))
        return types['nav_msgs/msg/Odometry'](
            head(now), 'base', of('PoseWithCovariance', pose=pose, covariance=np.zeros(36)),
            of('TwistWithCovariance', twist=twist(motion.vx, motion.wz), covariance=np.zeros(36)),
        )

    def write(topic, now, message):
        connection = connections[topic]
        serialise = store.serialize_ros1 if writer.__module__.endswith('rosbag1.writer') else (
            store.serialize_cdr)
        writer.write(connection, int((100.0 + now) * nano), serialise(message, connection.msgtype))

    plain = replace(HARD, limits=Limits(vx_max=2.0, wz_max=2.0))
    robot = robot or Plant(plain, (0.0, 0.0, 0.0), 1)
    rng, command = np.random.default_rng(2), np.zeros(2)
    for k in range(steps):
        now = 0.01 * k
        robot.advance(now - robot.time)
        if k % 2 == 0 and odometry:
            write('/odom', now, odometry_of(now, robot.odometry(now)))
        if k % 5 == 0:
            if k % 100 == 0:
                command = rng.uniform((0.0, -0.5), (0.5, 0.5))
            robot.command(Command(command[0], 0.0, command[1]), now)
            message = twist(*command)
            if stamped:
                message = types['geometry_msgs/msg/TwistStamped'](head(now), message)
            write('/robot/cmd_vel', now, message)
