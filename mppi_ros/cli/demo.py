"""One command that shows the robot drive: simulator, planner and controller as real processes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
import json
import math
import os
from pathlib import Path
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from mppi_ros.cli.arguments import Parser
from mppi_ros.cli.console import interruptible
from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.evaluation.processes import Children, free_domain
from mppi_ros.evaluation.summary import ObservedDrive, summarise
from mppi_ros.parameters.declaration import flatten
from mppi_ros.parameters.errors import InputError, MppiError
from mppi_ros.ros import use_wheels
from mppi_ros.share import share_path

if TYPE_CHECKING:
    from mppi_ros.cli.demo_observer import Observer
    from mppi_ros.cli.demo_view import View
    from mppi_ros.simulation.world import World

LIBRARIES = ('matplotlib', 'mcap', 'rich')  # of the extra `tools`
OFFICE = ('config', 'worlds', 'office.yaml')
PARAMETERS = ('config', 'mppi_controller.yaml')
START, GOAL = (1.0, 1.0, 0.0), (8.0, 5.0, 0.0)  # in the office
STANDSTILL = 0.02  # [m/s] and [rad/s]
SPIN = 0.05  # [s]
START_LIMIT = 180.0  # [s] the first start ever compiles the kernels
START_USUAL = 10.0  # [s]

Pose = tuple[float, float, float]


@dataclass(frozen=True)
class DemoScene:
    """Who drives where: everything that was asked for, loaded and found to be possible."""

    map_path: Path
    params_path: Path
    world: World
    configuration: ControllerParameters
    start: Pose
    goal: Pose
    timeout: float
    output: Path
    view: bool

    @property
    def title(self) -> str:
        """Return the name of the world; a file called map has that of its folder."""
        stem = self.map_path.stem
        return stem if stem != 'map' else self.map_path.parent.name


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the demo.

    Returns
    -------
    int
        0 if the goal was reached without contact, 1 if it was not, 2 for bad input.

    """
    options = _parse(sys.argv[1:] if argv is None else argv)
    if missing := [name for name in LIBRARIES if find_spec(name) is None]:
        print(f"mppi_demo: needs {', '.join(missing)}: pip install '.[tools]' in the source tree",
              file=sys.stderr)
        return 2
    if options.view and find_spec('rerun') is None:
        print('mppi_demo: --view needs rerun: pip install rerun-sdk', file=sys.stderr)
        return 2
    # The first run ever compiles kernels here: nobody should wait in front of an empty screen.
    print(f'loading {options.map}', flush=True)
    try:
        scene = _scene(options)
    except MppiError as error:
        print(f'mppi_demo: {error}', file=sys.stderr)
        return 2
    use_wheels()
    return _run(scene)


def _run(scene: DemoScene) -> int:
    from mppi_ros.cli.demo_display import show_result

    with interruptible(signal.SIGTERM, signal.SIGHUP), Children(scene.output / 'log') as children:
        drive = ObservedDrive(began=time.time())
        try:
            _start(scene, children)
            _watch(scene, children, drive)
        except MppiError as error:
            print(f'mppi_demo: {error}', file=sys.stderr)
            drive.reason = str(error).splitlines()[0]
        except KeyboardInterrupt:
            drive.reason = 'interrupted'
    summary = {
        **summarise(drive),
        'map': str(scene.map_path),
        'start': scene.start,
        'goal': scene.goal,
        'parameters': flatten(scene.configuration),
    }
    text = json.dumps(summary, indent=2, ensure_ascii=False)
    (scene.output / 'summary.json').write_text(text + '\n', 'utf-8')
    show_result(summary)
    written = ['summary.json', 'run.mcap']
    if len(drive.statistics) > 1 and drive.truth:
        _draw(scene, drive)
        written.insert(1, 'report.png')
    print(f'{", ".join(written)} in {scene.output}')
    return 0 if drive.reached and not drive.contact else 1


def _start(scene: DemoScene, children: Children) -> None:
    """Start the three nodes side by side, in a ROS domain that nobody else is in."""
    # This process joins the same domain, later: the nodes start while it imports rclpy.
    os.environ['ROS_DOMAIN_ID'] = str(free_domain())
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ.pop('ROS_LOCALHOST_ONLY', None)  # deprecated, and stronger than its successor
    for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
        os.environ.setdefault(name, str(share_path('config', 'quick_discovery.xml')))
    robot = f'controller_params:={scene.params_path}'
    world, start, goal = scene.map_path, list(scene.start), list(scene.goal)
    arguments = {
        'mppi_controller': ['--params-file', str(scene.params_path)],
        'kinematic_simulator': ['-p', robot, '-p', f'world:={world}', '-p', f'start:={start}'],
        'path_planner': ['-p', robot, '-p', f'goal:={goal}'],
    }
    modules = {'mppi_controller': 'controller.node'}
    for name, words in arguments.items():
        run = f'from mppi_ros.nodes.{modules.get(name, name)} import main; main()'
        children.start(name, [sys.executable, '-c', run, '--ros-args', *words], os.environ)


def _watch(scene: DemoScene, children: Children, drive: ObservedDrive) -> None:
    """Observe the drive until the robot has arrived, has touched something or is out of time."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    from mppi_ros.cli.demo_display import Display
    from mppi_ros.cli.demo_observer import Observer
    from mppi_ros.ros.mcap_recorder import Recording

    title = f'{scene.title} (ROS_DOMAIN_ID={os.environ["ROS_DOMAIN_ID"]})'
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        with Recording(scene.output / 'run.mcap') as recording, Display(title) as display:
            observer = Observer(recording, drive, _view(scene))
            executor = SingleThreadedExecutor()
            executor.add_node(observer)
            while not _ended(scene, drive, observer):
                executor.spin_once(timeout_sec=SPIN)
                children.check()
                _measure_clearance(scene, drive)
                display.update(**_progress(scene, drive, observer))
            observer.destroy_node()
    finally:
        rclpy.shutdown()


def _view(scene: DemoScene) -> View | None:
    if not scene.view:
        return None
    from mppi_ros.cli.demo_view import View

    return View(f'mppi_demo: {scene.title}')


def _measure_clearance(scene: DemoScene, drive: ObservedDrive) -> None:
    body = _body(scene.configuration)
    for _, x, y, yaw, *_ in drive.truth[len(drive.clearance) :]:
        drive.clearance.append(scene.world.clearance(body, (x, y, yaw)))


def _ended(scene: DemoScene, drive: ObservedDrive, observer: Observer) -> bool:
    if drive.contact:
        x, y = drive.truth[-1][1:3]
        drive.reason = f'contact at x = {x:.2f} m, y = {y:.2f} m'
        return True
    now, first = time.time(), drive.first_command
    state = f'controller {observer.state or "not heard of"}'
    if observer.reason:
        state = f'{state}: {observer.reason}'
    if first is None and now - drive.began > START_LIMIT:
        drive.reason = f'no command in {START_LIMIT:g} s; {state}'
        return True
    if first is not None and now - first > scene.timeout:
        drive.reason = f'goal not reached in {scene.timeout:g} s; {state}'
        return True
    standing = bool(drive.truth) and max(map(abs, drive.truth[-1][4:])) < STANDSTILL
    drive.reached = observer.state == 'reached' and standing and _is_there(scene, drive)
    return drive.reached


def _is_there(scene: DemoScene, drive: ObservedDrive) -> bool:
    """Tell whether the robot really is at the goal, give or take the noise of its odometry."""
    tolerance = scene.configuration.goal
    _, x, y, yaw, *_ = drive.truth[-1]
    off = math.hypot(x - scene.goal[0], y - scene.goal[1])
    turned = abs(math.remainder(yaw - scene.goal[2], math.tau))
    return (
        off < tolerance.position_tolerance + 0.05 and turned < tolerance.heading_tolerance + 0.05
    )


def _progress(scene: DemoScene, drive: ObservedDrive, observer: Observer) -> dict[str, Any]:
    latest = drive.statistics[-1][1] if drive.statistics else {}
    whole = math.dist(scene.start[:2], scene.goal[:2])
    left = math.dist(drive.truth[-1][1:3], scene.goal[:2]) if drive.truth else whole
    speed = drive.truth[-1][4] if drive.truth else math.nan
    clearance = drive.clearance[-1] if drive.clearance else math.nan
    seconds = time.time() - drive.began
    starting = 'compiling, for once' if seconds > START_USUAL else 'starting'
    return {
        'state': observer.state or starting,
        'seconds': seconds,
        'share': min(max(1.0 - left / max(whole, 1e-6), 0.0), 1.0),
        'values': {
            'to goal': _shown(left, '.2f', ' m'),
            'speed': _shown(speed, '.2f', ' m/s'),
            'clearance': _shown(clearance, '.2f', ' m'),
            'λ': _shown(latest.get('temperature', math.nan), '.3g'),
            'ESS': _shown(latest.get('ess', math.nan), '.0f'),
            'solve': _shown(latest.get('solve_ms', math.nan), '.2f', ' ms'),
        },
    }


def _shown(value: float, digits: str, unit: str = '') -> str:
    return f'{value:{digits}}{unit}' if math.isfinite(value) else '–'


def _draw(scene: DemoScene, drive: ObservedDrive) -> None:
    from mppi_ros.driving.footprint import Footprint
    from mppi_ros.evaluation.report import write_report
    from mppi_ros.evaluation.summary import trace_of

    seconds = summarise(drive)['time_s']
    how = f'goal reached in {seconds:.1f} s' if drive.reached else f'failed: {drive.reason}'
    outline = Footprint.of(scene.configuration.robot).polygon
    trace = trace_of(drive, scene.world.occupancy, outline, scene.goal)
    write_report(trace, scene.output / 'report.png', f'{scene.title}: {how}')


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog='mppi_demo',
        description='Drive a simulated robot over real ROS 2 and report how it went.',
        epilog='exit code: 0 goal reached without contact, 1 not so, 2 bad input',
    )
    parser.add_argument(
        '--map', type=Path, default=share_path(*OFFICE), metavar='FILE',
        help='map_server YAML or circles as CSV (x,y,radius[,kind]); default: our office',
    )
    parser.add_argument(
        '--start', type=_pose, metavar='X,Y,YAW', help='[m] and [rad]; chosen in an open place '
        'if not given',
    )
    parser.add_argument('--goal', type=_pose, metavar='X,Y,YAW', help='likewise')
    parser.add_argument(
        '--timeout', type=_positive, default=120.0, metavar='S',
        help='time from the first command to the goal in [s]; default: %(default)g',
    )
    parser.add_argument(
        '--output', type=Path, default=Path('demo_output'), metavar='DIR',
        help='folder for summary.json, report.png and run.mcap; default: %(default)s',
    )
    parser.add_argument(
        '--params', type=Path, default=share_path(*PARAMETERS), metavar='FILE',
        help='parameters of the controller as ROS YAML; the simulated robot obeys the same limits',
    )
    parser.add_argument(
        '--view', action='store_true', help='open a live view in Rerun (pip install rerun-sdk)'
    )
    return parser.parse_args(_joined(argv))


def _joined(argv: Sequence[str]) -> Iterator[str]:
    """Join options and poses: argparse takes `-2,3,0` after `--start` for another option."""
    words = iter(argv)
    for word in words:
        value = next(words, None) if word in ('--start', '--goal') else None
        yield word if value is None else f'{word}={value}'


def _pose(text: str) -> Pose:
    try:
        x, y, yaw = map(float, text.split(','))
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is not X,Y,YAW [m, m, rad]') from None
    if not all(map(math.isfinite, (x, y, yaw))):
        raise argparse.ArgumentTypeError(f'{text!r} is not finite')
    return x, y, yaw


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value <= 3600.0:
        raise argparse.ArgumentTypeError(f'{text!r} is outside (0, 3600] s')
    return value


def _scene(options: argparse.Namespace) -> DemoScene:
    """
    Load and check everything before any process starts.

    Raises
    ------
    MppiError
        A file is missing or bad, or the robot cannot stand where it should.

    """
    from mppi_ros.driving.footprint import Footprint
    from mppi_ros.simulation.world import World

    if not options.params.is_file():
        raise InputError(f'--params {options.params}: no such file')
    configuration = read_yaml(options.params)
    if not options.map.is_file():
        raise InputError(f'--map {options.map}: no such file')
    world = World.load(options.map)
    start, goal = options.start, options.goal
    if options.map == share_path(*OFFICE):
        start, goal = start or START, goal or GOAL
    reach = Footprint.of(configuration.robot).circumscribed_radius
    for name, pose in (('start', start), ('goal', goal)):
        if pose is not None:
            _check_pose(name, pose, world, configuration)
    start = start or _open_place(world, reach, goal)
    goal = goal or _open_place(world, reach, start)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'--output {options.output}: {error.strerror}') from None
    return DemoScene(
        options.map.resolve(), options.params.resolve(), world, configuration, start, goal,
        options.timeout, options.output, options.view,
    )


def _check_pose(name: str, pose: Pose, world: World, configuration: ControllerParameters) -> None:
    x, y, yaw = pose
    shown = f'--{name} {x:g},{y:g},{yaw:g}'
    grid = world.occupancy
    if not grid.contains(x, y):
        height, width = grid.shape
        raise InputError(
            f'{shown} is outside the map, x in [{grid.origin_x:g}, '
            f'{grid.origin_x + width * grid.resolution:g}] m, y in [{grid.origin_y:g}, '
            f'{grid.origin_y + height * grid.resolution:g}] m'
        )
    if world.clearance(_body(configuration), pose) <= 0.0:
        raise InputError(f'{shown} is in an obstacle: the robot would touch it there')


def _body(configuration: ControllerParameters) -> Any:
    """Return the body as a world measures it: corners, or the radius if it is round."""
    robot = configuration.robot
    if not robot.footprint:
        return robot.radius
    return [robot.footprint[k : k + 2] for k in range(0, len(robot.footprint), 2)]


def _open_place(world: World, reach: float, other: Pose | None) -> Pose:
    """Return an open place that can be driven to from `other`, about 8 m away if there is one."""
    import numpy as np
    from scipy.ndimage import label

    from mppi_ros.driving.distance_field import distance_field

    grid = world.occupancy
    field = distance_field(grid, unknown_is_obstacle=True).distance
    areas, _ = label(field > 1.2 * reach)
    if other is None:
        wanted = np.bincount(areas.ravel())[1:].argmax() + 1 if areas.any() else 0
        away = np.zeros_like(field)
    else:
        column = int((other[0] - grid.origin_x) / grid.resolution)
        row = int((other[1] - grid.origin_y) / grid.resolution)
        inside = 0 <= row < field.shape[0] and 0 <= column < field.shape[1]
        wanted = areas[row, column] if inside else 0
        rows, columns = np.indices(field.shape)
        away = np.minimum(np.hypot(rows - row, columns - column) * grid.resolution, 8.0)
    if not wanted:
        raise InputError(f'--start and --goal are needed: no place is {1.2 * reach:.2f} m clear')
    score = np.where(areas == wanted, away + np.minimum(field, 1.0), -1.0)
    row, column = divmod(int(score.argmax()), score.shape[1])
    x = grid.origin_x + (column + 0.5) * grid.resolution
    y = grid.origin_y + (row + 0.5) * grid.resolution
    return float(x), float(y), 0.0
