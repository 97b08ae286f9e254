"""
Fuzzing of message readers: input of a faulty or malicious publisher, and invariants of the result.

Run as a program, it starts a coverage-guided search with atheris:
`python test/fuzz/messages.py -atheris_runs=1000000`.
"""
from __future__ import annotations

import struct
import sys

from mppi_ros.ros import use_wheels

use_wheels()

from geometry_msgs.msg import PoseStamped  # noqa: E402
from nav_msgs.msg import Odometry as OdometryMessage  # noqa: E402
import numpy as np  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402

from mppi_ros.control.inputs import Odometry  # noqa: E402
from mppi_ros.driving import path_segments  # noqa: E402
from mppi_ros.driving.costmap import Costmap  # noqa: E402
from mppi_ros.driving.path import sections  # noqa: E402
from mppi_ros.parameters.errors import InputError  # noqa: E402
from mppi_ros.ros import cdr, conversions  # noqa: E402


def read_costmap(data: bytes) -> None:
    """Read a costmap and check its invariants."""
    message, cells = cdr.grid_from_bytes(data)
    costmap = conversions.costmap_from_msg(message, cells)
    assert costmap.data.size <= len(data)
    assert costmap.data.min() >= -1
    assert costmap.data.max() <= 100


def read_plan(data: bytes) -> None:
    """Read a plan and check that it is finite."""
    message, numbers = cdr.path_from_bytes(data)
    assert numbers.nbytes <= 2 * len(data)
    poses = conversions.path_from_msg(message, numbers)
    assert np.isfinite(poses).all()
    if len(poses):
        assert all(np.isfinite(section.points).all() for section in sections(poses))


def read_odometry(data: bytes) -> None:
    """Read odometry and check that it is finite."""
    odometry = conversions.odometry_from_msg(deserialize_message(data, OdometryMessage), 1.0)
    odometry.check()
    assert np.isfinite(list(vars(odometry).values())).all()


def read_goal(data: bytes) -> None:
    """Read a goal and check that it is finite."""
    pose = conversions.pose_from_msg(deserialize_message(data, PoseStamped).pose, 'goal')
    assert np.isfinite(pose).all()


READERS = (read_costmap, read_plan, read_odometry, read_goal)


def seeds() -> list[bytes]:
    """Return a valid message for each reader."""
    grid = Costmap(np.arange(-1, 99, dtype=np.int8).reshape(10, 10), 0.05, -1.0, 2.0)
    goal = PoseStamped(pose=conversions.pose_to_msg(1.0, 2.0, 0.5))
    poses = [(0.1 * n, 0.02 * n, 0.1) for n in range(12)]
    messages = (
        conversions.costmap_to_msg(grid, 12.5, 'odom'),
        conversions.path_to_msg(poses, 12.5, 'map'),
        conversions.odometry_to_msg(Odometry(1.0, 2.0, 3.0, 0.5, 0.1, 0.0, 0.2), 'odom', 'base'),
        goal,
    )
    return [serialize_message(message) for message in messages]


SPECIAL = [struct.pack('<d', value) for value in (
    float('nan'), float('inf'), -float('inf'), 1e300, -1e300, 5e-324, 0.0, 1e6, -1.0)]
SPECIAL += [struct.pack('<I', value) for value in (0, 1, 2**31, 2**32 - 1, 10_000, 65_536)]


def mutate(seed: bytes, rng: np.random.Generator) -> bytes:
    """Return a message with one to five mutations."""
    data = bytearray(seed)
    for _ in range(rng.integers(1, 6)):
        at = int(rng.integers(0, max(len(data), 1)))
        mutation = rng.integers(0, 6)
        if mutation == 0 and data:
            data[at] ^= 1 << int(rng.integers(0, 8))
        elif mutation == 1:
            del data[at:]
        elif mutation == 2:
            special = SPECIAL[rng.integers(0, len(SPECIAL))]
            start = 4 + (at - 4) // len(special) * len(special)
            data[max(start, 0):max(start, 0) + len(special)] = special
        elif mutation == 3:
            data[at:at] = rng.bytes(int(rng.integers(1, 40)))
        elif mutation == 4:
            data[at:at + int(rng.integers(1, 16))] = b''
        else:
            data += data[at:at + 64]
    return bytes(data)


def check(reader: int, data: bytes) -> bool:
    """Return whether a reader accepts a message; raise any error other than a refusal."""
    try:
        READERS[reader](data)
    except InputError:
        return False
    except Exception as error:
        if type(error).__module__.startswith(('rclpy', '_rclpy')):
            return False  # the middleware does not deliver such bytes
        raise
    return True


def main() -> None:
    """Run atheris on the readers."""
    import atheris

    path_segments.warm_up()  # Numba cannot compile instrumented kernels
    atheris.instrument_all()
    atheris.Setup(sys.argv, lambda data: check(data[0] % len(READERS), data[1:]) if data else None)
    atheris.Fuzz()


if __name__ == '__main__':
    main()
