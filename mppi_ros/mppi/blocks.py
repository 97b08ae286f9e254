"""
Blocks of 64 samples, the unit of all fast kernels, and what keeps their loops vectorised.

Samples stand innermost: a block's row holds one quantity of 64 samples, so every loop over a row
compiles to plain vector instructions. Rows live on the stack: the compiler then knows that no two
rows overlap, which a heap array would have to be checked for at run time (measured 9 times slower).
"""

from collections.abc import Callable
from typing import Any

from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

BLOCK = 64

# No reassociation: sums keep their order, so the bits do not depend on how the code was compiled.
# No nnan and no ninf: NaN and inf stay detectable, which measured no slower.
FASTMATH = {'nsz', 'arcp', 'contract', 'afn'}

kernel: Callable[..., Any] = njit(
    cache=True, nogil=True, fastmath=FASTMATH, error_model='numpy', boundscheck=False
)
parallel_kernel: Callable[..., Any] = njit(
    cache=True, nogil=True, fastmath=FASTMATH, error_model='numpy', boundscheck=False, parallel=True
)
inlined: Callable[..., Any] = njit(
    cache=True, nogil=True, fastmath=FASTMATH, error_model='numpy', boundscheck=False,
    forceinline=True,
)  # fmt: skip


def _stack_reserver(element: Any) -> Any:
    """
    Return an intrinsic that reserves BLOCK elements on the caller's stack, as a pointer.
    """

    def reserve(typing_context: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = cgutils.alloca_once(builder, context.get_value_type(element), size=BLOCK)
            array.align = 64
            return array

        return types.CPointer(element)(), generate

    return intrinsic(reserve)


_reserve_floats = _stack_reserver(types.float32)
_reserve_bits = _stack_reserver(types.uint32)


@inlined
def stack_row() -> Any:
    """
    Return a row float32[BLOCK] on the stack, not initialised.
    """
    return carray(_reserve_floats(), (BLOCK,))


@inlined
def stack_bits() -> Any:
    """
    Return a row uint32[BLOCK] on the stack, not initialised.
    """
    return carray(_reserve_bits(), (BLOCK,))
