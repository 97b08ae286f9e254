"""
Custom motion models and critics in the rollout, without changes to this package.

Both are functions of one step of a block of 64 samples. They are compiled separately and called by
their address, so that the rollout need not be recompiled:

    @block_step
    def keep_to_the_left(step, rows, values):
        rows = sized(rows)
        for j in range(BLOCK):
            rows[COST, j] = values[0] * max(-rows[CROSS, j], np.float32(0.0))

    plugin = Plugin(critic=keep_to_the_left, values=[0.1])

`rows`, float32[ROWS, BLOCK], contains one quantity of 64 samples per row. `values`, float32[n],
contains user data, which may change between two solves. A motion model replaces the rows X to W by
the state after a step under COMMAND_V and COMMAND_W, which satisfy the limits. A critic writes the
cost of the step [s] to COST. Positions are relative to the robot.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import importlib
from typing import Any, NamedTuple

from numba import carray, types
import numpy as np
from numpy.typing import NDArray

from mppi_ros.jit.function_pointer import array_pointer, compile_cfunc
from mppi_ros.jit.simd import BLOCK, inline_njit, stack_array
from mppi_ros.parameters.errors import ParameterError

# x, y [m] relative to the robot, along the axes of the planning frame; cosine and sine of the yaw;
# speed [m/s] and turning rate [rad/s], actual and commanded; clearance [m]; arc length on the path
# and distance to its left [m]; cost of the critic [s]
X, Y, COS, SIN, V, W, COMMAND_V, COMMAND_W, CLEARANCE, ARC, CROSS, COST = range(12)
# omni: lateral speed to the left [m/s], actual and commanded; ackermann: curvature of the wheels
# [1/m], actual and commanded
VY, COMMAND_VY, CURVATURE, COMMAND_CURVATURE = range(12, 16)
ROWS = 16


def block_step(function: Callable[[int, Any, Any], None]) -> Any:
    """Compile a motion model or critic, a function (step, rows, values) as described above."""
    arguments = types.int64, types.float32[:, ::1], types.float32[::1]
    return compile_cfunc(function, *arguments)


@dataclass(frozen=True)
class Plugin:
    """
    Custom code of one rollout.

    Attributes
    ----------
    motion : block_step or None
        Replaces the motion model.
    critic : block_step or None
        Adds to the critics of the package.
    values : float32[n]
        Passed to both; a contiguous float32 array is not copied, so it can be changed later.

    """

    motion: Any = None
    critic: Any = None
    values: Sequence[float] | NDArray[np.float32] = ()

    def address(self) -> 'PluginPointers':
        """Return pointers for the rollout; the plugin must outlive their use."""
        values = np.ascontiguousarray(self.values, np.float32)
        return PluginPointers(
            self.motion.address if self.motion else 0,
            self.critic.address if self.critic else 0,
            values,
        )


def load_plugin(name: str) -> Plugin | None:
    """
    Return the Plugin named by 'module:variable', or None for ''.

    Raises
    ------
    ParameterError
        The module or variable does not exist, or is not a Plugin.

    """
    if not name:
        return None
    module, _, variable = name.partition(':')
    if not (module and variable):
        raise ParameterError(f'plugin = {name!r} must have the form module:variable')
    try:
        found = getattr(importlib.import_module(module), variable)
    except ModuleNotFoundError as error:
        raise ParameterError(
            f'plugin = {name!r}: there is no module {error.name!r} on the Python path; install it '
            'or add its folder to PYTHONPATH'
        ) from None
    except (ImportError, ValueError, TypeError, AttributeError) as error:
        raise ParameterError(f'plugin = {name!r} cannot be loaded: {error}') from None
    if not isinstance(found, Plugin):
        raise ParameterError(f'plugin = {name!r} is a {type(found).__name__}, not a Plugin')
    return found


class PluginPointers(NamedTuple):
    """Addresses of the compiled functions of a plugin, 0 if absent, and its values."""

    motion: int
    critic: int
    values: NDArray[np.float32]


@inline_njit
def sized(rows: Any) -> Any:
    """
    Return the rows with a shape that is known at compile time.

    Otherwise each loop first checks that no two rows overlap, which can take as long as the loop.
    """
    return carray(array_pointer(rows), (ROWS, BLOCK))


stack_rows = stack_array(types.float32, ROWS, BLOCK)
