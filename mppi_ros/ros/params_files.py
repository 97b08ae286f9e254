"""
Check of params files: whether they address the node, and which parameters are shared by nodes.

rclpy merges all files into one set of values and reports neither. A file whose keys name another
node leaves this node at its defaults; a section `/**:` also contains parameters of other nodes.
The nodes beside the controller read its parameters by `controller_parameters`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rclpy.node import Node

from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.parameters.errors import InputError
from mppi_ros.parameters.sections import PARAMETERS, Section, read_sections


def files(arguments: Sequence[str]) -> list[str]:
    """Return the params files among the arguments of a process."""
    found = _values(arguments, ('--params-file',))
    return list(dict.fromkeys(found))


def unaddressed(arguments: Sequence[str], node: str, controller_params: str = '') -> list[str]:
    """
    Return an error message for each params file that does not address the node.

    `controller_params` is the file of the controller, which need not address other nodes.
    """
    complaints = []
    for file in files(arguments):
        if file == controller_params:
            continue
        sections = _sections(file)
        keys = [section.pattern for section in sections]
        if keys and not any(section.matches(node) for section in sections):
            complaints.append(
                f'no key of the params file {file} addresses {node}, so the file has no effect; '
                f'its keys are {", ".join(sorted(set(keys)))}'
            )
        elif not keys:
            complaints.append(f'the params file {file} contains no {PARAMETERS}')
    return complaints


def shared_names(arguments: Sequence[str], node: str) -> frozenset[str]:
    """
    Return the names of parameters that are set only in sections for several nodes.

    Such sections name no node, for example `/**:`; `/**/mppi_controller:` names one. Names that
    are also set in a section of the node or by an argument are excluded.
    """
    shared, own = set[str](), set[str]()
    for file in files(arguments):
        for section in _sections(file):
            if section.matches(node):
                (shared if section.shared else own).update(section.values)
    for rule in _values(arguments, ('-p', '--param')):
        own.add(rule.split(':=', 1)[0].rpartition(':')[2])
    return frozenset(shared - own)


def _values(arguments: Sequence[str], flags: tuple[str, ...]) -> Iterator[str]:
    """Yield the value after each occurrence of one of the flags among the ROS arguments."""
    ros = False
    for flag, value in zip(arguments, [*arguments[1:], ''], strict=True):
        if flag in ('--ros-args', '--'):
            ros = flag == '--ros-args'
        elif ros and flag in flags and value:
            yield value


def _sections(file: str) -> list[Section]:
    """Return the sections of a file."""
    try:
        return read_sections(file)
    except InputError:
        return []  # rclpy reports errors


def controller_parameters(node: Node, path: str) -> ControllerParameters:
    """
    Return the parameters of the controller in the namespace of a node; '' selects the defaults.

    Raises
    ------
    ParameterError
        As `read_yaml`.

    """
    if not path:
        return ControllerParameters()
    return read_yaml(path, namespace=node.get_namespace())
