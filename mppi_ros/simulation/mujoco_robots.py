"""
Rigid-body models of robots as MJCF, built from the dimensions that their makers publish.

Sources of the numbers, by robot. "Assumed" marks what no maker publishes; docs/physics.md repeats
this list.

jackal
    Clearpath J100. Wheels, masses, inertia and centre of mass: jackal_description
    (jackal.urdf.xacro). Separation 0.37559 m with multiplier 1.5, radius, limits and update rate:
    clearpath_common (j100/control.yaml). Torque: 500 W at 2 m/s on four wheels (data sheet).
    Assumed: response time of the motor drives.
husky
    Clearpath A200. husky_description (husky.urdf.xacro, wheel.urdf.xacro) and clearpath_common
    (a200/control.yaml): separation 0.555 m with multiplier 1.875. Torque: climbs 45° (data sheet).
    The lateral offset of the centre of mass in the maker's file, -85 mm, is left out.
    Assumed: response time.
turtlebot4
    irobot_create_description (wheels, caster, offset of the centre of mass), create3_sim
    (control.yaml); mass 3.9 kg of the complete robot (data sheet). Assumed: height of the centre
    of mass, inertia of a homogeneous cylinder, torque, response time.
turtlebot3
    turtlebot3_description (burger), turtlebot3_node (burger.yaml); mass 1 kg and motors of
    1.4 N·m (data sheets). Assumed: height of the centre of mass, response time.
turtlebot2
    Kobuki: wheel separation 0.23 m, radius 0.0352 m, 0.7 m/s, 180 °/s; TurtleBot 2: 6.3 kg.
    Assumed: height of the centre of mass, inertia of a homogeneous cylinder, torque, response
    time.
rosbot_mecanum
    Husarion rosbot_description (body, mecanum wheels, torque 1.5 N·m) and rosbot_ros
    (mecanum_drive_controller.yaml), whose lateral separation of 0.192 m differs from the 0.205 m
    of the description. Friction along and across the rollers: 0.8 in its simulation; assumed 0.05
    across. Assumed: inertia of the rotors.
f1tenth
    f1tenth_gym (mass, inertia, centre of mass, steering, acceleration) and f1tenth_system.
    Assumed: wheels of 0.05 m radius and 0.2 kg, track 0.26 m, response time.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.footprint import Footprint
from mppi_ros.parameters.errors import InputError

TIME_STEP = 0.001  # [s]
GRAVITY = 9.81  # [m/s²]
CASTER_GAP = 0.001  # [m] below the casters of a robot with two, whose wheels are sprung
PAYLOAD_HEIGHT = 0.3  # [m] of a payload above the floor
SILL_DISTANCE, SILL_WIDTH = 1.5, 0.1  # [m] of a door sill ahead of the start


@dataclass(frozen=True)
class RobotModel:
    """
    Mechanics and base controller of a robot.

    Attributes
    ----------
    drive : str
        'diff': wheels of one side turn alike; 'mecanum'; 'car': front wheels are steered and all
        wheels driven through open differentials.
    mass : float
        Of the chassis without wheels [kg].
    inertia : (float, float, float)
        Principal moments of inertia of the chassis [kg m²].
    centre : (float, float, float)
        Centre of mass of the chassis [m], from the base frame on the floor.
    wheels : tuple of (x, y)
        Axes of the wheels [m]; a mecanum base and a car in the order front left, front right,
        rear left, rear right.
    wheel_radius, wheel_width : float
        [m].
    wheel_mass, wheel_inertia : float
        [kg], and about the axis [kg m²].
    torque : float
        Maximum torque of a wheel [N m].
    response : float
        Time T of the speed controller of a wheel, which answers as 1 / (T s + 1)² [s].
    separation : float
        Distance of the wheels of both sides in the base controller, with its multiplier; of a
        mecanum base half the sum of both distances [m].
    rate : float
        Update rate of the base controller [Hz].
    window : int
        Updates over which the base controller averages the measured velocity.
    speed, turn_rate, acceleration, turn_acceleration : float
        Limits in the base controller [m/s] [rad/s] [m/s²] [rad/s²].
    casters : tuple of (x, y, radius)
        Spheres that slide on the floor with a friction of 0.1 [m].
    steering, steering_rate, wheelbase : float
        Largest angle [rad], rate [rad/s] and wheelbase [m] of a car.
    rotor_inertia : float
        Of a motor at its wheel [kg m²].

    """

    drive: str
    mass: float
    inertia: tuple[float, float, float]
    centre: tuple[float, float, float]
    wheels: tuple[tuple[float, float], ...]
    wheel_radius: float
    wheel_width: float
    wheel_mass: float
    wheel_inertia: float
    torque: float
    response: float
    separation: float
    rate: float
    speed: float
    turn_rate: float
    acceleration: float
    turn_acceleration: float
    window: int = 1
    casters: tuple[tuple[float, float, float], ...] = ()
    steering: float = 0.0
    steering_rate: float = 0.0
    wheelbase: float = 0.0
    rotor_inertia: float = 0.0

    @property
    def total_mass(self) -> float:
        """Return the mass of chassis and wheels [kg]."""
        return self.mass + len(self.wheels) * self.wheel_mass


def _corners(length: float, width: float, ahead: float = 0.0) -> tuple[tuple[float, float], ...]:
    """Return the axes of four wheels around a point `ahead` of the base frame [m]."""
    return tuple(
        (ahead + x * length / 2.0, y * width / 2.0) for x in (1.0, -1.0) for y in (1.0, -1.0)
    )


ROBOTS: dict[str, RobotModel] = {
    'jackal': RobotModel(
        'diff', 16.523, (0.3136, 0.3922, 0.4485), (0.012, 0.002, 0.1305), _corners(0.262, 0.37559),
        0.098, 0.040, 0.477, 0.0024, torque=6.1, response=0.05, separation=1.5 * 0.37559,
        rate=50.0, window=10, speed=2.0, turn_rate=4.0, acceleration=20.0, turn_acceleration=25.0,
        rotor_inertia=0.01,
    ),
    'husky': RobotModel(
        'diff', 46.034, (0.6022, 1.7386, 2.0296), (-0.00065, 0.0, 0.1943),
        _corners(0.512, 0.5708), 0.1651, 0.1143, 2.637, 0.04411, torque=16.2, response=0.08,
        separation=1.875 * 0.555, rate=50.0, window=10, speed=1.0, turn_rate=1.0,
        acceleration=1.0, turn_acceleration=1.0, rotor_inertia=0.1,
    ),
    'turtlebot4': RobotModel(
        'diff', 3.5, (0.035, 0.035, 0.047), (0.0228, 0.0, 0.08), ((0.0, 0.1165), (0.0, -0.1165)),
        0.03575, 0.015, 0.2, 0.000128, torque=0.5, response=0.04, separation=0.233, rate=100.0,
        window=10, speed=0.46, turn_rate=1.9, acceleration=0.9, turn_acceleration=7.725,
        casters=((0.125, 0.0, 0.01),), rotor_inertia=0.0005,
    ),
    'turtlebot3': RobotModel(
        'diff', 0.94, (0.0022, 0.0021, 0.0020), (-0.032, 0.0, 0.07), ((0.0, 0.08), (0.0, -0.08)),
        0.033, 0.018, 0.0285, 0.0000207, torque=1.4, response=0.04, separation=0.16, rate=50.0,
        speed=0.22, turn_rate=2.84, acceleration=2.5, turn_acceleration=10.0,
        casters=((-0.081, 0.0, 0.006),), rotor_inertia=0.0002,
    ),
    'turtlebot2': RobotModel(
        'diff', 5.9, (0.07, 0.07, 0.09), (0.0, 0.0, 0.12), ((0.0, 0.115), (0.0, -0.115)),
        0.0352, 0.02, 0.2, 0.000124, torque=1.0, response=0.04, separation=0.23, rate=50.0,
        speed=0.7, turn_rate=math.pi, acceleration=2.0, turn_acceleration=10.0,
        casters=((0.115, 0.0, 0.017), (-0.115, 0.0, 0.017)), rotor_inertia=0.0005,
    ),
    'rosbot_mecanum': RobotModel(
        'mecanum', 1.728, (0.004162, 0.00651, 0.008828), (0.0, 0.0, 0.067),
        _corners(0.106, 0.205), 0.047, 0.0455, 0.153, 0.000169, torque=1.5, response=0.04,
        separation=0.5 * (0.106 + 0.192), rate=20.0, speed=0.9, turn_rate=3.0, acceleration=1.0,
        turn_acceleration=4.0, rotor_inertia=0.0006,
    ),
    'f1tenth': RobotModel(
        'car', 2.94, (0.012, 0.04, 0.035), (0.17145, 0.0, 0.074), _corners(0.3302, 0.26, 0.1651),
        0.05, 0.045, 0.2, 0.00025, torque=0.45, response=0.05, separation=0.26, rate=75.0,
        speed=20.0, turn_rate=math.inf, acceleration=9.51, turn_acceleration=math.inf,
        steering=0.4189, steering_rate=3.2, wheelbase=0.3302, rotor_inertia=0.0005,
    ),
}  # fmt: skip

# Coefficients of friction and of rolling resistance of rubber; assumed within the usual ranges.
FLOORS = {'tile': (0.7, 0.010), 'carpet': (0.9, 0.030), 'wet': (0.3, 0.010)}
PATCHES = 'patches'  # squares of all floors
PATCH_SIDE = 1.0  # [m]

DRIVES = {'diff_drive': 'diff', 'omni': 'mecanum', 'ackermann': 'car'}  # by motion model


def model_of(configuration: ControllerParameters) -> str:
    """
    Return the name of the robot that resembles a configuration most.

    It has the motion model of the configuration and the nearest circumscribed radius.
    """
    sizes = {
        'jackal': 0.333, 'husky': 0.711, 'turtlebot4': 0.175, 'turtlebot3': 0.1,
        'turtlebot2': 0.22, 'rosbot_mecanum': 0.152, 'f1tenth': 0.48,
    }  # fmt: skip
    drive = DRIVES[configuration.motion_model]
    size = Footprint.of(configuration.robot).circumscribed_radius
    fitting = [name for name, robot in ROBOTS.items() if robot.drive == drive]
    return min(fitting, key=lambda name: abs(sizes[name] - size))


def robot_model(name: str) -> RobotModel:
    """
    Return the model of a robot.

    Raises
    ------
    InputError
        No such robot.

    """
    if name not in ROBOTS:
        raise InputError(f'unknown rigid-body robot {name!r}; there are {", ".join(ROBOTS)}')
    return ROBOTS[name]


def mjcf(
    robot: RobotModel, payload: float, slope: float, sill: float, friction: str = 'tyre'
) -> str:
    """
    Return the model of a robot on a floor as MJCF.

    Parameters
    ----------
    robot : RobotModel
        The robot.
    payload : float
        Mass above the middle of the wheels [kg].
    slope : float
        Slope of the floor, uphill along x [rad].
    sill : float
        Height of a door sill across the way, SILL_DISTANCE ahead of the start; 0 for none [m].
    friction : str
        'tyre': the wheels slide, and the plant applies their friction; 'solver': MuJoCo does.

    """
    r = robot.wheel_radius
    middle = sum(x for x, _ in robot.wheels) / len(robot.wheels)
    inertia = robot.wheel_inertia + robot.rotor_inertia + (
        (robot.total_mass + payload) * r * r / len(robot.wheels)
    )
    kp, kv = inertia / robot.response**2, 2.0 * inertia / robot.response
    pull = f'{-GRAVITY * math.sin(slope)} 0 {-GRAVITY * math.cos(slope)}'
    parts = [
        '<mujoco>',
        f'<option timestep="{TIME_STEP}" integrator="implicitfast" cone="elliptic"'
        f' impratio="10" gravity="{pull}"/>',
        '<worldbody><geom name="floor" type="plane" size="0 0 1"/>',
    ]
    if sill:
        size = f'{SILL_WIDTH / 2} 20 {sill}'
        parts.append(f'<geom type="box" pos="{SILL_DISTANCE + middle} 0 0" size="{size}"/>')
    x, y, z = robot.centre
    parts += [
        f'<body name="base" pos="0 0 {r}"><freejoint/>',
        f'<inertial pos="{x} {y} {z - r}" mass="{robot.mass}"'
        f' diaginertia="{_text(robot.inertia)}"/>',
    ]
    if payload:
        parts.append(
            f'<body pos="{middle} 0 {PAYLOAD_HEIGHT - r}"><geom type="box" size="0.1 0.1 0.1"'
            f' contype="0" conaffinity="0" mass="{payload}"/></body>'
        )
    gap = CASTER_GAP * (len(robot.casters) > 1)
    parts += [
        f'<geom type="sphere" pos="{cx} {cy} {size + gap - r}" size="{size}" priority="2"'
        f' condim="3" friction="0.1" mass="0"/>'
        for cx, cy, size in robot.casters
    ]
    steered = robot.drive == 'car'
    for index, (wx, wy) in enumerate(robot.wheels):
        parts.append(_wheel(robot, index, wx, wy, steered and index < 2, friction))
    parts.append('</body></worldbody><sensor>')
    parts += [f'<touch site="wheel{index}"/>' for index in range(len(robot.wheels))]
    parts.append('</sensor>')
    names = [f'wheel{index}' for index in range(len(robot.wheels))]
    if steered:
        share = 1.0 / len(names)
        parts += [
            '<tendon><fixed name="drive">',
            *(f'<joint joint="{name}" coef="{share}"/>' for name in names),
            '</fixed></tendon>',
        ]
    parts.append('<actuator>')
    count = len(names) if steered else 1
    most = count * robot.torque
    servo = (
        f'dyntype="integrator" gaintype="fixed" gainprm="{count * kp}" biastype="affine"'
        f' biasprm="0 {-count * kp} {-count * kv}" forcelimited="true" forcerange="{-most} {most}"'
    )
    places = ['tendon="drive"'] if steered else [f'joint="{name}"' for name in names]
    parts += [f'<general {place} {servo}/>' for place in places]
    if steered:
        parts += [f'<position joint="steer{k}" kp="50" kv="1"/>' for k in (0, 1)]
    parts.append('</actuator></mujoco>')
    return '\n'.join(parts)


def _wheel(
    robot: RobotModel, index: int, x: float, y: float, steered: bool, friction: str
) -> str:
    """Return a wheel, with a sensor of the normal force."""
    side = robot.wheel_mass * (3.0 * robot.wheel_radius**2 + robot.wheel_width**2) / 12.0
    side = max(side, 0.5 * robot.wheel_inertia)
    contact = 'condim="1"' if friction == 'tyre' else 'condim="4"'
    steer = f'<joint name="steer{index}" axis="0 0 1" armature="0.001"/>' if steered else ''
    reach = 1.5 * math.hypot(robot.wheel_radius, robot.wheel_width)
    return (
        f'<body name="wheel{index}" pos="{x} {y} 0">{steer}'
        f'<joint name="wheel{index}" axis="0 1 0" armature="{robot.rotor_inertia}"/>'
        f'<inertial pos="0 0 0" mass="{robot.wheel_mass}"'
        f' diaginertia="{side} {robot.wheel_inertia} {side}"/>'
        f'<site name="wheel{index}" size="{reach}"/>'
        f'<geom name="wheel{index}" type="cylinder" size="{robot.wheel_radius}'
        f' {robot.wheel_width / 2}" zaxis="0 1 0" priority="1" {contact}'
        f' friction="0.7 {robot.wheel_width / 4} 0"/></body>'
    )


def _text(values: tuple[float, ...]) -> str:
    return ' '.join(map(str, values))
