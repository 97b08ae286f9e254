"""Cases among moving obstacles: DynaBARN, CrowdNav, tracks of pedestrians, reacting crowds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mppi_ros.evaluation.barn import LIMITS as BARN_LIMITS
from mppi_ros.evaluation.people import crowd, crowdnav, dynabarn, tracks
from mppi_ros.evaluation.people.baselines import BASELINES, CHANGES
from mppi_ros.evaluation.people.case import PeopleCase
from mppi_ros.evaluation.request import Request
from mppi_ros.parameters.declaration import replace as changed
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.lidar import Lidar

ANY_HEADING = {'goal.heading_tolerance': 3.15}
WALKING = {  # the protocol does not limit the centripetal acceleration, here up to 1.9 m/s²
    'limits.vx_max': crowdnav.SPEED, 'limits.ay_max': 2.0,
    'robot.radius': crowdnav.RADIUS, **ANY_HEADING,
}  # fmt: skip
CROWD_TIMEOUT = 60.0  # [s]
OMNI = {'motion_model': 'omni', 'limits.vy_max': crowdnav.SPEED, 'limits.ay_max': 1.0}


def people(request: Request) -> Iterator[PeopleCase]:
    """
    Yield cases among moving obstacles: cylinders, recorded test cases, tracks, crowds.

    The data folder holds dynabarn/, crowdnav/ and eth_ucy/, or some of them.
    Scenarios are dynabarn/N, dynabarn_gentle/N, crowdnav/N, crowdnav_omni/N, crowdnav_visible/N,
    tracks/FILE_DIRECTION/N and crowd/NAME. The last need no data. A name without its last parts
    selects all below it.

    Raises
    ------
    MppiError
        No data, damaged data, an unknown scenario or baseline.

    """
    baseline = request.baseline
    if baseline and baseline not in BASELINES:
        raise InputError(
            f'unknown baseline {baseline!r}; one of {", ".join(BASELINES)} is expected'
        )
    scenes = request.only and all(name.split('/')[0] == 'crowd' for name in request.only)
    if request.data is None and not scenes:
        raise InputError('--data is needed: a folder with dynabarn/, crowdnav/ or eth_ucy/')
    if request.data is not None and not request.data.is_dir():
        raise InputError(f'--data {request.data} is not a folder')
    cases = [*_dynabarn(request), *_crowdnav(request), *_tracks(request)]
    if not cases and not request.only:
        raise InputError(
            f'no dynabarn/world_N.json, crowdnav/*.npz or eth_ucy/*.csv lies in {request.data}'
        )
    cases += _crowd(request)
    known = list(dict.fromkeys(case.scenario for case in cases))
    for name in request.only:
        if not any(_is_below(each, [name]) for each in known):
            groups = dict.fromkeys(each.rpartition('/')[0] for each in known)
            raise InputError(f'unknown scenario {name!r}; there are {", ".join(groups)}, each /N')
    for case in cases:
        if request.only and not _is_below(case.scenario, request.only):
            continue
        if case.kind == 'dynabarn':
            case.people()  # damaged data is reported before any episode runs
        configuration = changed(case.configuration, CHANGES.get(baseline, {}))
        yield replace(case, configuration=configuration, baseline=baseline)


def _is_below(scenario: str, names: Sequence[str]) -> bool:
    return any(scenario == name or scenario.startswith(f'{name}/') for name in names)


def _runs(request: Request) -> Iterator[tuple[str, int]]:
    for plant in request.plants or ('nominal',):
        for run in range(request.runs):
            yield plant, request.seed + run


def _dynabarn(request: Request) -> Iterator[PeopleCase]:
    found = dynabarn.worlds(request.data / 'dynabarn') if request.data else {}
    if not found:
        return
    full = {**BARN_LIMITS, **ANY_HEADING}
    jackal = request.configuration('jackal', full).limits
    gentle = {
        'limits.vx_max': min(dynabarn.GENTLE_SPEED, jackal.vx_max),
        'limits.vx_min': max(-dynabarn.GENTLE_SPEED, jackal.vx_min),
    }
    walls = dynabarn.walls()
    for suite, changes in (('dynabarn', full), ('dynabarn_gentle', {**full, **gentle})):
        configuration = request.configuration('jackal', changes)
        for name, path in found.items():
            for plant, seed in _runs(request):
                yield PeopleCase(
                    suite='people', scenario=f'{suite}/{name}', plant=plant, seed=seed,
                    start=dynabarn.START, goal=dynabarn.GOAL, configuration=configuration,
                    sensing='lidar', timeout=dynabarn.TIMEOUT, circles=walls,
                    bounds=dynabarn.BOUNDS, goal_radius=dynabarn.GOAL_RADIUS, clock_after=0.1,
                    kind='dynabarn', record=str(path), field_of_view=Lidar().field_of_view,
                )  # fmt: skip


def _crowdnav(request: Request) -> Iterator[PeopleCase]:
    files = sorted((request.data / 'crowdnav').glob('*.npz')) if request.data else []
    if len(files) > 1:
        raise InputError(f'{files[0].parent} holds {len(files)} files of cases; one is expected')
    for path in files:
        count = len(crowdnav.read(path)[0])
        for suite, changes in (
            ('crowdnav', WALKING), ('crowdnav_omni', {**WALKING, **OMNI}),
            ('crowdnav_visible', WALKING),
        ):  # fmt: skip
            configuration = request.configuration('', changes)
            for number in range(count):
                for plant, seed in _runs(request):
                    yield PeopleCase(
                        suite='people', scenario=f'{suite}/{number}', plant=plant, seed=seed,
                        start=crowdnav.START, goal=crowdnav.GOAL, configuration=configuration,
                        sensing='lidar', timeout=crowdnav.TIMEOUT, bounds=crowdnav.BOUNDS,
                        goal_radius=crowdnav.GOAL_RADIUS, kind='crowdnav', record=str(path),
                        number=number, reacts=suite == 'crowdnav_visible',
                    )  # fmt: skip


def _tracks(request: Request) -> Iterator[PeopleCase]:
    files = sorted((request.data / 'eth_ucy').glob('*.csv')) if request.data else []
    wanted = [name for name in request.only if name.split('/')[0] == 'tracks']
    if request.only and not wanted:
        return
    configuration = request.configuration('', WALKING)
    for path in files:
        found = tracks.read(path)
        bounds = tracks.bounds(found)
        for way in tracks.DIRECTIONS:
            name = f'{path.stem}_{way}'
            for number in range(tracks.EPISODES):
                scenario = f'tracks/{name}/{number}'
                if wanted and not _is_below(scenario, wanted):
                    continue
                for plant, seed in _runs(request):
                    drive = tracks.drive(found, path.stem, way, number, seed)
                    yield PeopleCase(
                        suite='people', scenario=scenario, plant=plant, seed=seed,
                        start=drive.start, goal=drive.goal, configuration=configuration,
                        sensing='lidar', timeout=tracks.TIMEOUT, bounds=bounds,
                        goal_radius=tracks.GOAL_RADIUS, kind='tracks', record=str(path),
                        record_time=drive.time,
                    )  # fmt: skip


def _crowd(request: Request) -> Iterator[PeopleCase]:
    configuration = request.configuration('', WALKING)
    for name in crowd.SCENES:
        for plant, seed in _runs(request):
            scene = crowd.scene(name, seed)
            yield PeopleCase(
                suite='people', scenario=f'crowd/{name}', plant=plant, seed=seed,
                start=scene.start, goal=scene.goal, configuration=configuration,
                sensing='lidar', timeout=CROWD_TIMEOUT, circles=scene.circles(),
                bounds=scene.bounds, goal_radius=tracks.GOAL_RADIUS, kind='crowd', record=name,
                reacts=True,
            )  # fmt: skip
