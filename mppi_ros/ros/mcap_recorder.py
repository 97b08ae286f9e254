"""Recording of serialised ROS 2 messages to an MCAP file for Foxglove and `ros2 bag play`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
import json
import os
from pathlib import Path
import re
from types import TracebackType

from mppi_ros.parameters.errors import InputError

PRIMITIVES = re.compile(r'bool|byte|char|float(32|64)|u?int(8|16|32|64)|w?string')
SEPARATOR = '\n' + '=' * 80 + '\n'


class Recording:
    """
    MCAP file with profile ros2, CDR encoding and ros2msg schemas.

    The file contains the message definitions and the QoS of each topic. It can be read without
    ROS, and latched topics are replayed as latched.
    """

    def __init__(self, path: Path) -> None:
        from mcap.writer import Writer  # optional dependency

        self._stream = path.open('wb')
        self._writer = Writer(self._stream)
        self._writer.start(profile='ros2', library='mppi_ros')
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}

    def add_topic(self, topic: str, message_type: str, qos: str = '') -> None:
        """
        Add a topic; its messages can then be written.

        Parameters
        ----------
        topic : str
            Full name of the topic.
        message_type : str
            Full type name, such as 'nav_msgs/msg/Odometry'.
        qos : str
            QoS profiles of the publishers, formatted by `offered_qos`.

        Raises
        ------
        InputError
            The message definition is not installed.

        """
        if message_type not in self._schemas:
            self._schemas[message_type] = self._writer.register_schema(
                message_type, 'ros2msg', message_definition(message_type).encode()
            )
        metadata = {'offered_qos_profiles': qos, 'topic_type_hash': type_hash(message_type)}
        self._channels[topic] = self._writer.register_channel(
            topic, 'cdr', self._schemas[message_type], metadata
        )

    def write(self, topic: str, data: bytes, received: int, published: int | None = None) -> None:
        """Add one serialised message; `received` and `published` are Unix times [ns]."""
        stamp = received if published is None else published
        self._writer.add_message(self._channels[topic], received, data, stamp)

    def close(self) -> None:
        """Write the index and close the file."""
        if not self._stream.closed:
            self._writer.finish()
            self._stream.close()

    def __enter__(self) -> Recording:
        """Return the open recording."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()


def offered_qos(profiles: Iterable[dict[str, int]]) -> str:
    """
    Format the QoS profiles of publishers as YAML, as rosbag2 stores them.

    Parameters
    ----------
    profiles : iterable of dict
        Policies of each publisher as rmw enumeration values: 'history', 'depth', 'reliability',
        'durability', 'liveliness', and durations 'deadline', 'lifespan',
        'liveliness_lease_duration' [ns]. rosbag2 reads the values since Foxy.

    """
    lines = []
    for profile in profiles:
        mark = '-'
        for key in ('history', 'depth', 'reliability', 'durability'):
            lines.append(f'{mark} {key}: {profile[key]}')
            mark = ' '
        lines += _duration('deadline', profile) + _duration('lifespan', profile)
        lines.append(f'  liveliness: {profile["liveliness"]}')
        lines += _duration('liveliness_lease_duration', profile)
        lines.append('  avoid_ros_namespace_conventions: false')
    return '\n'.join(lines)


def _duration(key: str, profile: dict[str, int]) -> list[str]:
    seconds, nanoseconds = divmod(profile[key], 10**9)
    return [f'  {key}:', f'    sec: {seconds}', f'    nsec: {nanoseconds}']


def message_definition(message_type: str) -> str:
    """Return a message definition with those of all nested messages."""
    package, _, name = message_type.split('/')
    wanted, done = [f'{package}/{name}'], set[str]()
    parts: list[str] = []
    while wanted:
        kind = wanted.pop(0)
        if kind in done:
            continue
        done.add(kind)
        text = _find(kind, 'msg').read_text('utf-8').strip()
        parts.append(f'MSG: {kind}\n{text}' if parts else text)
        wanted += _contained(text, kind.split('/')[0])
    return SEPARATOR.join(parts) + '\n'


def type_hash(message_type: str) -> str:
    """Return the type hash of a message (REP-2016), '' without one."""
    package, _, name = message_type.split('/')
    try:
        described = json.loads(_find(f'{package}/{name}', 'json').read_text('utf-8'))
    except InputError:
        return ''
    hashes = {entry['type_name']: entry['hash_string'] for entry in described['type_hashes']}
    return str(hashes.get(message_type, ''))


def _contained(text: str, package: str) -> Iterator[str]:
    for line in text.splitlines():
        tokens = line.split('#')[0].split()
        kind = re.split(r'[\[<]', tokens[0])[0] if tokens else 'bool'
        if not PRIMITIVES.fullmatch(kind):
            yield kind if '/' in kind else f'{package}/{kind}'


def _find(kind: str, suffix: str) -> Path:
    package, name = kind.split('/')
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        path = Path(prefix, 'share', package, 'msg', f'{name}.{suffix}')
        if prefix and path.is_file():
            return path
    raise InputError(f'message definition {package}/msg/{name}.{suffix} is not installed')
