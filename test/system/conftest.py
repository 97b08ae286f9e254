"""Fixtures of the system tests: processes in a ROS domain of their own, and who watches them."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from system.harness import Processes, Watcher, compile_kernels  # noqa: E402


@pytest.fixture(scope='session', autouse=True)
def kernels() -> None:
    """Compile once, before any process is waited for."""
    compile_kernels()


@pytest.fixture
def processes(ros_domain: int, tmp_path: Path) -> Iterator[Processes]:
    """Offer processes that end with the test."""
    with Processes(tmp_path) as running:
        yield running


@pytest.fixture
def watcher(ros_domain: int) -> Iterator[Watcher]:
    """Offer a watcher in the same domain."""
    node = Watcher()
    yield node
    node.close()
