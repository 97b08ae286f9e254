"""
Blocks of 64 samples, the unit of all fast kernels, and what keeps their loops vectorised.

Samples stand innermost: a block's row holds one quantity of 64 samples, so every loop over a row
compiles to plain vector instructions. Rows live on the stack: the compiler then knows that no two
rows overlap, which it would have to check of heap arrays at run time (measured 9 times slower).
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from mppi_ros.mppi.cache import cached

BLOCK = 64

# No reassociation: sums keep their order, so the bits do not depend on how the code was compiled.
# No nnan and no ninf: NaN and inf stay detectable, which measured no slower.
FASTMATH = {'nsz', 'arcp', 'contract', 'afn'}

OPTIONS: dict[str, Any] = {
    'nogil': True, 'fastmath': FASTMATH, 'error_model': 'numpy', 'boundscheck': False,
}  # fmt: skip


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that is called from Python and runs on one thread."""
    return cached(njit(**OPTIONS)(function), function)


def parallel_kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that is called from Python and whose prange runs on several threads."""
    return cached(njit(parallel=True, **OPTIONS)(function), function)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function into each kernel that calls it."""
    return njit(forceinline=True, **OPTIONS)(function)


def stack_reserver(element: Any, count: int = BLOCK) -> Any:
    """Return an intrinsic that reserves `count` elements on the caller's stack, as a pointer."""

    def reserve(typing_context: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = cgutils.alloca_once(builder, context.get_value_type(element), size=count)
            array.align = 64
            return array

        return types.CPointer(element)(), generate

    return intrinsic(reserve)


def _entry_copier(width: int) -> Any:
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


_reserve_floats = stack_reserver(types.float32)
_reserve_bits = stack_reserver(types.uint32)
_reserve_places = stack_reserver(types.int32)
_reserve_points = stack_reserver(types.float32, 4 * BLOCK)
_copy_value = _entry_copier(1)
_copy_point = _entry_copier(4)


@inlined
def stack_row() -> Any:
    """Return a row float32[BLOCK] on the stack, not initialised."""
    return carray(_reserve_floats(), (BLOCK,))


@inlined
def stack_bits() -> Any:
    """Return a row uint32[BLOCK] on the stack, not initialised."""
    return carray(_reserve_bits(), (BLOCK,))


@inlined
def stack_places() -> Any:
    """Return a row int32[BLOCK] on the stack, for places in a table, not initialised."""
    return carray(_reserve_places(), (BLOCK,))


@inlined
def stack_points() -> Any:
    """Return float32[BLOCK, 4] on the stack, not initialised."""
    return carray(_reserve_points(), (BLOCK, 4))


@inlined
def look_up_values(table: Any, places: Any, out: Any) -> None:
    """
    Copy table[places] into the row out, for a table float32[n].

    One plain copy after the other, apart from all arithmetic: on Zen 4 a gather instruction takes
    as long for each element, stalls what stands around it, and brings only four bytes.
    """
    for j in range(BLOCK):
        _copy_value(table, places[j], out, j)


@inlined
def look_up_points(table: Any, places: Any, out: Any) -> None:
    """Copy table[places] into out, float32[BLOCK, 4], for a table float32[n, 4]."""
    for j in range(BLOCK):
        _copy_point(table, places[j], out, j)
