"""
Calls through function pointers, so that a function is compiled once for all calling kernels.

Numba recompiles all functions that a kernel contains, several times for a parallel kernel. A
function behind a pointer is compiled separately, and passing the pointer, an integer, is free.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.ccallback import CFunc
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic

from mppi_ros.jit.cache import cached
from mppi_ros.jit.simd import OPTIONS


def compile_cfunc(function: Callable[..., None], *arguments: Any) -> Any:
    """Compile a function for the given argument types; keep it alive while `address` is used."""
    compiled = cached(CFunc(function, (arguments, types.void), {}, OPTIONS), function)
    compiled.compile()
    return compiled


@intrinsic
def call_pointer(typing_context: Any, address: Any, arguments: Any) -> Any:
    """Call a function pointer with a tuple of arguments; their types are not checked."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = [context.get_value_type(kind) for kind in signature.args[1]]
        unpacked = cgutils.unpack_tuple(builder, values[1], len(kinds))
        function = ir.FunctionType(ir.VoidType(), kinds)
        builder.call(builder.inttoptr(values[0], function.as_pointer()), unpacked)
        return context.get_dummy_value()

    return types.void(address, arguments), generate


@intrinsic
def stack_address(typing_context: Any, value: Any) -> Any:
    """Return the address of a value on the stack of the caller, for a CPointer argument."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        model = context.data_model_manager[value]
        place = cgutils.alloca_once(builder, model.get_data_type())
        builder.store(model.as_data(builder, values[0]), place)
        return builder.ptrtoint(place, context.get_value_type(types.intp))

    return types.intp(value), generate


@intrinsic
def load_pointer(typing_context: Any, place: Any) -> Any:
    """Return the value at a CPointer."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        value = context.data_model_manager[place.dtype].load_from_data_pointer(builder, values[0])
        return impl_ret_borrowed(context, builder, place.dtype, value)

    return place.dtype(place), generate


@intrinsic
def array_pointer(typing_context: Any, array: Any) -> Any:
    """Return the address of an array's first element, a CPointer."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return context.make_array(array)(context, builder, values[0]).data

    return types.CPointer(array.dtype)(array), generate
