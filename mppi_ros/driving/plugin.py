"""
A user's own motion model and critic in the rollout, without a change of this package.

Both are functions of one step of a block of 64 samples, compiled apart from the rollout and called
through their address, so that the rollout is the same for all of them:

    @block_step
    def keep_to_the_left(step, rows, values):
        rows = sized(rows)
        for j in range(BLOCK):
            rows[COST, j] = values[0] * max(-rows[CROSS, j], np.float32(0.0))

    plugin = Plugin(critic=keep_to_the_left, values=[0.1])

`rows`, float32[ROWS, BLOCK], holds one quantity of 64 samples in each row. `values`, float32[n],
is whatever the user wants to hand over; it may be changed between two solves. A motion model
replaces the rows X to W by those after a step under COMMAND_V and COMMAND_W, which the limits
allow; a critic writes what the step costs [s] into COST. Positions are relative to the robot.
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

# x, y [m] from the robot, along the axes of the planning frame; cosine and sine of the yaw; speed
# [m/s] and turning rate [rad/s], and what is commanded; clearance [m]; way along the path and
# distance to its left [m]; what a critic charges [s]
X, Y, COS, SIN, V, W, COMMAND_V, COMMAND_W, CLEARANCE, ARC, CROSS, COST = range(12)
# of an omnidirectional robot: speed to the left [m/s], and what is commanded; of a car: curvature
# to which its wheels are turned [1/m], and what is commanded
VY, COMMAND_VY, CURVATURE, COMMAND_CURVATURE = range(12, 16)
ROWS = 16


def block_step(function: Callable[[int, Any, Any], None]) -> Any:
    """Compile a motion model or a critic: a function (step, rows, values) as described above."""
    arguments = types.int64, types.float32[:, ::1], types.float32[::1]
    return compile_cfunc(function, *arguments)


@dataclass(frozen=True)
class Plugin:
    """
    A user's own code for one rollout.

    Attributes
    ----------
    motion : block_step or None
        What replaces the motion model.
    critic : block_step or None
        What is charged beside the critics of the package.
    values : float32[n]
        Handed to both; an array of this type is not copied, so that it can be changed later.

    """

    motion: Any = None
    critic: Any = None
    values: Sequence[float] | NDArray[np.float32] = ()

    def address(self) -> 'PluginPointers':
        """Return what the rollout takes; the plugin must live as long as it is used."""
        values = np.ascontiguousarray(self.values, np.float32)
        return PluginPointers(
            self.motion.address if self.motion else 0,
            self.critic.address if self.critic else 0,
            values,
        )


def load_plugin(name: str) -> Plugin | None:
    """
    Return the Plugin that 'module:variable' names, or None for ''.

    Raises
    ------
    ParameterError
        There is no such module, or no Plugin of this name in it.

    """
    if not name:
        return None
    module, _, variable = name.partition(':')
    try:
        found = getattr(importlib.import_module(module), variable)
    except (ImportError, ValueError, AttributeError) as error:
        raise ParameterError(f'plugin = {name!r} is not module:variable: {error}') from None
    if not isinstance(found, Plugin):
        raise ParameterError(f'plugin = {name!r} is a {type(found).__name__}, not a Plugin')
    return found


class PluginPointers(NamedTuple):
    """Where the machine code of a plugin begins, 0 for what it lacks, and its values."""

    motion: int
    critic: int
    values: NDArray[np.float32]


@inline_njit
def sized(rows: Any) -> Any:
    """
    Return the same rows with a shape that the compiler knows.

    Else each loop first checks that no two rows overlap, which can take as long as the loop.
    """
    return carray(array_pointer(rows), (ROWS, BLOCK))


stack_rows = stack_array(types.float32, ROWS, BLOCK)
