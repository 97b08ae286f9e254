"""The YAML file that comes along says of every parameter what the code says."""
from __future__ import annotations

import re
import textwrap

import pytest
import yaml

from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.parameters.declaration import ParameterInfo, describe, flatten
from mppi_ros.parameters.errors import ParameterError
from mppi_ros.share import share_path

HEAD = """\
# Parameters of mppi_controller for the default robot: round, 0.5 m/s, differential drive.
# Every line is the default, so a file of your own needs only what differs. Costs are in seconds:
# a weight of 1 makes a critic worth one second of delay. All but those marked 'at start' are live:
# ros2 param set /mppi_controller lambda 0.5
/**/mppi_controller:
  ros__parameters:
"""


def written(info: ParameterInfo) -> str:
    """Write a default so that ROS reads it in the parameter's own type."""
    if isinstance(info.default, bool):
        return str(info.default).lower()
    if isinstance(info.default, tuple):
        return f'[{", ".join(repr(float(value)) for value in info.default)}]'
    return repr(info.default) if info.kind != 'string' else f"'{info.default}'"


def commented_yaml() -> str:
    """Write the file from the declarations."""
    lines, open_groups = [], []
    for info in describe(ControllerParameters):
        *groups, name = info.name.split('.')
        for depth, group in enumerate(groups):
            if open_groups[: depth + 1] != groups[: depth + 1]:
                lines.append(f'{"  " * (depth + 2)}{group}:')
        open_groups = groups
        indent = '  ' * (len(groups) + 2)
        range_text = '' if info.range_text == 'any' else f': {info.range_text}'
        late = '' if info.live else ' (at start)'
        lines += textwrap.wrap(
            f'{info.description}{range_text}{late}', 99, break_long_words=False,
            initial_indent=f'{indent}# ', subsequent_indent=f'{indent}# ')
        lines.append(f'{indent}{name}: {written(info)}')
    return HEAD + '\n'.join(lines) + '\n'


def test_the_file_is_what_the_declarations_give():
    shipped = share_path('config', 'mppi_controller.yaml').read_text('utf-8')
    assert shipped == commented_yaml(), 'write it anew: python test/nodes/test_config.py'


def test_the_file_gives_the_defaults():
    assert read_yaml(share_path('config', 'mppi_controller.yaml')) == ControllerParameters()


CONFIG = share_path('config')
FILES = sorted([*CONFIG.glob('*.yaml'), *CONFIG.glob('robots/*.yaml')])
SMALL = CONFIG / 'small_computer.yaml'


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_every_file_that_comes_along_is_read_without_a_warning(path):
    assert read_yaml(path).warnings == ()


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_a_small_computer_suits_every_robot_with_the_default_horizon(path):
    robot = read_yaml(path)
    small = read_yaml(SMALL, robot)
    assert small.limits == robot.limits
    if robot.mppi.horizon == ControllerParameters().mppi.horizon:
        assert small.mppi.horizon == pytest.approx(robot.mppi.horizon)
        assert small.warnings == ()


def test_a_small_computer_differs_from_the_default_in_computing_only_and_computes_less():
    small, default = flatten(read_yaml(SMALL)), flatten(ControllerParameters())
    changed = {name for name in default if small[name] != default[name]}
    assert changed == {
        'control_rate', 'samples', 'ess_share', 'horizon_steps', 'time_step', 'threads'}
    work = [each['samples'] * each['horizon_steps'] for each in (small, default)]
    assert work[0] <= 0.25 * work[1]
    assert small['control_rate'] < default['control_rate']


@pytest.mark.parametrize(
    'info', [info for info in describe(ControllerParameters) if info.former_name],
    ids=lambda info: info.former_name)
def test_a_former_name_in_a_file_is_refused_with_the_new_one(tmp_path, info):
    file = tmp_path / 'robot.yaml'
    content = {info.former_name: info.default}
    file.write_text(yaml.safe_dump({'mppi_controller': {'ros__parameters': content}}), 'utf-8')
    with pytest.raises(ParameterError, match=f'it is named {re.escape(info.name)} now'):
        read_yaml(file)


def test_no_former_name_is_a_name_of_today():
    infos = describe(ControllerParameters)
    assert not {info.former_name for info in infos} & {info.name for info in infos}


if __name__ == '__main__':
    share_path('config', 'mppi_controller.yaml').write_text(commented_yaml(), 'utf-8')
