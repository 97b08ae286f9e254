"""
Blocks of 64 samples, the unit of all fast kernels, and what keeps their loops vectorised.

Samples stand innermost: a block's row holds one quantity of 64 samples, so every loop over a row
compiles to plain vector instructions. Rows live on the stack: the compiler then knows that no two
rows overlap, which it would have to check of heap arrays at run time (measured 9 times slower).
"""

from collections.abc import Callable
import functools
import math
from typing import Any, NoReturn

from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic, overload, register_jitable
from numba.np.arrayobj import populate_array

from mppi_ros.jit.cache import cached

BLOCK = 64

# No reassociation: sums keep their order, so the bits do not depend on how the code was compiled.
# No nnan and no ninf: NaN and inf stay detectable, which measured no slower.
FASTMATH = {'nsz', 'arcp', 'contract', 'afn'}

OPTIONS: dict[str, Any] = {
    'nogil': True, 'fastmath': FASTMATH, 'error_model': 'numpy', 'boundscheck': False,
}  # fmt: skip


INLINED: dict[str, Any] = {**OPTIONS, 'forceinline': True}


def enable_avx512() -> None:
    """
    Let LLVM use the whole of an AVX-512 register, before anything is compiled.

    On Intel it uses half, since the first such processors slowed down for the other half. Those
    with VBMI2, the third generation and later, do not: a rollout takes 0.32 instead of 0.44 ms
    on Sapphire Rapids. What the environment says of the processor comes first. Numba reads this
    once, at the first decorator, so it is done at import; it concerns all code that Numba compiles
    in the process, and changes no result.
    """
    if config.CPU_NAME is None and config.CPU_FEATURES is None:
        features = get_host_cpu_features()
        if '+avx512vbmi2' in features.split(','):
            config.CPU_FEATURES = f'{features},-prefer-256-bit'


enable_avx512()


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that is called from Python and runs on one thread."""
    return cached(njit(**OPTIONS)(function), function)


def parallel_kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that is called from Python and whose prange runs on several threads."""
    return cached(njit(parallel=True, **OPTIONS)(function), function)


def inline_njit(function: Callable[..., Any]) -> Any:
    """Compile a function into each kernel that calls it."""
    return njit(**INLINED)(function)


def inline_jit(function: Callable[..., Any]) -> Any:
    """Compile a function into each kernel that calls it; Python calls it as it is."""
    return register_jitable(**INLINED)(function)


def overload_by_type(function: Callable[..., Any]) -> Any:
    """Return a decorator: what it decorates returns, for argument types, the code in kernels."""
    return overload(function, jit_options=INLINED, strict=False)


def kernel_only(function: Callable[..., Any]) -> Callable[..., Any]:
    """
    Return a function that raises NotImplementedError when Python calls it.

    For functions implemented in kernels only, by `overload_by_type`: without a body they would
    return None, and the caller would not notice that nothing was done.
    """

    @functools.wraps(function)
    def refused(*_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError(f'{function.__qualname__} runs in kernels only')

    return refused


def stack_array(element: Any, *shape: int) -> Any:
    """
    Return an intrinsic that makes an array of a shape on the stack of its caller, not initialised.

    An inlined function could not: what it reserves is dead when it returns, and older compilers
    then give the same place to the next row.
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
    """Return an intrinsic that copies `width` floats at once from one array to another."""

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
def atomic_fetch_add(typing_context: Any, counter: Any) -> Any:
    """
    Return counter[0], int64, and add one to it, at once for all threads.

    Threads that take the next block of work each time they have finished one come to an end
    together, though one woke up later or has its core disturbed. Numba shares out in advance.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        one = ir.Constant(ir.IntType(64), 1)
        return builder.atomic_rmw('add', place, one, 'monotonic')

    return types.int64(counter), generate


stack_row = stack_array(types.float32, BLOCK)
stack_uint32 = stack_array(types.uint32, BLOCK)
stack_int32 = stack_array(types.int32, BLOCK)  # places in a table
stack_row2 = stack_array(types.float32, BLOCK, 2)
stack_row4 = stack_array(types.float32, BLOCK, 4)
stack_counter = stack_array(types.int64, 1)


@inline_njit
def gather(table: Any, places: Any, out: Any) -> None:
    """
    Copy table[places] into the row out, for a table float32[n].

    One plain copy after the other, apart from all arithmetic: on Zen 4 a gather instruction takes
    as long for each element, stalls what stands around it, and brings only four bytes.
    """
    for j in range(BLOCK):
        _copy1(table, places[j], out, j)


@inline_njit
def gather2(table: Any, places: Any, out: Any) -> None:
    """Copy table[places] into out, float32[BLOCK, 2], for a table float32[n, 2]."""
    for j in range(BLOCK):
        _copy2(table, places[j], out, j)


@inline_njit
def gather4(table: Any, places: Any, out: Any) -> None:
    """Copy table[places] into out, float32[BLOCK, 4], for a table float32[n, 4]."""
    for j in range(BLOCK):
        _copy4(table, places[j], out, j)
