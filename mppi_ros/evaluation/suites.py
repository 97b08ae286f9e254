"""Registry of the suites: BARN, F1TENTH, maps, scenarios and people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from mppi_ros.evaluation.barn import barn
from mppi_ros.evaluation.case import Case
from mppi_ros.evaluation.f1tenth import f1tenth
from mppi_ros.evaluation.maps import maps
from mppi_ros.evaluation.people.suite import people
from mppi_ros.evaluation.request import Request
from mppi_ros.evaluation.scenarios import scenarios
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.mujoco_robots import ROBOTS, model_of
from mppi_ros.simulation.physics import KINEMATIC, PhysicsParameters
from mppi_ros.simulation.plant import PLANTS
from mppi_ros.simulation.single_track import car_of

SUITES: dict[str, Callable[[Request], Iterator[Case]]] = {
    'barn': barn, 'f1tenth': f1tenth, 'maps': maps, 'scenarios': scenarios, 'people': people,
}  # fmt: skip


def cases_of(suite: str, request: Request) -> list[Case]:
    """
    Return the cases of a suite, in an order that the request determines.

    Raises
    ------
    MppiError
        Unknown suite, robot, plant or scenario; missing or invalid data or parameters.

    """
    for plant in request.plants:
        if plant not in PLANTS:
            raise InputError(f'unknown plant {plant!r}; one of {", ".join(PLANTS)} is expected')
    if suite not in SUITES:
        raise InputError(f'unknown suite {suite!r}; one of {", ".join(SUITES)} is expected')
    return with_physics(list(SUITES[suite](request)), request.physics, request.robot)


def with_physics(cases: list[Case], physics: PhysicsParameters, robot: str) -> list[Case]:
    """Return the cases with the physics; its robot is `robot`, or resembles that of the case."""
    if physics == KINEMATIC:
        return cases
    return [replace(case, physics=_with_model(physics, robot, case)) for case in cases]


def _with_model(physics: PhysicsParameters, robot: str, case: Case) -> PhysicsParameters:
    if physics.kind == 'single_track':
        return replace(physics, robot=car_of(case.configuration))
    return replace(physics, robot=robot if robot in ROBOTS else model_of(case.configuration))
