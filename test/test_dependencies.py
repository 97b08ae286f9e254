"""package.xml and setup.py list all imports of the package and its tests."""
from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
import re
import runpy
import sys
from xml.etree import ElementTree

import pytest
import setuptools

ROOT = Path(__file__).resolve().parents[1]
# For each imported module: rosdep key and pip package, '' where there is none, as for benchmark
# peers and packages missing from the ROS 2 wheels.
NAMES = {
    'PIL': ('python3-pil', 'pillow'),
    'autoware_perception_msgs': ('autoware_perception_msgs', ''),
    'ament_index_python': ('ament_index_python', ''),
    'bondpy': ('bondpy', ''),
    'cma': ('', 'cma'),
    'distributed': ('', 'distributed'),
    'fastapi': ('', 'nicegui'),  # a dependency of nicegui
    'hydrax': ('', ''),  # installed from source
    'hypothesis': ('python3-hypothesis', 'hypothesis'),
    'jax': ('', 'jax'),
    'jinja2': ('', 'jinja2'),
    'launch': ('launch', ''),
    'launch_ros': ('launch_ros', ''),
    'launch_testing': ('launch_testing', ''),
    'llvmlite': ('python3-numba', 'numba'),
    'lz4': ('mcap-ros2-support', 'mcap'),
    'map_msgs': ('map_msgs', ''),
    'matplotlib': ('python3-matplotlib', 'matplotlib'),
    'mcap': ('mcap-ros2-support', 'mcap'),
    'nav2_msgs': ('nav2_msgs', ''),
    'mujoco': ('', 'mujoco'),
    'nicegui': ('', 'nicegui'),
    'numba': ('python3-numba', 'numba'),
    'numpy': ('python3-numpy', 'numpy'),
    'optuna': ('', 'optuna'),
    'playwright': ('', 'playwright'),
    'psutil': ('python3-psutil', 'psutil'),
    'pyrvo': ('', 'pyrvo'),
    'pytest': ('python3-pytest', 'pytest'),
    'pytorch_mppi': ('', 'pytorch-mppi'),
    'rerun': ('', 'rerun-sdk'),
    'rich': ('python3-rich', 'rich'),
    'rosbags': ('python3-rosbags-pip', 'rosbags'),
    'scipy': ('python3-scipy', 'scipy'),
    'setuptools': ('', ''),
    'skimage': ('python3-skimage', 'scikit-image'),
    'tf2_msgs': ('tf2_msgs', ''),
    'tf2_ros': ('tf2_ros_py', ''),
    'torch': ('', 'torch'),
    'vehiclemodels': ('', 'commonroad-vehicle-models'),
    'uvicorn': ('', 'nicegui'),  # comes with it
    'yaml': ('python3-yaml', 'pyyaml'),
    'zstandard': ('mcap-ros2-support', 'mcap'),
}


def names_of(module: str) -> tuple[str, str]:
    """Return the packages of a module; packages of messages and rclpy share its name."""
    return NAMES.get(module, (module, f'ros-jazzy-{module.replace("_", "-")}'))


def imported(*folders: str) -> Iterator[tuple[str, Path]]:
    """Yield the third-party modules that files import, at any position in the file."""
    folders_of_own = ROOT / 'test', ROOT / 'docs' / 'figures'
    own = {path.stem for folder in folders_of_own for path in folder.rglob('*')}
    own |= {'mppi_ros', 'atheris'}
    own -= {'launch'}  # a test folder and an imported package
    for path in (path for folder in folders for path in (ROOT / folder).rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or '']
            for name in (name.partition('.')[0] for name in names):
                if name not in sys.stdlib_module_names and name not in own:
                    yield name, path


def manifest() -> dict[str, set[str]]:
    """Return the names in package.xml by the kind of dependency."""
    found: dict[str, set[str]] = {}
    for element in ElementTree.parse(ROOT / 'package.xml').getroot():
        if element.tag.endswith('depend'):
            found.setdefault(element.tag, set()).add(str(element.text))
    return found


@pytest.fixture
def setup(monkeypatch):
    """Return the arguments of setup() in setup.py."""
    arguments: dict[str, object] = {}
    monkeypatch.setattr(setuptools, 'setup', lambda **keywords: arguments.update(keywords))
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(ROOT / 'setup.py'))
    return arguments


def test_manifest_lists_every_import_of_the_package():
    named = manifest()
    known = named['depend'] | named['exec_depend']
    missing = {
        f'{names_of(module)[0]} for {path.relative_to(ROOT)}'
        for module, path in imported('mppi_ros', 'launch')
        if names_of(module)[0] not in known | {''}}
    assert missing == set()


def test_manifest_lists_every_import_of_the_tests():
    known = set().union(*manifest().values())
    missing = {
        f'{names_of(module)[0]} for {path.relative_to(ROOT)}'
        for module, path in imported('test') if names_of(module)[0] not in known | {''}}
    assert missing <= {f'action_msgs for {Path("test/system/test_follow_path.py")}'}


def test_setup_py_lists_every_import_of_the_package(setup):
    lists = [setup['install_requires'], *setup['extras_require'].values()]
    known = {re.split(r'[<>=;\[ ]', name)[0] for names in lists for name in names}
    missing = {
        f'{names_of(module)[1]} for {path.relative_to(ROOT)}'
        for module, path in imported('mppi_ros', 'test')
        if names_of(module)[1] not in known | {''}}
    assert missing <= {f'ros-jazzy-action-msgs for {Path("test/system/test_follow_path.py")}'}


def test_manifest_has_no_duplicates():
    elements = ElementTree.parse(ROOT / 'package.xml').getroot()
    names = [element.text for element in elements if element.tag.endswith('depend')]
    assert len(names) == len(set(names))


def test_manifest_has_no_unused_dependencies():
    """Exceptions are executables and packages that others need at run time."""
    run = {'ros2launch', 'rviz2', 'launch_testing_ros', 'python3-pytest-timeout'}
    used = {names_of(module)[0] for module, _ in imported('mppi_ros', 'launch', 'test')}
    used |= {'ament_index_python'}  # launch files find the package by it
    assert set().union(*manifest().values()) - used - run == set()


def test_rosdep_keys_that_use_pip_are_conditional():
    """On Ubuntu 24.04 pip refuses to install into the system, and rosdep would fail."""
    for element in ElementTree.parse(ROOT / 'package.xml').getroot():
        if str(element.text) in ('mcap-ros2-support', 'python3-rosbags-pip'):
            assert element.get('condition') == '$MPPI_ROS_TOOLS == 1'
