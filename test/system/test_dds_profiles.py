"""The Fast DDS profiles disable the type lookup service of ROS 2 Kilted."""
from __future__ import annotations

import subprocess
import sys

import pytest

from mppi_ros.share import share_path

THREADS = """
from pathlib import Path
import rclpy
from rclpy.node import Node
rclpy.init()
node = Node('threads')
for task in Path('/proc/self/task').iterdir():
    print((task / 'comm').read_text().strip())
"""


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='needs /proc')
@pytest.mark.parametrize('name', ['no_type_propagation.xml', 'quick_discovery.xml'])
def test_node_with_the_profile_starts_no_type_lookup_thread(ros_domain, monkeypatch, name):
    for variable in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        monkeypatch.setenv(variable, str(share_path('config', name)))
    threads = subprocess.run(
        [sys.executable, '-c', THREADS], check=True, capture_output=True, text=True).stdout
    if 'dds.' not in threads:
        pytest.skip('Fast DDS is not in use')
    assert 'dds.tls' not in threads
