"""The example of the README runs as described and its links are valid."""
from __future__ import annotations

import re

import numpy as np

from mppi_ros.share import share_path

README = share_path('README.md').read_text('utf-8')


def test_example_swings_the_pendulum_up():
    (code,) = re.findall(r'```python\n(.*?)```', README, re.DOTALL)
    names: dict = {}
    exec(code, names)
    cost = names['swing_up']
    optimizer = names['optimizer']
    assert cost(optimizer.mean[None])[0] < 0.6 * cost(np.zeros((1, 60, 1)))[0]
    assert np.abs(optimizer.mean).max() <= 1.0
    for _ in range(20):  # further iterations do not increase the cost
        optimizer.step(cost)
    assert cost(optimizer.mean[None])[0] < 0.6 * cost(np.zeros((1, 60, 1)))[0]


def test_links_are_valid():
    links = [link for link in re.findall(r'\]\(([^)]+)\)', README) if '://' not in link]
    assert links
    missing = [link for link in links if not share_path(*link.split('/')).exists()]
    assert not missing
