"""
Stand-ins for the packages launch and launch_ros, which record what a launch file describes.

The launch tools resolve substitutions when processes start. Here a `Context` with the values of
the arguments resolves them without starting a process.
"""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import runpy
import sys
from types import ModuleType

import pytest

from mppi_ros.share import share_path


class Context:
    """Values of the launch arguments."""

    def __init__(self, values):
        self.values = values


class LaunchConfiguration:
    """The value of an argument, which must be declared."""

    def __init__(self, name):
        self.name = name

    def perform(self, context):
        return context.values[self.name]


class FindPackageShare:
    def __init__(self, package):
        assert package == 'mppi_ros'

    def perform(self, context):
        return str(share_path())


class PathJoinSubstitution:
    def __init__(self, parts):
        self.parts = parts

    def perform(self, context):
        return str(Path(*(resolved(part, context) for part in self.parts)))


class DeclareLaunchArgument:
    def __init__(self, name, *, default_value, description):
        self.name, self.default, self.description = name, default_value, description


class OpaqueFunction:
    def __init__(self, *, function):
        self.function = function


class GroupAction:
    def __init__(self, actions):
        self.actions = actions


class IncludeLaunchDescription:
    def __init__(self, source, *, launch_arguments):
        self.source, self.arguments = source, dict(launch_arguments)


class LaunchDescription:
    def __init__(self, actions):
        self.actions = actions


class Node:
    """A process; keywords unknown to launch_ros are errors."""

    def __init__(self, *, package, executable, name=None, namespace='', output='log',
                 parameters=(), remappings=(), arguments=(), respawn=False,
                 respawn_delay=0.0):
        self.package, self.executable, self.name = package, executable, name or executable
        self.namespace, self.parameters, self.remappings = namespace, parameters, remappings
        self.arguments, self.respawn = arguments, respawn


MODULES = {
    'launch': (LaunchDescription,),
    'launch.actions': (
        DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction),
    'launch.substitutions': (LaunchConfiguration, PathJoinSubstitution),
    'launch_ros': (),
    'launch_ros.actions': (Node, type('LifecycleNode', (Node,), {})),
    'launch_ros.substitutions': (FindPackageShare,),
}


def resolved(value, context: Context):
    """Return the value of a substitution, or of a plain value."""
    return value.perform(context) if hasattr(value, 'perform') else value


def described(file: Path) -> list[object]:
    """Return the actions of a launch file."""
    with pytest.MonkeyPatch.context() as patch:
        for name, classes in MODULES.items():
            module = ModuleType(name)
            for each in classes:
                setattr(module, each.__name__, each)
            patch.setitem(sys.modules, name, module)
        return runpy.run_path(str(file))['generate_launch_description']().actions


def declared(file: Path) -> dict[str, DeclareLaunchArgument]:
    """Return the arguments that a launch file declares."""
    actions = described(file)
    found = [action for action in actions if isinstance(action, DeclareLaunchArgument)]
    assert len({argument.name for argument in found}) == len(found)
    return {argument.name: argument for argument in found}


def started(file: Path, given: dict[str, str]) -> Iterator[tuple[Node, Context]]:
    """Yield the nodes that a launch file and the files that it includes start."""
    arguments = declared(file)
    assert set(given) <= set(arguments), f'{file.name} does not declare all of {sorted(given)}'
    context = Context({})
    for name, argument in arguments.items():  # a default may refer to earlier arguments
        context.values[name] = given.get(name, resolved(argument.default, context))
    yield from _started(described(file), context)


def _started(actions, context: Context) -> Iterator[tuple[Node, Context]]:
    for action in actions:
        if isinstance(action, Node):
            yield action, context
        elif isinstance(action, GroupAction):
            yield from _started(action.actions, context)
        elif isinstance(action, OpaqueFunction):
            yield from _started(action.function(context) or [], context)
        elif isinstance(action, IncludeLaunchDescription):
            values = {
                name: resolved(value, context) for name, value in action.arguments.items()}
            yield from started(Path(resolved(action.source, context)), values)
