"""
Vectorisation: blocks of 64 samples, the unit of all fast kernels, and intrinsics on their rows.

Samples are the innermost dimension: a row of a block contains one quantity of 64 samples, so each
loop over a row compiles to vector instructions. Rows are on the stack, where the compiler knows
that they do not overlap. For heap arrays it would check at run time (measured 9 times slower).
"""

from collections.abc import Callable
import functools
import math
from typing import Any, NoReturn

from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.core.registry import CPUDispatcher
from numba.extending import intrinsic, overload, register_jitable
from numba.np.arrayobj import populate_array
import numpy as np
from numpy.typing import NDArray

from mppi_ros.jit.cache import cached

BLOCK = 64

# No reassociation: sums keep their order, so results do not depend on the compilation.
# No nnan and no ninf: NaN and inf remain detectable, without measurable cost.
FASTMATH = {'nsz', 'arcp', 'contract', 'afn'}

OPTIONS: dict[str, Any] = {
    'nogil': True, 'fastmath': FASTMATH, 'error_model': 'numpy', 'boundscheck': False,
    'no_cfunc_wrapper': True,
}  # fmt: skip


# The wrappers for calls from Python and C are a third of the compile time of an inlined function.
INLINED: dict[str, Any] = {**OPTIONS, 'forceinline': True, 'no_cpython_wrapper': True}


class InlinedDispatcher(CPUDispatcher):
    """Dispatcher of a function without wrappers; Python calls the function itself."""

    def __call__(self, *arguments: Any) -> Any:
        """Call the Python function."""
        return self.py_func(*arguments)


def enable_avx512() -> None:
    """
    Let LLVM use complete AVX-512 registers; call it before anything is compiled.

    By default LLVM uses half of them on Intel, since the first processors with AVX-512 reduce
    their clock otherwise. Processors with VBMI2, the third generation and later, do not: a rollout
    takes 0.32 instead of 0.44 ms on Sapphire Rapids. Environment variables of the processor take
    precedence. Numba reads the setting once, at the first decorator, so it is set at import. It
    affects all code that Numba compiles in the process, and does not change results.
    """
    if config.CPU_NAME is None and config.CPU_FEATURES is None:
        features = get_host_cpu_features()
        if '+avx512vbmi2' in features.split(','):
            config.CPU_FEATURES = f'{features},-prefer-256-bit'


enable_avx512()


def empty_rows(*shape: int) -> NDArray[np.float32]:
    """
    Return an uninitialised array, float32[..., BLOCK], whose rows begin at cache lines.

    NumPy aligns arrays to 16 bytes, so each wide vector would lie in two lines: the weighted sum
    of the noise takes 24 instead of 19 µs.
    """
    line = 64  # [bytes]
    size = math.prod(shape) * np.dtype(np.float32).itemsize
    memory = np.empty(size + line, np.uint8)
    first = -memory.ctypes.data % line
    return memory[first : first + size].view(np.float32).reshape(shape)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, on one thread."""
    return cached(njit(**OPTIONS)(function), function)


def parallel_kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, with prange on several threads."""
    return cached(njit(parallel=True, **OPTIONS)(function), function)


def inline_njit(function: Callable[..., Any]) -> Any:
    """Compile a function that is inlined into the calling kernels."""
    dispatcher = njit(**INLINED)(function)
    dispatcher.__class__ = InlinedDispatcher
    return dispatcher


def inline_jit(function: Callable[..., Any]) -> Any:
    """Compile a function that is inlined into kernels and callable from Python."""
    return register_jitable(**INLINED)(function)


def overload_by_type(function: Callable[..., Any]) -> Any:
    """Return a decorator of a function that selects an implementation by argument types."""
    return overload(function, jit_options=INLINED, strict=False)


def kernel_only(function: Callable[..., Any]) -> Callable[..., Any]:
    """
    Return a function that raises NotImplementedError when Python calls it.

    It marks functions that are implemented only in kernels, by `overload_by_type`. Without a body
    they would return None, and the caller would not notice the error.
    """

    @functools.wraps(function)
    def refused(*_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError(f'{function.__qualname__} runs in kernels only')

    return refused


def stack_array(element: Any, *shape: int) -> Any:
    """
    Return an intrinsic that allocates an uninitialised array on the stack of its caller.

    An inlined function cannot do this: its allocation is dead on return, and older compilers then
    reuse the memory for the next row.
    """

    def make(typing_context: Any) -> Any:
        kind = types.Array(element, len(shape), 'C')

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            item = context.get_value_type(element)
            data = cgutils.alloca_once(builder, item, size=math.prod(shape))
            data.align = 64
            bytes_each = context.get_abi_sizeof(item)
            strides = [bytes_each * math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
            size = context.get_value_type(types.intp)
            array = context.make_array(kind)(context, builder)
            populate_array(
                array, data=data, shape=[size(side) for side in shape],
                strides=[size(stride) for stride in strides], itemsize=size(bytes_each),
                meminfo=None,
            )  # fmt: skip
            return array._getvalue()

        return kind(), generate

    return intrinsic(make)


def _vector_copier(width: int) -> Any:
    """Return an intrinsic that copies `width` floats at once between two arrays."""

    def copy(typing_context: Any, source: Any, i: Any, target: Any, j: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            entry = ir.VectorType(ir.FloatType(), width)

            def address(position: int) -> Any:
                array = context.make_array(signature.args[position])
                data = array(context, builder, arguments[position]).data
                entries = builder.bitcast(data, entry.as_pointer())
                return builder.gep(entries, [arguments[position + 1]], inbounds=True)

            value = builder.load(address(0))
            stored = builder.store(value, address(2))
            value.align = stored.align = 4
            return context.get_dummy_value()

        return types.void(source, i, target, j), generate

    return intrinsic(copy)


_copy1 = _vector_copier(1)
_copy2 = _vector_copier(2)
_copy4 = _vector_copier(4)


@intrinsic
def keep_in_memory(typing_context: Any, array: Any) -> Any:
    """
    Keep the elements of a stack array in memory: the compiler forgets their values.

    Otherwise it extracts the indices of a gather one by one from the vectors that computed them,
    and assembles the copies to vectors. Both use the units of the arithmetic; loads do not.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        kind = ir.FunctionType(ir.VoidType(), [data.type])
        builder.asm(kind, '', 'r,~{memory}', [data], side_effect=True)
        return context.get_dummy_value()

    return types.void(array), generate


@intrinsic
def atomic_fetch_add(typing_context: Any, counter: Any) -> Any:
    """
    Return counter[0], int64, and increment it atomically.

    Threads that each fetch the next block when they finish one end at the same time, even if one
    wakes up later or is disturbed. Numba instead divides the work in advance.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        one = ir.Constant(ir.IntType(64), 1)
        return builder.atomic_rmw('add', place, one, 'monotonic')

    return types.int64(counter), generate


stack_row = stack_array(types.float32, BLOCK)
stack_uint32 = stack_array(types.uint32, BLOCK)
stack_int32 = stack_array(types.int32, BLOCK)  # indices into a table
stack_row2 = stack_array(types.float32, BLOCK, 2)
stack_row4 = stack_array(types.float32, BLOCK, 4)
stack_counter = stack_array(types.int64, 1)


@inline_njit
def gather(table: Any, places: Any, out: Any) -> None:
    """
    Copy table[places] to the row out, for a table float32[n].

    It uses scalar copies, separate from all arithmetic. On Zen 4 a gather instruction takes as
    long per element, stalls surrounding instructions, and loads only four bytes.
    """
    keep_in_memory(places)
    for j in range(BLOCK):
        _copy1(table, places[j], out, j)


@inline_njit
def gather2(table: Any, places: Any, out: Any) -> None:
    """Copy table[places] to out, float32[BLOCK, 2], for a table float32[n, 2]."""
    keep_in_memory(places)
    for j in range(BLOCK):
        _copy2(table, places[j], out, j)
    keep_in_memory(out)


@inline_njit
def gather4(table: Any, places: Any, out: Any) -> None:
    """Copy table[places] to out, float32[BLOCK, 4], for a table float32[n, 4]."""
    keep_in_memory(places)
    for j in range(BLOCK):
        _copy4(table, places[j], out, j)
    keep_in_memory(out)
