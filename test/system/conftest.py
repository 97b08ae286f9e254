"""Fixtures of the system tests: processes and a monitoring node in an isolated ROS domain."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from system.harness import Processes, Watcher, compile_kernels  # noqa: E402


@pytest.fixture(scope='session', autouse=True)
def kernels() -> None:
    """Compile the kernels once, before the first process starts."""
    compile_kernels()


@pytest.fixture
def processes(ros_domain: int, tmp_path: Path) -> Iterator[Processes]:
    """Provide processes that are terminated at the end of the test."""
    with Processes(tmp_path) as running:
        yield running


@pytest.fixture
def watcher(ros_domain: int) -> Iterator[Watcher]:
    """Provide a watcher in the same domain."""
    node = Watcher()
    yield node
    node.close()
