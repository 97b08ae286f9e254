"""Blocks: loops over a row fill the widest registers that the processor has without a loss."""
from __future__ import annotations

import os
import subprocess
import sys

import llvmlite.binding as llvm
from numba import config, njit, prange
import numpy as np
import pytest

from mppi_ros.jit import simd
from mppi_ros.jit.simd import (
    BLOCK,
    OPTIONS,
    atomic_fetch_add,
    empty_rows,
    inline_njit,
    parallel_kernel,
    stack_row,
)

FIRST, THIRD = '+avx512f,+avx512vl', '+avx512f,+avx512vl,+avx512vbmi2'


@pytest.mark.parametrize('name, told, features, expected', [
    (None, None, THIRD, f'{THIRD},-prefer-256-bit'),
    (None, None, FIRST, None),
    (None, None, '-avx512vbmi2', None),
    (None, None, '', None),
    ('haswell', None, THIRD, None),
    (None, '+avx2', THIRD, '+avx2'),
])
def test_whole_registers_where_they_cost_nothing_and_the_environment_comes_first(
    monkeypatch, name, told, features, expected
):
    monkeypatch.setattr(config, 'CPU_NAME', name)
    monkeypatch.setattr(config, 'CPU_FEATURES', told)
    monkeypatch.setattr(simd, 'get_host_cpu_features', lambda: features)
    simd.enable_avx512()
    assert expected == config.CPU_FEATURES


@pytest.mark.parametrize('shape', [(1, BLOCK), (16, BLOCK), (16, 112, BLOCK)])
def test_rows_of_an_array_begin_at_cache_lines(shape):
    rows = empty_rows(*shape)
    assert (rows.shape, rows.dtype) == (shape, np.float32)
    assert rows.flags.c_contiguous
    assert rows.ctypes.data % 64 == 0


@inline_njit
def bend(row):
    for j in range(BLOCK):
        row[j] += row[j] * row[j]


@njit(**OPTIONS)  # not cached: code from a cache cannot be looked at
def bent(values):
    row = stack_row()
    for j in range(BLOCK):
        row[j] = values[j]
    bend(row)
    for j in range(BLOCK):
        values[j] = row[j]


@pytest.mark.skipif(
    not llvm.get_host_cpu_features().get('avx512vbmi2')
    or 'NUMBA_CPU_NAME' in os.environ or 'NUMBA_CPU_FEATURES' in os.environ,
    reason='the processor has no such registers, or is told to use none')
def test_a_loop_over_a_row_uses_registers_of_512_bits():
    bent.compile('void(float32[::1])')
    assert '%zmm' in next(iter(bent.inspect_asm().values()))


@parallel_kernel
def share(counter, took):
    for _ in prange(8):
        number = atomic_fetch_add(counter)
        while number < took.size:
            took[number] += 1
            number = atomic_fetch_add(counter)


def test_threads_take_each_number_once():
    counter, took = np.zeros(1, np.int64), np.zeros(100_000, np.int64)
    share(counter, took)
    assert took.min() == took.max() == 1
    assert counter[0] == took.size + 8


def test_the_processor_features_are_set_before_any_kernel_of_the_package():
    imported = 'import sys, mppi_ros.jit.cache; print("mppi_ros.jit.simd" in sys.modules)'
    result = subprocess.run(
        [sys.executable, '-c', imported], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == 'True'


def test_python_calls_an_inlined_function_itself():
    row = np.full(BLOCK, 2.0, np.float32)
    bend(row)
    np.testing.assert_array_equal(row, np.full(BLOCK, 6.0, np.float32))
