"""Only the proportions of the critics matter while λ follows the effective sample size."""
from __future__ import annotations

import numpy as np
from plain_robot import QUICK, PlainRobot, room, with_block
import pytest

from mppi_ros.control.controller import Controller
from mppi_ros.parameters.declaration import flatten, replace

WEIGHTS = [
    name for name in flatten(QUICK)
    if name.startswith('critics.') and name.endswith(('.weight', '.collision'))
]  # fmt: skip


def commands(scale):
    """Return what is commanded on the way round a block that the plan leads through."""
    values = flatten(QUICK)
    changes = {name: scale * values[name] for name in WEIGHTS}
    robot = PlainRobot(
        Controller(replace(QUICK, {'safety.costmap_timeout': 0.0, **changes}), 1), x=-3.0
    )
    robot.controller.set_costmap(robot.now, with_block(room(), 0.0, 0.2, 0.4))
    robot.controller.set_plan(
        robot.now, np.array([[-3.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
    )
    robot.run(12.0)
    return [(tick.command.vx, tick.command.wz) for tick in robot.ticks], robot.pose


@pytest.mark.parametrize('scale', [2.0**-7, 2.0**7])
def test_scaling_all_critics_changes_no_bit_of_any_command(scale):
    sent, pose = commands(scale)
    plain, end = commands(1.0)
    assert end[0] > 1.5
    assert sent == plain
    np.testing.assert_array_equal(pose, end)
