"""Location of shared files: launch files, parameters, maps, robots, RViz configurations."""
from __future__ import annotations

from pathlib import Path

NAME = 'mppi_ros'


def share_path(*parts: str) -> Path:
    """
    Return the path of a shared file, in a checkout or an installation by pip or colcon.

    A checkout contains the files in its root, beside ``package.xml``. An installation contains
    them in ``<prefix>/share/mppi_ros``, and its code is below the same prefix.

    Parameters
    ----------
    parts : str
        Path below the share folder, such as ``share_path('config', 'worlds', 'office.yaml')``.

    Returns
    -------
    Path
        Absolute path; the file may not exist.

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
    raise FileNotFoundError(f'no share/{NAME} above {code}: the installation is incomplete')
