"""Numba machinery: blocks of 64 lanes, function pointers, the kernel cache, threads."""
