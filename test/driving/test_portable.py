"""The rollout is vector code on every processor, and solves agree between processors."""
from __future__ import annotations

from collections import Counter
import json
import os
from pathlib import Path
import platform
import re
import subprocess
import sys

import llvmlite.binding as llvm
import numpy as np
import pytest

ARM, CORE = 'aarch64-unknown-linux-gnu', 'neoverse-n1'

# [m/s], [rad/s] between the means on two processors. They contract products and sums differently:
# 3e-7 was measured between an x86 processor and an emulated Cortex-A72.
BOUND = 1e-5


def run(part: str, **environment: str) -> str:
    """Return what `main` prints in a process of its own, without kernels from a cache."""
    return subprocess.run(
        [sys.executable, '-W', 'ignore', __file__, part], env={**os.environ, **environment},
        capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope='module')
def code(tmp_path_factory):
    """Return the rollout as Numba hands it to LLVM, before anything is done for a processor."""
    return run('code', NUMBA_OPT='0', NUMBA_CACHE_DIR=str(tmp_path_factory.mktemp('cache')))


@pytest.fixture(scope='module')
def here(tmp_path_factory):
    """Return the assembly and the means of solves on this processor."""
    return json.loads(run('solves', NUMBA_CACHE_DIR=str(tmp_path_factory.mktemp('cache'))))


def test_the_rollout_calls_no_intrinsic_of_a_processor(code):
    called = set(re.findall(r'@llvm\.([a-z0-9]+)', code))
    assert called
    assert not called & {'x86', 'aarch64', 'arm', 'nvvm'}


def test_the_rollout_becomes_vector_code_on_arm(code):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        target = llvm.Target.from_triple(ARM)
    except RuntimeError:
        pytest.skip('this llvmlite knows no ARM processor')
    if not hasattr(llvm, 'create_pass_builder'):
        pytest.skip('this llvmlite is too old to optimise for another processor')
    machine = target.create_target_machine(cpu=CORE, opt=3, reloc='pic')
    code = re.sub(
        r'(?m)^target datalayout = .*$', f'target datalayout = "{machine.target_data}"', code)
    code = re.sub(r'(?m)^target triple = .*$', f'target triple = "{ARM}"', code)
    module = llvm.parse_assembly(code)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    lines = re.findall(r'(?m)^\t(\w+)\t(.*)$', machine.emit_assembly(module))
    vector = Counter(name for name, words in lines if '.4s' in words)
    assert vector['fmla'] > 100
    scalar = sum(name in ('fmul', 'fadd', 'fsub', 'fmadd') for name, words in lines
                 if '.4s' not in words)
    assert sum(vector.values()) > 5 * scalar
    called = {words for name, words in lines if name == 'bl'}
    assert not called & {'sinf', 'cosf', 'expf', 'logf', 'sin', 'cos', 'exp', 'log'}


def test_the_rollout_is_vector_code_on_this_processor(here):
    lines = re.findall(r'(?m)^\t(\w+)\t(.*)$', here['assembly'])
    if platform.machine() == 'aarch64':
        vector = [name for name, words in lines if '.4s' in words]
        scalar = [name for name, words in lines if '.4s' not in words
                  and name in ('fmul', 'fadd', 'fsub', 'fmadd')]
        assert 'fmla' in vector
        lanes = 4 * len(vector)
    else:
        found = [each for each in lines if re.match('v?f?n?m?(mul|add|sub)', each[0])]
        vector = [words for name, words in found if name.endswith('ps')]
        scalar = [name for name, _ in found if name.endswith('ss')]
        # Wide registers need fewer instructions: 16, 8 or 4 numbers each.
        lanes = sum(16 if 'zmm' in words else 8 if 'ymm' in words else 4 for words in vector)
    assert len(vector) > 100
    assert lanes > 8 * len(scalar)


def test_solves_do_not_depend_on_the_instruction_set(here, tmp_path):
    smallest = json.loads(run('solves', NUMBA_CPU_NAME='generic', NUMBA_CPU_FEATURES='',
                              NUMBA_CACHE_DIR=str(tmp_path)))
    assert np.abs(np.subtract(smallest['means'], here['means'])).max() < BOUND


def test_solves_agree_with_those_of_another_processor(here):
    other = os.environ.get('MPPI_SOLVES')
    if other is None:
        pytest.skip('needs the solves of another processor: .ci/arm64')
    means = json.loads(Path(other).read_text('utf-8'))['means']
    assert np.abs(np.subtract(means, here['means'])).max() < BOUND


def main(part: str) -> None:
    """Print the code of the rollout, or as JSON its assembly and the means of five solves."""
    from mppi_ros.benchmark.situation import load_situation
    from mppi_ros.benchmark.solve import Solve
    from mppi_ros.control.parameters import ControllerParameters

    solve = Solve(load_situation(None), ControllerParameters(), 2000, 56, 1)
    rollout = solve._objective._block
    if part == 'code':
        print(rollout.inspect_llvm())
        return
    means = []
    for _ in range(5):
        solve.call()
        means.append(solve._optimizer.mean.tolist())
    print(json.dumps({'means': means, 'assembly': rollout._library.get_asm_str()}))


if __name__ == '__main__':
    main(sys.argv[1])
