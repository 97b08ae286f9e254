"""
Numba machinery: blocks of 64 lanes, function pointers, the kernel cache, threads.

Numba reads the processor features once, when the first kernel of a process is compiled or loaded.
Importing `simd` here sets them before any kernel of this package.
"""

from mppi_ros.jit.simd import enable_avx512

__all__ = ['enable_avx512']
