"""Request for the cases of a suite: data, scenarios, runs, plants and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.parameters.declaration import replace
from mppi_ros.parameters.errors import InputError
from mppi_ros.share import share_path
from mppi_ros.simulation.physics import KINEMATIC, PhysicsParameters

MAX_LISTED = 40  # names of scenarios in a message


@dataclass(frozen=True)
class Request:
    """
    Selection of the cases of a suite.

    Attributes
    ----------
    data : Path, optional
        Folder with the data of the suite.
    only : tuple of str
        Names of the scenarios; empty for all.
    runs : int
        Runs of each scenario, with seeds `seed`, `seed` + 1, ...
    seed : int
        First seed.
    plants : tuple of str
        Names of the plants; empty for the default of the suite.
    robot : str
        Name of a robot or its parameter file; empty for the default of the suite.
    params : Path, optional
        Parameter file that overrides the parameters of the robot.
    physics : PhysicsParameters
        Physics of the robot; its robot is '' for the model that resembles the parameters most.
    baseline : str
        Replacement for the controller in the suite people; see evaluation.people.baselines.
    generated : int
        Number of worlds to generate from `seed` in the suite barn; 0 for those of `data`.

    """

    data: Path | None = None
    only: tuple[str, ...] = ()
    runs: int = 1
    seed: int = 0
    plants: tuple[str, ...] = ()
    robot: str = ''
    params: Path | None = None
    baseline: str = ''
    generated: int = 0
    physics: PhysicsParameters = KINEMATIC

    def configuration(
        self, robot: str, changes: Mapping[str, Any] | None = None
    ) -> ControllerParameters:
        """
        Return the parameters of the robot, changed by the suite and then by the parameter file.

        Each case solves on one thread because cases run in parallel. The result does not depend
        on the number of threads.
        """
        base = replace(read_robot(self.robot or robot), changes or {})
        found = read_yaml(self.params, base) if self.params else base
        return replace(found, {'threads': 1})


def read_robot(name: str) -> ControllerParameters:
    """
    Return the parameters of a robot: a name in config/robots, a YAML file, or '' for the defaults.

    Raises
    ------
    MppiError
        The robot is unknown, or its file is invalid.

    """
    if not name:
        return ControllerParameters()
    if Path(name).suffix in ('.yaml', '.yml'):
        return read_yaml(name)
    folder = share_path('config', 'robots')
    known = sorted(path.stem for path in folder.glob('*.yaml'))
    if name not in known:
        raise InputError(f'unknown robot {name!r}; one of {", ".join(known)} is expected')
    return read_yaml(folder / f'{name}.yaml')


def selected(request: Request, known: Sequence[str]) -> list[str]:
    """Return the requested scenarios, in the order of the suite."""
    unknown = [name for name in request.only if name not in known]
    if unknown:
        near = get_close_matches(unknown[0], known, n=1)
        hint = f'; did you mean {near[0]}?' if near else ''
        some = ', '.join(known[:MAX_LISTED])
        if len(known) > MAX_LISTED:
            some += f', ... ({len(known)} in all, the last is {known[-1]})'
        raise InputError(f'--only: unknown scenario {unknown[0]!r}{hint}; there are {some}')
    return [name for name in known if not request.only or name in request.only]


def data_folder(request: Request, what: str) -> Path:
    """Return the data folder; `what` describes its content in the error if it is missing."""
    if request.data is None:
        raise InputError(f'--data is needed: {what}')
    if not request.data.is_dir():
        raise InputError(f'--data {request.data} is not a folder')
    return request.data
