"""The README: its example runs and does what it says, its links lead somewhere."""
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
    for _ in range(20):  # it does not drift when it goes on
        optimizer.step(cost)
    assert cost(optimizer.mean[None])[0] < 0.6 * cost(np.zeros((1, 60, 1)))[0]


def test_links_lead_somewhere():
    links = [link for link in re.findall(r'\]\(([^)]+)\)', README) if '://' not in link]
    assert links
    missing = [link for link in links if not share_path(*link.split('/')).exists()]
    assert not missing
