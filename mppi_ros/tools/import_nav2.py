"""mppi_import_nav2: our parameters from those of Nav2's MPPI controller, and what has no match."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
import math
from pathlib import Path
import sys
import textwrap
from typing import Any, NoReturn

import yaml

from mppi_ros.control.settings import Configuration
from mppi_ros.files import load_yaml
from mppi_ros.mppi.errors import InputError, ParameterError
from mppi_ros.mppi.parameters import describe, flatten, replace

PLUGIN = 'nav2_mppi_controller::MPPIController'
DEFAULTS = flatten(Configuration())

# A rule is the name of our parameter, which takes the value as it is; a `Scaled`, for which the
# value of Nav2's shipped nav2_params.yaml means our default; or the reason why there is no match,
# recognised by its blanks. The names are those of the branches jazzy and main.


@dataclass(frozen=True)
class Scaled:
    """A weight without a unit: what matters is how it differs from what Nav2 ships."""

    name: str
    shipped: float


Rule = str | Scaled

POWER = 'our costs are rates in seconds whose shapes are fixed'
NEAR = 'our goal critics begin to be felt by themselves where the horizon reaches the goal'
ALWAYS = 'the critic works along the whole plan'
FURTHEST = 'the plan is followed by arc length: no point ahead has to be chosen'
EVERY = 'every step of every sample is scored'
LISTENERS = 'views are computed while someone listens to them'
CUSPS = 'where a plan turns back is found by itself, and the robot drives up to it'
NEW = 'a new plan is taken over where the robot is on the old one'
FOOTPRINT = 'the footprint is always considered: robot.footprint, or robot.radius'
PLUGINS = 'what a plugin does is built in'

CONTROLLER: dict[str, Rule] = {
    'plugin': PLUGINS,
    'time_steps': 'horizon_steps',
    'model_dt': 'time_step',
    'batch_size': 'samples',
    'iteration_count': 'iterations',
    'temperature': 'costs have other units, and λ is chosen by effective sample size (ess_share)',
    'gamma': 'the weights are exactly exp(−f/λ); effort and smoothness have critics of their own',
    'vx_std': 'goes into sigma_share',
    'vy_std': 'goes into sigma_share',
    'wz_std': 'goes into sigma_share',
    'vx_max': 'limits.vx_max',
    'vx_min': 'limits.vx_min',
    'vy_max': 'limits.vy_max',
    'wz_max': 'limits.wz_max',
    'ax_max': 'limits.ax_max',
    'ax_min': 'limits.ax_min',
    'ay_max': 'limits.ay_max',
    'ay_min': 'limits.ay_min',
    'az_max': 'limits.az_max',
    'model_delay_vx': 'goes into prediction.delay_linear',
    'model_delay_vy': 'goes into prediction.delay_linear',
    'model_delay_wz': 'goes into prediction.delay_angular',
    'motion_model': 'goes into motion_model',
    'min_turning_r': 'limits.turning_radius_min',
    'critics': 'a critic that is not listed gets the weight 0, where we can do without it',
    'retry_attempt_limit': 'a tick without a valid sample brakes, and the next one tries again',
    'regenerate_noises': 'the noise is fresh at every tick',
    'open_loop': 'prediction starts from the measured speed and the commands under way',
    'clamp_raw_controls': 'controls are bounded inside the dynamics: samples stay Gaussian',
    'sgf_order': 'samples are drawn smooth (noise.smoothing_time) and need no filter',
    'visualize': LISTENERS,
    'publish_optimal_trajectory': LISTENERS,
    'critic_index_to_visualize': '~/critic_costs and ~/statistics show every critic',
    'TrajectoryVisualizer.trajectory_step': LISTENERS,
    'TrajectoryVisualizer.time_step': LISTENERS,
    'TrajectoryValidator.plugin': PLUGINS,
    'TrajectoryValidator.collision_lookahead_time':
        'every command is checked for room to brake, however long that takes',
    'TrajectoryValidator.consider_footprint': FOOTPRINT,
    'prune_distance': FURTHEST,
    'max_robot_pose_search_dist': FURTHEST,
    'transform_tolerance': 'the newest transform is taken, at most transform_timeout old',
    'enforce_path_inversion': CUSPS,
    'inversion_xy_tolerance': CUSPS,
    'inversion_yaw_tolerance': CUSPS,
}

OPTIONAL = ('GoalAngleCritic', 'PathAlignCritic', 'PathAngleCritic', 'PreferForwardCritic')
CRITICS: dict[str, dict[str, Rule]] = {
    'ConstraintCritic': {
        'cost_weight': 'limits hold for every command: none has to be priced',
    },
    'CostCritic': {
        'cost_weight': Scaled('critics.obstacle.weight', 3.81),
        'critical_cost': 'the cost rises steadily over critics.obstacle.margin',
        'near_collision_cost': 'the cost rises steadily over critics.obstacle.margin',
        'collision_cost': 'costs have other units: critics.obstacle.collision',
        'near_goal_distance': NEAR,
        'inflation_layer_name': 'distances are measured on the costmap, inflated or not',
        'trajectory_point_step': EVERY,
        'consider_footprint': FOOTPRINT,
    },
    'ObstaclesCritic': {
        'repulsion_weight': Scaled('critics.obstacle.weight', 1.5),
        'critical_weight': 'the cost rises steadily over critics.obstacle.margin',
        'collision_cost': 'costs have other units: critics.obstacle.collision',
        'collision_margin_distance': 'the cost rises steadily over critics.obstacle.margin',
        'near_goal_distance': NEAR,
        'inflation_layer_name': 'distances are measured on the costmap, inflated or not',
        'consider_footprint': FOOTPRINT,
    },
    'GoalCritic': {
        'cost_weight': Scaled('critics.goal_position.weight', 5.0),
        'threshold_to_consider': NEAR,
    },
    'GoalAngleCritic': {
        'cost_weight': Scaled('critics.goal_heading.weight', 3.0),
        'threshold_to_consider': NEAR,
        'symmetric_yaw_tolerance': 'a goal has one heading; goal.heading_tolerance 3.15 takes any',
    },
    'PathAlignCritic': {
        'cost_weight': Scaled('critics.path_tracking.weight', 14.0),
        'max_path_occupancy_ratio': 'around obstacles on the plan, a way is searched instead',
        'offset_from_furthest': FURTHEST,
        'trajectory_point_step': EVERY,
        'threshold_to_consider': ALWAYS,
        'use_path_orientations': CUSPS,
    },
    'PathAngleCritic': {
        'cost_weight': Scaled('critics.path_heading.weight', 2.0),
        'offset_from_furthest': FURTHEST,
        'threshold_to_consider': ALWAYS,
        'max_angle_to_furthest': ALWAYS,
        'mode': CUSPS,
        'forward_preference': CUSPS,
    },
    'PathFollowCritic': {
        'cost_weight': Scaled('critics.progress.weight', 5.0),
        'offset_from_furthest': FURTHEST,
        'threshold_to_consider': ALWAYS,
    },
    'PreferForwardCritic': {
        'cost_weight': Scaled('critics.forward.weight', 5.0),
        'threshold_to_consider': ALWAYS,
    },
    'TwirlingCritic': {
        'cost_weight': Scaled('critics.effort.weight', 10.0),
        'twirling_cost_weight': 'its name in Nav2 is cost_weight',
        'twirling_cost_power': POWER,
    },
    'VelocityDeadbandCritic': {
        'cost_weight': 'there is no dead band: prediction follows the measured motion',
        'deadband_velocities': 'there is no dead band: prediction follows the measured motion',
    },
}
for _rules in CRITICS.values():
    _rules.update(enabled='a critic that is not enabled is one that is not listed',
                  cost_power=POWER)

SERVER: dict[str, Rule] = {
    'controller_frequency': 'control_rate',
    'costmap_update_timeout': 'safety.costmap_timeout',
    'enable_stamped_cmd_vel': 'cmd_vel_stamped',
    'use_sim_time': 'use_sim_time',
    'failure_tolerance': 'follow_path.failure_tolerance',
    'controller_plugins': PLUGINS,
    'progress_checker_plugins': PLUGINS,
    'goal_checker_plugins': PLUGINS,
    'path_handler_plugins': PLUGINS,
    'min_x_velocity_threshold': 'measured speeds are used as they are',
    'min_y_velocity_threshold': 'measured speeds are used as they are',
    'min_theta_velocity_threshold': 'measured speeds are used as they are',
    'odom_duration': 'measured speeds are used as they are',
    'odom_topic': 'remap the topic: --ros-args -r odom:=...',
    'speed_limit_topic': 'remap the topic: --ros-args -r speed_limit:=...',
    'use_realtime_priority': 'the scheduler is chosen where the process is started',
    'publish_zero_velocity': 'every stop ends with zero',
    'action_server_result_timeout': 'results are kept as long as rclpy keeps them',
    'search_window': FURTHEST,
    'bond_heartbeat_period': 'the bond beats at 10 Hz like those of Nav2',
    'autostart_node': 'autostart',
}
CHECKERS: dict[str, Rule] = {
    'plugin': PLUGINS,
    'xy_goal_tolerance': 'goal.position_tolerance',
    'yaw_goal_tolerance': 'goal.heading_tolerance',
    'stateful': 'the goal is reached where the robot comes to rest within both tolerances',
    'path_length_tolerance': 'the goal is reached at the end of the plan only',
    'xy_goal_tolerance_buffer': 'the goal is reached where the robot stands',
    'symmetric_yaw_tolerance': 'a goal has one heading; goal.heading_tolerance 3.15 takes any',
    'trans_stopped_velocity': 'the goal is reached where the robot stands',
    'rot_stopped_velocity': 'the goal is reached where the robot stands',
    'required_movement_radius': 'follow_path.progress_radius',
    'required_movement_angle': 'turning on the spot counts as no progress',
    'movement_time_allowance': 'follow_path.progress_time',
    'prune_distance': FURTHEST,
    'max_robot_pose_search_dist': FURTHEST,
    'enforce_path_inversion': CUSPS,
    'enforce_path_rotation': CUSPS,
    'inversion_xy_tolerance': CUSPS,
    'inversion_yaw_tolerance': CUSPS,
    'minimum_rotation_angle': CUSPS,
    'reject_unit_path': NEW,
}
MODELS = {
    name: ours
    for ours, theirs in (
        ('diff_drive', 'DiffDrive'), ('omni', 'Omni'), ('ackermann', 'Ackermann'),
    )
    for name in (ours, theirs, f'mppi::{theirs}MotionModel')
}
STD = {'vx_std': 0.2, 'vy_std': 0.2, 'wz_std': 0.4}  # shipped [m/s] [m/s] [rad/s]


@dataclass
class Import:
    """
    What came of an import.

    Attributes
    ----------
    changes : dict
        Our parameters and their values.
    origin : dict
        For each of them, where it comes from.
    reasons : dict
        For each parameter of Nav2 without a match, why.

    """

    changes: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def apply(self, name: str, value: Any, rule: Rule | None) -> None:
        """Follow the rule for one parameter of Nav2."""
        if rule is None:
            self.reasons[name] = "is none of Nav2's: is it spelt well?"
        elif isinstance(rule, Scaled):
            default = DEFAULTS[rule.name]
            assert isinstance(default, float)
            scaled = default * _number(name, value) / rule.shipped
            self.take(rule.name, float(f'{scaled:.4g}'), f'{name} {value}, shipped {rule.shipped}')
        elif ' ' in rule:
            self.reasons[name] = rule
        else:
            typed = _number(name, value) if isinstance(DEFAULTS[rule], float) else value
            self.take(rule, typed, name)

    def take(self, ours: str, value: Any, origin: str) -> None:
        """Set one of our parameters."""
        self.changes[ours], self.origin[ours] = value, origin


def convert(content: Mapping[str, Any], controller: str = '') -> Import:
    """
    Return what a nav2_params.yaml says about its MPPI controller in our words.

    Parameters
    ----------
    content : dict
        The file, as YAML reads it.
    controller : str
        Name of the controller plugin; '' takes the only one that is MPPI.

    Raises
    ------
    ParameterError
        There is no MPPI controller, or there are several and none is named, or a value does not
        fit.

    """
    server, name = _find(content, controller)
    section = server[name]
    done = Import()
    for key, value in server.items():
        if not isinstance(value, dict):
            done.apply(key, value, SERVER.get(key))
        elif value.get('plugin', '').startswith('nav2_controller::'):
            for inner, each in value.items():
                done.apply(f'{key}.{inner}', each, CHECKERS.get(inner))
        elif key != name:
            done.reasons[key] = 'is a section of another plugin'
    _convert_controller(done, section, name)
    _convert_body(done, content)
    replace(Configuration(), done.changes)
    return done


def _convert_controller(done: Import, section: Mapping[str, Any], name: str) -> None:
    model = section.get('motion_model', 'diff_drive')
    details = section.get(model, {}) if isinstance(model, str) else {}
    listed = section.get('critics', [])
    for key, value in section.items():
        if key in CRITICS:
            if key not in listed or value.get('enabled') is False:
                done.reasons[f'{name}.{key}'] = 'is not in use'
                continue
            for inner, each in value.items():
                done.apply(f'{name}.{key}.{inner}', each, CRITICS[key].get(inner))
        elif isinstance(value, dict):
            for inner, each in value.items():
                rule = CONTROLLER.get(f'{key}.{inner}', CONTROLLER.get(inner))
                done.apply(f'{name}.{key}.{inner}', each, rule)
        else:
            done.apply(f'{name}.{key}', value, CONTROLLER.get(key))
    for critic in OPTIONAL:
        used = critic in listed and section.get(critic, {}).get('enabled') is not False
        weight = CRITICS[critic]['cost_weight']
        assert isinstance(weight, Scaled)
        if listed and not used:
            done.take(weight.name, 0.0, f'{critic} is not in use')
    _convert_model(done, section, name, str(details.get('plugin', model)))


def _convert_model(done: Import, section: Mapping[str, Any], name: str, model: str) -> None:
    """Set what several parameters say together: the model, Σ and the delay."""
    if model not in MODELS:
        raise ParameterError(f'{name}.motion_model = {model!r} is not known')
    ours = MODELS[model]
    if ours != DEFAULTS['motion_model']:
        done.take('motion_model', ours, f'{name}.motion_model')
    given = [key for key in STD if key in section]
    if given:
        defaults = DEFAULTS['sigma_share']
        assert isinstance(defaults, tuple)
        scale = {key: _number(key, section.get(key, std)) / std for key, std in STD.items()}
        speeds = max(scale['vx_std'], scale['vy_std'] if ours == 'omni' else 0.0)
        turning = scale['wz_std']
        shares = speeds * defaults[0], turning * defaults[1], turning * defaults[2]
        origin = ', '.join(f'{key} {section[key]}, shipped {STD[key]}' for key in given)
        done.take('sigma_share', [float(f'{value:.4g}') for value in shares], origin)
    for axis, keys in (('linear', ('vx', 'vy')), ('angular', ('wz',))):
        names = [f'model_delay_{key}' for key in keys if f'model_delay_{key}' in section]
        delay = max((_number(name, section[name]) for name in names), default=0.0)
        if delay:
            done.take(f'prediction.delay_{axis}', delay, f'the longest of {", ".join(names)}')


def _convert_body(done: Import, content: Mapping[str, Any]) -> None:
    """Take the outline of the robot from the local costmap of the same file."""
    for path, section in _sections(content):
        if not path.endswith('local_costmap'):
            continue
        if section.get('footprint'):
            corners = yaml.safe_load(str(section['footprint']))
            flat = [float(number) for corner in corners for number in corner]
            done.take('robot.footprint', flat, f'{path}.footprint')
        elif 'robot_radius' in section:
            radius = _number('robot_radius', section['robot_radius'])
            done.take('robot.radius', radius, f'{path}.robot_radius')
        if 'robot_base_frame' in section:
            done.take('base_frame', section['robot_base_frame'], f'{path}.robot_base_frame')


def _find(content: Mapping[str, Any], wanted: str) -> tuple[Mapping[str, Any], str]:
    found = [
        (section, name)
        for _, section in _sections(content)
        for name, value in section.items()
        if isinstance(value, dict) and value.get('plugin') == PLUGIN and wanted in ('', name)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        names = ', '.join(name for _, name in found)
        raise ParameterError(f'several controllers are MPPI: choose one by --controller: {names}')
    what = f'no controller {wanted} of' if wanted else 'no controller of'
    raise ParameterError(f'there is {what} plugin: {PLUGIN}')


def _sections(tree: Any, path: str = '') -> Iterator[tuple[str, Mapping[str, Any]]]:
    """List every ros__parameters with the path that leads to it."""
    for key, value in tree.items() if isinstance(tree, dict) else ():
        if key == 'ros__parameters' and isinstance(value, dict):
            yield path, value
        else:
            yield from _sections(value, f'{path}/{key}')


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ParameterError(f'{name} = {value!r} must be a finite number')
    return float(value)


def write(done: Import, source: str) -> str:
    """Return the YAML file: every value with its origin, then what has no match and why."""
    lines = [f'# Written by mppi_import_nav2 from {source}.',
             '# What is not here keeps the defaults of config/mppi_controller.yaml.',
             '/**/mppi_controller:', '  ros__parameters:']
    open_groups: list[str] = []
    for name in [info.name for info in describe(Configuration) if info.name in done.changes]:
        *groups, last = name.split('.')
        for depth, group in enumerate(groups):
            if open_groups[: depth + 1] != groups[: depth + 1]:
                lines.append(f'{"  " * (depth + 2)}{group}:')
        open_groups = groups
        value = yaml.safe_dump(done.changes[name], default_flow_style=True).split('\n')[0]
        lines.append(f'{"  " * (len(groups) + 2)}{last}: {value}  # {done.origin[name]}')
    by_reason: dict[str, list[str]] = {}
    for name, reason in done.reasons.items():
        by_reason.setdefault(reason, []).append(name)
    lines += ['', '# Without a match:']
    for reason, names in by_reason.items():
        lines += textwrap.wrap(
            f'{", ".join(names)}: {reason}', 97, initial_indent='# - ', subsequent_indent='#   ',
            break_long_words=False, break_on_hyphens=False)
    return '\n'.join(lines) + '\n'


class _Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f'{self.prog}: {message}\n')


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command.

    Returns
    -------
    int
        0 if the file was written, 2 for bad input.

    """
    parser = _Parser(
        prog='mppi_import_nav2',
        description="Write the parameters of mppi_controller from those of Nav2's MPPI controller "
        '(branches jazzy to main): limits, horizon, samples, tolerances and the outline of the '
        'robot as they are, weights in proportion to what Nav2 ships. What has no match is named '
        'with the reason at the end of the file.',
        epilog='exit code: 0 written, 2 bad input',
    )
    parser.add_argument('file', type=Path, metavar='nav2_params.yaml')
    parser.add_argument('--output', type=Path, metavar='FILE', help='default: standard output')
    parser.add_argument('--controller', default='', metavar='NAME',
                        help='the controller plugin, where several are MPPI, as in FollowPath')
    options = parser.parse_args(argv)
    try:
        content = load_yaml(options.file)
        text = write(convert(content, options.controller), options.file.name)
        if options.output:
            options.output.write_text(text, 'utf-8')
        else:
            print(text, end='')
    except OSError as error:
        return _complain(f'{error.filename}: {error.strerror}')
    except InputError as error:
        return _complain(str(error))
    except ParameterError as error:
        return _complain(f'{options.file}: {error}')
    return 0


def _complain(message: str) -> int:
    print(f'mppi_import_nav2: {message}', file=sys.stderr)
    return 2
