"""Crowd: people that avoid each other and the robot by optimal reciprocal collision avoidance."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mppi_ros.parameters.errors import MppiError

Pose = tuple[float, float, float]
Point = tuple[float, float]
Circle = tuple[float, float, float]
Wall = tuple[float, float, float, float]  # from x, y to x, y [m]

STEP = 0.05  # [s] of the people
TIME_HORIZON, WALL_HORIZON = 3.0, 1.0  # [s] in which people avoid each other, and walls
NEIGHBORS, NEIGHBOR_DISTANCE = 10, 8.0  # [m]
GOAL_RADIUS = 0.2  # [m] from a goal at which the next one is selected
FORCED_STOP_SHARE = 0.2  # of the preferred speed below which a person is stopped
FORCED_STOP_DISTANCE = 1.0  # [m] between the bodies within which the robot is the cause
WALL_RADIUS = 0.05  # [m] of the circles that form a wall
PERSON_MARGIN = 0.02  # [m] added to the radius of a person


@dataclass(frozen=True)
class Person:
    """
    Pedestrian that walks from goal to goal.

    Attributes
    ----------
    start : (float, float)
        x, y [m].
    goals : tuple of (x, y)
        Visited in turn [m]; at the last one the person stands.
    speed : float
        Preferred speed [m/s].
    radius : float
        [m]
    pause : (float, float)
        Begin and end of a pause [s].
    reacts : bool
        Whether it avoids others.

    """

    start: Point
    goals: tuple[Point, ...]
    speed: float = 1.2
    radius: float = 0.25
    pause: tuple[float, float] = (math.inf, math.inf)
    reacts: bool = True


@dataclass(frozen=True)
class CrowdScene:
    """Starts and goals of people and robot, within bounds (x_min, y_min, x_max, y_max) [m]."""

    start: Pose
    goal: Pose
    bounds: tuple[float, float, float, float]
    people: tuple[Person, ...]
    walls: tuple[Wall, ...] = ()
    discs: tuple[Circle, ...] = ()
    oncoming: bool = False  # a second robot drives from the goal to the start

    def circles(self) -> tuple[Circle, ...]:
        """Return walls and pillars as circles x, y, radius [m]."""
        found = list(self.discs)
        for x0, y0, x1, y1 in self.walls:
            count = 1 + math.ceil(math.dist((x0, y0), (x1, y1)) / WALL_RADIUS)
            for share in np.linspace(0.0, 1.0, count).tolist():
                x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
                found.append((round(x, 3), round(y, 3), WALL_RADIUS))
        return tuple(found)


class Crowd:
    """
    People of a scene, which react to the robot.

    Attributes
    ----------
    forced_stop_s : float
        Time, summed over people, in which the robot stopped them [s]: slower than
        FORCED_STOP_SHARE of the preferred speed, with the robot within FORCED_STOP_DISTANCE.

    """

    def __init__(self, scene: CrowdScene, robot_radius: float) -> None:
        """
        Place the people at their starts, at time 0.

        Raises
        ------
        MppiError
            pyrvo is not installed.

        """
        try:
            import pyrvo
        except ImportError:
            raise MppiError('people that react need pyrvo: pip install mppi_ros[people]') from None
        self.forced_stop_s = 0.0
        self._people = scene.people
        self._next = [0] * len(scene.people)
        self._radius = robot_radius
        self._past = [np.array([person.start for person in scene.people]).reshape(-1, 2)]
        self._rvo = pyrvo.RVOSimulator(
            STEP, NEIGHBOR_DISTANCE, NEIGHBORS, TIME_HORIZON, WALL_HORIZON, 0.25, 2.0
        )
        for person in scene.people:
            number = self._rvo.add_agent(person.start)
            self._rvo.set_agent_radius(number, person.radius + PERSON_MARGIN)
            self._rvo.set_agent_max_speed(number, 1.3 * person.speed)
        self._robot = self._rvo.add_agent(scene.start[:2])
        self._rvo.set_agent_radius(self._robot, robot_radius + PERSON_MARGIN)
        for wall in scene.walls:
            self._rvo.add_obstacle(_outline(wall))
        for x, y, radius in scene.discs:
            corners = [(x + radius * c, y + radius * s) for c, s in
                       ((1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0))]
            self._rvo.add_obstacle(corners)
        self._rvo.process_obstacles()

    def moving_obstacles(self) -> tuple[CrowdMember, ...]:
        """Return the people as moving discs."""
        return tuple(CrowdMember(self, number) for number in range(len(self._people)))

    def advance(self, time: float, pose: ArrayLike, twist: ArrayLike) -> None:
        """Advance to a time [s], given the true pose and twist of the robot."""
        x, y, yaw = np.asarray(pose, np.float64).tolist()
        vx, vy, _ = np.asarray(twist, np.float64).tolist()
        c, s = math.cos(yaw), math.sin(yaw)
        while (len(self._past) - 1) * STEP < time - 1e-9:
            self._step((x, y), (c * vx - s * vy, s * vx + c * vy))

    def at(self, number: int, time: float) -> tuple[float, float, float]:
        """Return x, y, radius [m] of a person at a time that has been simulated [s]."""
        index = min(max(time / STEP, 0.0), len(self._past) - 1.0)
        before = int(index)
        here = self._past[before][number]
        there = self._past[min(before + 1, len(self._past) - 1)][number]
        x, y = (here + (index - before) * (there - here)).tolist()
        return x, y, self._people[number].radius

    def _step(self, robot: Point, velocity: Point) -> None:
        rvo, now = self._rvo, (len(self._past) - 1) * STEP
        places = self._past[-1]
        wanted = [self._wanted(n, places[n], now) for n in range(len(self._people))]
        for n, person in enumerate(self._people):
            rvo.set_agent_pref_velocity(n, wanted[n])
            if not person.reacts:
                rvo.set_agent_position(n, tuple(places[n].tolist()))
                rvo.set_agent_velocity(n, wanted[n])
        rvo.set_agent_position(self._robot, robot)
        rvo.set_agent_velocity(self._robot, velocity)
        rvo.set_agent_pref_velocity(self._robot, velocity)
        rvo.do_step()
        after = np.empty_like(places)
        for n, person in enumerate(self._people):
            found: Any = rvo.get_agent_position(n)
            after[n] = (found.x, found.y) if hasattr(found, 'x') else found
            if not person.reacts:
                after[n] = places[n] + STEP * np.array(wanted[n])
            moved = math.dist(after[n], places[n]) / STEP
            gap = math.dist(after[n], robot) - person.radius - self._radius
            if moved < FORCED_STOP_SHARE * math.hypot(*wanted[n]) and gap < FORCED_STOP_DISTANCE:
                self.forced_stop_s += STEP
        self._past.append(after)

    def _wanted(self, number: int, place: ArrayLike, now: float) -> Point:
        """Return the preferred velocity of a person [m/s]."""
        person = self._people[number]
        x, y = np.asarray(place, np.float64).tolist()
        last = len(person.goals) - 1
        while self._next[number] < last and math.dist(
            (x, y), person.goals[self._next[number]]
        ) < GOAL_RADIUS:
            self._next[number] += 1
        if person.pause[0] <= now < person.pause[1]:
            return 0.0, 0.0
        goal = person.goals[self._next[number]]
        away = math.dist((x, y), goal)
        if away < 1e-6:
            return 0.0, 0.0
        speed = min(person.speed, away / STEP)
        return speed * (goal[0] - x) / away, speed * (goal[1] - y) / away


@dataclass(frozen=True)
class CrowdMember:
    """Member of a crowd, as a moving disc."""

    crowd: Crowd
    number: int

    def at(self, time: float) -> tuple[float, float, float]:
        """Return x, y, radius [m] at a time that has been simulated [s]."""
        return self.crowd.at(self.number, time)


def _outline(wall: Wall) -> list[Point]:
    """Return the corners of a wall, counter-clockwise [m]."""
    x0, y0, x1, y1 = wall
    length = max(math.dist((x0, y0), (x1, y1)), 1e-6)
    ax, ay = WALL_RADIUS * (x1 - x0) / length, WALL_RADIUS * (y1 - y0) / length
    return [
        (x0 - ax + ay, y0 - ay - ax), (x1 + ax + ay, y1 + ay - ax),
        (x1 + ax - ay, y1 + ay + ax), (x0 - ax - ay, y0 - ay + ax),
    ]  # fmt: skip


def _spread(rng: np.random.Generator, size: float = 0.3) -> float:
    return round(float(rng.uniform(-size, size)), 3)


def _corridor(rng: np.random.Generator) -> CrowdScene:
    """Return a corridor of 3 m with people in both directions."""
    people: list[Person] = []
    for n in range(3):
        there, back = 1.1 * n - 1.1, 1.1 - 1.1 * n
        x = 8.0 + 3.0 * n + _spread(rng, 1.0)
        people.append(Person((x, there), ((-6.0, there),), 1.1 + _spread(rng, 0.2)))
        x = 1.0 - 2.5 * n + _spread(rng, 0.5) - 1.5
        people.append(Person((x, back), ((24.0, back),), 1.3 + _spread(rng, 0.2)))
    walls = ((-8.0, 1.55, 26.0, 1.55), (-8.0, -1.55, 26.0, -1.55))
    return CrowdScene(
        (2.0, 0.0, 0.0), (16.0, 0.0, 0.0), (-9.0, -2.0, 27.0, 2.0), tuple(people), walls
    )


def _doorway(rng: np.random.Generator) -> CrowdScene:
    """Return a door of 1.2 m with people coming through."""
    people = tuple(
        Person(
            (9.0 + 1.6 * n + _spread(rng, 0.5), _spread(rng, 0.8)),
            ((6.6, 0.0), (5.4, 0.0), (1.0 - n, 2.0 + _spread(rng)), (-4.0 - n, 2.0)), 1.1,
        )
        for n in range(3)
    )  # fmt: skip
    walls = ((6.0, 0.65, 6.0, 4.0), (6.0, -4.0, 6.0, -0.65))
    return CrowdScene((2.0, -0.5, 0.0), (10.0, 0.0, 0.0), (-6.0, -4.5, 16.0, 4.5), people, walls)


def _crossing(rng: np.random.Generator) -> CrowdScene:
    """Return a stream of people across the path."""
    people = []
    for n in range(5):
        x = 4.5 + 0.9 * (n % 3) + _spread(rng)
        y = 3.0 + 1.8 * n + _spread(rng, 0.6)
        people.append(Person((x, y), ((x, -14.0),), 1.2 + _spread(rng, 0.2)))
    return CrowdScene((1.0, 0.0, 0.0), (10.0, 0.0, 0.0), (-1.0, -15.0, 12.0, 15.0), tuple(people))


def _stopping_group(rng: np.random.Generator) -> CrowdScene:
    """Return a group ahead in a corridor that stops to talk and then goes on."""
    stop = 4.0 + _spread(rng, 1.0)
    people = tuple(
        Person((4.0 + 0.3 * n, 0.7 * n - 0.9), ((24.0, 0.7 * n - 0.9),), 0.8, 0.25,
               (stop, stop + 5.0))
        for n in range(3)
    )  # fmt: skip
    walls = ((-2.0, 1.55, 26.0, 1.55), (-2.0, -1.55, 26.0, -1.55))
    return CrowdScene((1.0, 0.0, 0.0), (14.0, 0.0, 0.0), (-3.0, -2.0, 27.0, 2.0), people, walls)


def _pillar(rng: np.random.Generator) -> CrowdScene:
    """Return a person who steps out from behind a pillar without avoiding the robot."""
    wait = 3.2 + _spread(rng, 0.5)
    person = Person((6.0, 1.7), ((6.0, -6.0),), 1.2, 0.25, (0.0, wait), reacts=False)
    return CrowdScene(
        (1.0, 0.0, 0.0), (11.0, 0.0, 0.0), (-1.0, -7.0, 13.0, 4.0), (person,),
        discs=((5.3, 1.1, 0.35), (6.0, 2.6, 0.3)),
    )  # fmt: skip


def _standing_then_going(rng: np.random.Generator) -> CrowdScene:
    """Return a person who stands on the path and leaves when the robot is near."""
    wait = 4.5 + _spread(rng, 0.7)
    person = Person((6.0, 0.0), ((6.0, -8.0),), 1.2, 0.25, (0.0, wait), reacts=False)
    return CrowdScene((1.0, 0.0, 0.0), (11.0, 0.0, 0.0), (-1.0, -9.0, 13.0, 5.0), (person,))


def _forklift(rng: np.random.Generator) -> CrowdScene:
    """Return an obstacle of the size of a forklift that crosses the path and does not yield."""
    start = 5.5 + _spread(rng, 1.0)
    obstacle = Person((6.0, start), ((6.0, -12.0),), 1.3, 0.9, reacts=False)
    return CrowdScene((1.0, 0.0, 0.0), (11.0, 0.0, 0.0), (-1.0, -13.0, 13.0, 9.0), (obstacle,))


def _head_on(rng: np.random.Generator) -> CrowdScene:
    """Return an oncoming robot in open space."""
    return CrowdScene(
        (1.0, _spread(rng), 0.0), (11.0, _spread(rng), 0.0), (-2.0, -4.0, 14.0, 4.0), (),
        oncoming=True,
    )  # fmt: skip


def _head_on_corridor(rng: np.random.Generator) -> CrowdScene:
    """Return an oncoming robot in a corridor of 3 m."""
    walls = ((-2.0, 1.55, 16.0, 1.55), (-2.0, -1.55, 16.0, -1.55))
    return CrowdScene(
        (1.0, _spread(rng), 0.0), (13.0, _spread(rng), 0.0), (-3.0, -2.0, 17.0, 2.0), (), walls,
        oncoming=True,
    )  # fmt: skip


SCENES = {
    'corridor': _corridor, 'doorway': _doorway, 'crossing': _crossing,
    'stopping_group': _stopping_group, 'pillar': _pillar,
    'standing_then_going': _standing_then_going, 'forklift': _forklift,
    'head_on': _head_on, 'head_on_corridor': _head_on_corridor,
}  # fmt: skip


def scene(name: str, seed: int) -> CrowdScene:
    """Return a scene of SCENES; places, speeds and times vary with the seed."""
    return SCENES[name](np.random.default_rng([seed, list(SCENES).index(name)]))
