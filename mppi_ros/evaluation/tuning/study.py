"""Storage of an Optuna study in a journal file, which processes and machines may share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
import warnings

from mppi_ros.parameters.errors import MppiError

REQUIRED = 'optuna', 'cmaes', 'jinja2', 'matplotlib'  # of search and report
JOURNAL = 'study.journal'
STUDY = 'mppi_tune'


@contextmanager
def without_warnings() -> Iterator[None]:
    """Suppress warnings of Optuna: experimental pruner, x0, CMA-ES without constraints."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield


def storage_in(folder: Path) -> tuple[Any, bool]:
    """
    Return the journal in a folder, and whether it is without a study.

    Raises
    ------
    MppiError
        Optuna is not installed.

    """
    if not all(map(find_spec, REQUIRED)):
        raise MppiError("mppi_tune needs optuna: pip install 'mppi_ros[tune]'")
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    try:
        optuna.load_study(study_name=STUDY, storage=storage)
    except KeyError:
        return storage, True
    return storage, False
