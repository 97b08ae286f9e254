"""The Dockerfile and the development container agree with the Makefile, setup.py and README."""
from __future__ import annotations

import json
from pathlib import Path
import re

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def instructions():
    """Return the instructions of the Dockerfile: [(name, arguments)]."""
    text = (ROOT / 'Dockerfile').read_text('utf-8').replace('\\\n', ' ')
    lines = [line for line in text.splitlines() if line and not line.startswith('#')]
    return [tuple(line.split(maxsplit=1)) for line in lines]


@pytest.fixture
def devcontainer():
    return json.loads((ROOT / '.devcontainer' / 'devcontainer.json').read_text('utf-8'))


def of(instructions, name):
    return [arguments for given, arguments in instructions if given == name]


def test_image_is_based_on_a_slim_image_of_a_supported_python(instructions):
    image, *own = (each.split()[0] for each in of(instructions, 'FROM'))
    python = re.fullmatch(r'python:3\.(\d+)-slim', image)
    assert python
    assert f"python_requires='>=3.{min(10, int(python[1]))}'" in (
        ROOT / 'setup.py').read_text('utf-8')
    assert set(own) <= {each.split(' AS ')[-1] for each in of(instructions, 'FROM')}


def test_every_make_target_exists(instructions, devcontainer):
    targets = re.findall(r'^(\w+):', (ROOT / 'Makefile').read_text('utf-8'), re.MULTILINE)
    commands = ' '.join([
        *of(instructions, 'RUN'), ' '.join(json.loads(of(instructions, 'CMD')[0])),
        devcontainer['postCreateCommand'], (ROOT / 'Dockerfile').read_text('utf-8')])
    used = re.findall(r'make (\w+)(?=$|\s)', commands, re.MULTILINE)
    assert {'env', 'demo', 'test'} <= set(used) <= set(targets)


def test_system_dependencies_of_the_wheels_are_installed(instructions):
    packages = re.search(r'--no-install-recommends ([\w ]+?)\s+&&', of(instructions, 'RUN')[0])
    assert set(packages[1].split()) >= {'make', 'libgomp1'}


def test_container_does_not_run_as_root(instructions, devcontainer):
    names = [name for name, _ in instructions]
    assert of(instructions, 'USER') == [devcontainer['remoteUser']] == ['ros']
    assert names.index('USER') < names.index('COPY')


def test_environments_of_the_host_are_excluded_from_the_image():
    ignored = (ROOT / '.dockerignore').read_text('utf-8').split()
    of_git = (ROOT / '.gitignore').read_text('utf-8').split()
    assert {'.venv*', 'build', 'install', 'log'} <= set(ignored)
    assert {each.strip('/') for each in of_git if each.startswith('.')} <= set(ignored)


def test_development_container_uses_the_same_dockerfile(instructions, devcontainer):
    build, folder = devcontainer['build'], ROOT / '.devcontainer'
    assert (folder / build['dockerfile']).resolve() == ROOT / 'Dockerfile'
    assert (folder / build['context']).resolve() == ROOT
    assert any(each.endswith(f' AS {build["target"]}') for each in of(instructions, 'FROM'))
    assert devcontainer['forwardPorts'] == [8750]
