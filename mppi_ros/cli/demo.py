"""mppi_demo: drive a simulated robot with simulator, planner and controller as processes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
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
from mppi_ros.cli.demo_scene import DEFAULT_MAP, DemoScene, Pose, body_of, load_scene
from mppi_ros.evaluation.processes import Children, free_domain
from mppi_ros.evaluation.summary import ObservedDrive, summarise
from mppi_ros.parameters.declaration import flatten
from mppi_ros.parameters.errors import MppiError
from mppi_ros.ros import use_wheels
from mppi_ros.share import share_path

if TYPE_CHECKING:
    from mppi_ros.cli.demo_observer import Observer
    from mppi_ros.cli.demo_view import View

REQUIRED_PACKAGES = ('matplotlib', 'mcap', 'rich')  # of the extra `tools`
VIEWS = {'rerun': ('rerun', 'rerun-sdk'), 'web': ('nicegui', 'nicegui')}  # module, package
DEFAULT_PARAMETERS = ('config', 'mppi_controller.yaml')
STANDSTILL_SPEED = 0.02  # [m/s] and [rad/s]
ODOMETRY_NOISE = 0.05  # [m] and [rad]
SPIN_TIMEOUT = 0.05  # [s]
MAX_START_DURATION = 180.0  # [s] the first start compiles the kernels
USUAL_START_DURATION = 10.0  # [s] a longer start compiles kernels


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the demo.

    Returns
    -------
    int
        0 if the goal was reached without contact, 1 if not, 2 for invalid input.

    """
    options = _parse(sys.argv[1:] if argv is None else argv)
    if missing := [name for name in REQUIRED_PACKAGES if find_spec(name) is None]:
        print(f"mppi_demo: needs {', '.join(missing)}: pip install '.[tools]' in the source tree",
              file=sys.stderr)
        return 2
    module, package = VIEWS.get(options.view, ('sys', ''))
    if find_spec(module) is None:
        print(f'mppi_demo: --view {options.view} needs {module}: pip install {package}',
              file=sys.stderr)
        return 2
    # The first run compiles kernels while it loads the map: print before the wait.
    print(f'loading {options.map}', flush=True)
    try:
        scene = load_scene(options)
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
            if scene.view == 'web':
                _keep_page(children)
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
    """Start the three nodes in parallel, in a ROS domain that is not in use."""
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
    if scene.view == 'web':
        arguments['mppi_dashboard'] = []
        record = f'record:={scene.output / "controller.mcap"}'  # for What if on the page
        arguments['mppi_controller'] += ['-p', record]
        print('live page, when it has started: http://localhost:8750', flush=True)
    modules = {'mppi_controller': 'controller.node', 'mppi_dashboard': 'dashboard.node'}
    for name, words in arguments.items():
        run = f'from mppi_ros.nodes.{modules.get(name, name)} import main; main()'
        children.start(name, [sys.executable, '-c', run, '--ros-args', *words], os.environ)


def _watch(scene: DemoScene, children: Children, drive: ObservedDrive) -> None:
    """Observe the drive until the robot reaches the goal, makes contact or runs out of time."""
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
                executor.spin_once(timeout_sec=SPIN_TIMEOUT)
                children.check()
                _measure_clearance(scene, drive)
                display.update(**_progress(scene, drive, observer))
            observer.destroy_node()
    finally:
        rclpy.shutdown()


def _keep_page(children: Children) -> None:
    """Keep the nodes after the drive, for further goals on the page, until an interrupt."""
    print('the page stays, and takes further goals, until Ctrl-C', flush=True)
    try:
        while True:
            children.check()
            time.sleep(SPIN_TIMEOUT)
    except KeyboardInterrupt:
        print()


def _view(scene: DemoScene) -> View | None:
    if scene.view != 'rerun':
        return None
    from mppi_ros.cli.demo_view import View

    return View(f'mppi_demo: {scene.title}')


def _measure_clearance(scene: DemoScene, drive: ObservedDrive) -> None:
    body = body_of(scene.configuration)
    for _, x, y, yaw, *_ in drive.truth[len(drive.clearance) :]:
        drive.clearance.append(scene.world.clearance(body, (x, y, yaw)))


def _ended(scene: DemoScene, drive: ObservedDrive, observer: Observer) -> bool:
    if drive.contact:
        x, y = drive.truth[-1][1:3]
        drive.reason = f'contact at x = {x:.2f} m, y = {y:.2f} m'
        return True
    now, first = time.time(), drive.first_command
    state = f'controller {observer.state or "has not published its state"}'
    if observer.reason:
        state = f'{state}: {observer.reason}'
    if first is None and now - drive.began > MAX_START_DURATION:
        drive.reason = f'no command in {MAX_START_DURATION:g} s; {state}'
        return True
    if first is not None and now - first > scene.timeout:
        drive.reason = f'goal not reached in {scene.timeout:g} s; {state}'
        return True
    standing = bool(drive.truth) and max(map(abs, drive.truth[-1][4:])) < STANDSTILL_SPEED
    drive.reached = observer.state == 'reached' and standing and _is_there(scene, drive)
    return drive.reached


def _is_there(scene: DemoScene, drive: ObservedDrive) -> bool:
    """Return whether the true pose is at the goal, with an allowance for odometry noise."""
    return scene.configuration.goal.accepts(drive.truth[-1][1:4], scene.goal, ODOMETRY_NOISE)


def _progress(scene: DemoScene, drive: ObservedDrive, observer: Observer) -> dict[str, Any]:
    latest = drive.statistics[-1][1] if drive.statistics else {}
    whole = math.dist(scene.start[:2], scene.goal[:2])
    left = math.dist(drive.truth[-1][1:3], scene.goal[:2]) if drive.truth else whole
    speed = drive.truth[-1][4] if drive.truth else math.nan
    clearance = drive.clearance[-1] if drive.clearance else math.nan
    seconds = time.time() - drive.began
    starting = 'compiling' if seconds > USUAL_START_DURATION else 'starting'
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
        description='Drive a simulated robot with the ROS 2 nodes and write a report.',
        epilog='exit code: 0 goal reached without contact, 1 otherwise, 2 invalid arguments or '
        'input',
    )
    parser.add_argument(
        '--map', type=Path, default=share_path(*DEFAULT_MAP), metavar='FILE',
        help='map_server YAML or circles as CSV (x,y,radius[,kind]); default: an office',
    )
    parser.add_argument(
        '--start', type=_pose, metavar='X,Y,YAW', help='start pose [m, m, rad]; '
        'default: a pose in free space',
    )
    parser.add_argument(
        '--goal', type=_pose, metavar='X,Y,YAW',
        help='goal pose [m, m, rad]; default: a pose in free space',
    )
    parser.add_argument(
        '--timeout', type=_positive, default=120.0, metavar='S',
        help='maximum time from the first command to the goal [s]; default: %(default)g',
    )
    parser.add_argument(
        '--output', type=Path, default=Path('demo_output'), metavar='DIR',
        help='folder of summary.json, report.png and run.mcap; default: %(default)s',
    )
    parser.add_argument(
        '--params', type=Path, default=share_path(*DEFAULT_PARAMETERS), metavar='FILE',
        help='ROS parameter file of the controller; its limits apply to the simulated robot, too',
    )
    parser.add_argument(
        '--view', nargs='?', const='rerun', default='', choices=tuple(VIEWS),
        help='live view: in Rerun (rerun, the default; pip install rerun-sdk), or as a page in '
        'the browser (web; pip install nicegui), which stays until Ctrl-C',
    )
    return parser.parse_args(_joined(argv))


def _joined(argv: Sequence[str]) -> Iterator[str]:
    """Join options and poses: argparse would read `-2,3,0` after `--start` as an option."""
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
