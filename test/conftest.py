"""Fixtures for all tests: the data folder and an isolated ROS domain."""
from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path

from hypothesis import settings
import pytest
from tally import launch_tests, skipped, tally

from mppi_ros.evaluation.processes import free_domain
from mppi_ros.share import share_path

# Property tests use the same examples in every run; the first one may compile a kernel.
settings.register_profile('repeatable', derandomize=True, deadline=None)
settings.load_profile('repeatable')


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the folder of recorded maps and scans."""
    beside = Path(__file__).resolve().parents[2] / 'shared' / 'navdata'
    parser.addoption(
        '--data', metavar='DIR', type=Path,
        default=os.environ.get('MPPI_DATA') or (beside if beside.is_dir() else None),
        help='folder of navigation data; tests that need it are skipped without (env: MPPI_DATA)',
    )
    parser.addoption(
        '--long', action='store_true',
        help='long forms of the fault tests: every fault in every state, 10⁶ inputs',
    )


def pytest_configure(config: pytest.Config) -> None:
    """Disable the type lookup of Fast DDS; use more property-test examples with --long."""
    os.environ['FASTDDS_DEFAULT_PROFILES_FILE'] = str(
        share_path('config', 'no_type_propagation.xml'))
    if config.getoption('--long'):
        settings.register_profile(
            'long', settings.get_profile('repeatable'), max_examples=4_000, derandomize=False,
            print_blob=True)
        settings.load_profile('long')


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tally of passed and skipped tests."""
    passed = terminalreporter.getreports('passed')
    terminalreporter.section('tally of passed tests')
    for line in (
        *tally(passed), launch_tests(passed), skipped(terminalreporter.getreports('skipped'))
    ):
        terminalreporter.line(line)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """
    Restrict the plugin of launch_testing to its folder.

    The plugin imports every module; a module that skips itself because a package is missing would
    skip its whole folder.
    """
    if module_path.parent.name == 'launch':
        return None
    return pytest.Module.from_parent(parent, path=module_path)


@pytest.fixture(scope='session')
def data(request: pytest.FixtureRequest) -> Path:
    """Folder of navigation data; skips the test when there is none."""
    folder = request.config.getoption('--data')
    if folder is None:
        pytest.skip('needs navigation data: pass --data DIR or set MPPI_DATA')
    if not Path(folder).is_dir():
        pytest.fail(f'--data {folder} is not a folder')
    return Path(folder).resolve()


@pytest.fixture
def ros_domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Unused ROS domain id, set in the environment of the test."""
    domain = free_domain()
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    yield domain
