"""The rollout holds nothing special to a processor, and becomes NEON code for one of ARM."""
from __future__ import annotations

from collections import Counter
import os
import re
import subprocess
import sys

import llvmlite.binding as llvm
import pytest

ARM, CORE = 'aarch64-unknown-linux-gnu', 'neoverse-n1'


@pytest.fixture(scope='module')
def code(tmp_path_factory):
    """Return the rollout as Numba hands it to LLVM, before anything is done for a processor."""
    environment = {
        **os.environ, 'NUMBA_OPT': '0', 'NUMBA_CACHE_DIR': str(tmp_path_factory.mktemp('cache'))}
    return subprocess.run(
        [sys.executable, '-W', 'ignore', __file__], env=environment, capture_output=True,
        text=True, check=True).stdout


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


def main():
    """Print the code of the rollout of a small solve."""
    from mppi_ros.benchmark.situation import load_situation
    from mppi_ros.benchmark.solve import Solve
    from mppi_ros.control.parameters import ControllerParameters

    solve = Solve(load_situation(None), ControllerParameters(), 64, 8, 1)
    print(solve._objective._block.inspect_llvm())


if __name__ == '__main__':
    main()
