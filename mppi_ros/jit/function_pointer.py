"""
Calls through an address: a function that is compiled once, whichever kernels call it.

Numba compiles whatever a kernel contains anew for the kernel, and several times over for one with
several threads. A function behind an address is compiled apart from its callers, and an address is
an integer, which costs nothing to hand over.
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
    """Compile a function of arguments of these types; it must live as long as its `address`."""
    compiled = cached(CFunc(function, (arguments, types.void), {}, OPTIONS), function)
    compiled.compile()
    return compiled


@intrinsic
def call_pointer(typing_context: Any, address: Any, arguments: Any) -> Any:
    """Call an addressable function with a tuple; types other than its own are not noticed."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = [context.get_value_type(kind) for kind in signature.args[1]]
        unpacked = cgutils.unpack_tuple(builder, values[1], len(kinds))
        function = ir.FunctionType(ir.VoidType(), kinds)
        builder.call(builder.inttoptr(values[0], function.as_pointer()), unpacked)
        return context.get_dummy_value()

    return types.void(address, arguments), generate


@intrinsic
def stack_address(typing_context: Any, value: Any) -> Any:
    """Return where a value lies while the caller runs, for an argument of type CPointer."""

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
