"""Where the files beside the code are: launch files, parameters, maps, robots, RViz views."""
from __future__ import annotations

from pathlib import Path

NAME = 'mppi_ros'


def share_path(*parts: str) -> Path:
    """
    Find a shared file, in a checkout as well as installed by pip or colcon.

    A checkout holds the files in its root, beside ``package.xml``. An installation holds them
    under ``<prefix>/share/mppi_ros``, and its code lies somewhere below the same prefix.

    Parameters
    ----------
    parts : str
        Path below the share folder, as in ``share_path('config', 'worlds', 'office.yaml')``.

    Returns
    -------
    Path
        Absolute path; whether that file exists is for the caller to find out.

    Raises
    ------
    FileNotFoundError
        The package was installed without its share folder.

    """
    code = Path(__file__).resolve()
    checkout = code.parents[1]
    if (checkout / 'package.xml').is_file():
        return checkout.joinpath(*parts)
    for prefix in code.parents:
        share = prefix / 'share' / NAME
        if share.is_dir():
            return share.joinpath(*parts)
    raise FileNotFoundError(f'no share/{NAME} above {code}: the package is installed in part')
