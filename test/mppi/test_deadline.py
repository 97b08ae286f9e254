"""A solve with a deadline draws as many samples as there is time for; the rest is as ever."""
from __future__ import annotations

from dataclasses import replace
import math

import numpy as np
import pytest

from mppi_ros.jit.simd import BLOCK
from mppi_ros.mppi import MppiParameters, Optimizer
from mppi_ros.mppi import optimizer as module
from mppi_ros.mppi.noise import draw_serial

SAMPLES = 4096


class Clock:
    """Stands still but while samples are rolled out."""

    def __init__(self):
        self.now = 50.0
        self.per_block = 0.001

    def perf_counter(self):
        return self.now


class Slow:
    """A quadratic bowl whose evaluation takes time on a clock of its own."""

    def __init__(self, clock):
        self.clock = clock
        self.calls = []

    def evaluate_blocks(self, mean, factor, noise, costs, threads, draw, process):
        whole = np.empty((draw.first + len(noise), *noise.shape[1:]), np.float32)
        draw_serial(draw.seed, draw.step, process, mean.shape[1], whole)
        noise[:] = whole[draw.first:]
        for sign, part in enumerate(costs.reshape(-1, len(noise), BLOCK)):
            controls = mean.reshape(-1, 1) + (1 - 2 * sign) * noise * factor[0, 0]
            part[:] = ((controls - 0.5) ** 2).sum(axis=1)
        self.calls.append(len(noise))
        self.clock.now += self.clock.per_block * len(noise)

    def project(self, mean):
        pass


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(module, 'time', made)
    return made


def made(antithetic=True, samples=SAMPLES, iterations=1):
    parameters = MppiParameters(
        samples=samples, horizon_steps=4, sigma=(0.3,), threads=1, iterations=iterations)
    parameters = replace(parameters, noise=replace(parameters.noise, antithetic=antithetic))
    return Optimizer(parameters, 1)


@pytest.mark.parametrize('antithetic', [True, False])
def test_a_deadline_that_does_not_bind_changes_no_bit(clock, antithetic):
    free, bound, objective = made(antithetic), made(antithetic), Slow(clock)
    for _ in range(4):
        bound.deadline = clock.now + 100.0
        assert free.step(objective) == bound.step(objective)
        assert free.mean.tobytes() == bound.mean.tobytes()
    assert bound.sample_count == SAMPLES


@pytest.mark.parametrize('antithetic', [True, False])
def test_slices_have_the_bits_of_the_whole(clock, antithetic):
    free, sliced, objective = made(antithetic), made(antithetic), Slow(clock)
    blocks = SAMPLES // BLOCK // (2 if antithetic else 1)
    for _ in range(3):
        assert free.step(objective).valid
        objective.calls.clear()
        sliced.deadline = clock.now + 1.01 * blocks * clock.per_block
        sliced.step(objective)
        assert objective.calls == [blocks // module.MAX_SLICES] * module.MAX_SLICES
        assert free.mean.tobytes() == sliced.mean.tobytes()


@pytest.mark.parametrize('antithetic', [True, False])
def test_what_is_drawn_in_time_is_weighed_as_a_smaller_solve(clock, antithetic):
    optimizer, objective = made(antithetic), Slow(clock)
    share = SAMPLES // module.MAX_SLICES
    blocks = SAMPLES // BLOCK // (2 if antithetic else 1)
    optimizer.deadline = clock.now + 3.5 / module.MAX_SLICES * blocks * clock.per_block
    step = optimizer.step(objective)
    assert optimizer.sample_count == 3 * share
    small = made(antithetic, samples=3 * share)
    assert small.step(objective) == step
    assert small.mean.tobytes() == optimizer.mean.tobytes()
    noise, weights = optimizer.samples()
    assert len(noise) == len(weights) == 3 * share
    assert weights.sum() == pytest.approx(1.0, abs=1e-4)


def test_at_least_one_slice_is_drawn(clock):
    optimizer, objective = made(), Slow(clock)
    optimizer.deadline = clock.now - 1.0
    assert optimizer.step(objective).valid
    assert optimizer.sample_count == SAMPLES // module.MAX_SLICES


def test_samples_are_backed_off_while_the_machine_is_slow_and_come_back(clock):
    optimizer, objective = made(), Slow(clock)
    counts = []
    for slowness in [1.0] * 3 + [10.0] * 5 + [1.0] * 5:
        clock.per_block = 0.0001 * slowness
        optimizer.deadline = clock.now + 0.01
        optimizer.step(objective)
        counts.append(optimizer.sample_count)
        surprised = len(counts) == 4  # the first slow solve was begun as if it were quick
        assert clock.now <= optimizer.deadline or surprised
    assert counts[:3] == [SAMPLES] * 3
    assert max(counts[4:8]) < SAMPLES
    assert counts[-2:] == [SAMPLES] * 2


def test_iterations_for_which_there_is_no_time_are_left_out(clock):
    optimizer, objective = made(iterations=10), Slow(clock)
    optimizer.step(objective)
    assert len(objective.calls) == 10
    objective.calls.clear()
    optimizer.deadline = clock.now + 2.5 * clock.per_block * SAMPLES / 2 / BLOCK
    optimizer.step(objective)
    assert sum(objective.calls) < 3.5 * SAMPLES / 2 / BLOCK
    assert math.isfinite(optimizer.mean.sum())
