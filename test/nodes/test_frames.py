"""A parameter that names a frame is a name that tf2 accepts."""
from __future__ import annotations

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from mppi_ros.control.parameters import ControllerParameters  # noqa: E402
from mppi_ros.nodes.cmd_vel_watchdog import CmdVelWatchdogParameters  # noqa: E402
from mppi_ros.nodes.kinematic_simulator import SimulatorParameters  # noqa: E402
from mppi_ros.parameters.declaration import replace  # noqa: E402
from mppi_ros.parameters.errors import ParameterError  # noqa: E402


@pytest.mark.parametrize(('parameters', 'name'), [
    (ControllerParameters(), 'base_frame'), (CmdVelWatchdogParameters(), 'base_frame'),
    (SimulatorParameters(), 'base_frame'), (SimulatorParameters(), 'frame')])
@pytest.mark.parametrize('frame', ['base link', '/base_link', ' ', 'base\tlink'])
def test_what_is_no_frame_is_refused(parameters, name, frame):
    with pytest.raises(ParameterError, match=rf'{name} = .* is not a frame'):
        replace(parameters, {name: frame})


def test_only_the_frame_of_the_controller_must_be_given():
    with pytest.raises(ParameterError, match="base_frame = '' is not a frame"):
        replace(ControllerParameters(), {'base_frame': ''})
    for parameters in (CmdVelWatchdogParameters(), SimulatorParameters()):
        assert not replace(parameters, {'base_frame': ''}).base_frame
