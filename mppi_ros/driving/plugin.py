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
contains user data; the elements of `plugin.values` may be changed between two solves. A motion
model replaces the rows X to W by the state after a step under COMMAND_V and COMMAND_W, which
satisfy the limits. A critic writes the cost of the step [s] to COST. Positions are relative to the
robot.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import importlib
import inspect
from pathlib import Path
import traceback
from types import FunctionType
from typing import Any, NamedTuple

from numba import carray, types
import numpy as np
from numpy.typing import NDArray

from mppi_ros.jit.function_pointer import array_pointer, compile_cfunc
from mppi_ros.jit.simd import BLOCK, inline_njit, stack_array
from mppi_ros.mppi.validation import MAX_FLOAT32, finite_array
from mppi_ros.parameters.errors import InputError, ParameterError

# x, y [m] relative to the robot, along the axes of the planning frame; cosine and sine of the yaw;
# speed [m/s] and turning rate [rad/s], actual and commanded; clearance [m]; arc length on the path
# and distance to its left [m]; cost of the critic [s]
X, Y, COS, SIN, V, W, COMMAND_V, COMMAND_W, CLEARANCE, ARC, CROSS, COST = range(12)
# omni: lateral speed to the left [m/s], actual and commanded; ackermann: curvature of the wheels
# [1/m], actual and commanded
VY, COMMAND_VY, CURVATURE, COMMAND_CURVATURE = range(12, 16)
ROWS = 16


ARGUMENTS = types.int64, types.float32[:, ::1], types.float32[::1]


def block_step(function: Callable[[int, Any, Any], None]) -> Any:
    """
    Compile a motion model or critic, a function (step, rows, values) as described above.

    Raises
    ------
    ParameterError
        It is not a function of three arguments, or Numba cannot compile it.

    """
    if not isinstance(function, FunctionType):
        raise ParameterError(
            f'block_step of {function!r}: a function (step, rows, values) is expected'
        )
    code = function.__code__
    place = f'{function.__name__} ({Path(code.co_filename).name}, line {code.co_firstlineno})'
    parameters = inspect.signature(function).parameters.values()
    if [each.kind for each in parameters] != 3 * [inspect.Parameter.POSITIONAL_OR_KEYWORD]:
        raise ParameterError(
            f'{place} has the arguments {inspect.signature(function)}; (step, rows, values) is '
            'expected'
        )
    try:
        return compile_cfunc(function, *ARGUMENTS)
    except Exception as error:  # Numba raises many types
        raise ParameterError(f'{place} cannot be compiled: {_reason(error)}') from error


def _reason(error: Exception) -> str:
    """Return the line of an error of Numba with its reason."""
    lines = (line.strip() for line in str(error).splitlines())
    reasons = (line for line in lines if line and not line.startswith('Failed in '))
    return next(reasons, repr(error))


@dataclass(frozen=True, eq=False)
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
        Passed to both. The attribute is the array that was given if that is a writeable,
        contiguous float32[n], else a copy. Changes of its elements take effect at the next solve.

    Raises
    ------
    ParameterError
        motion or critic is not compiled by block_step, both are missing, or values is not an array
        of n finite numbers.

    """

    motion: Any = None
    critic: Any = None
    values: Sequence[float] | NDArray[np.float32] = ()

    def __post_init__(self) -> None:
        if self.motion is None and self.critic is None:
            raise ParameterError('Plugin has neither motion nor critic; at least one is expected')
        _check_compiled('motion', self.motion)
        _check_compiled('critic', self.critic)
        try:
            finite_array('values', self.values, 'n', greatest=MAX_FLOAT32)
        except InputError as error:
            raise ParameterError(str(error)) from None
        object.__setattr__(self, 'values', np.require(self.values, np.float32, ['C', 'W', 'E']))

    def address(self) -> 'PluginPointers':
        """Return pointers for the rollout; the plugin must outlive their use."""
        return PluginPointers(
            0 if self.motion is None else self.motion.address,
            0 if self.critic is None else self.critic.address,
            np.asarray(self.values),
        )


def _check_compiled(role: str, function: Any) -> None:
    """Raise ParameterError unless a function of a plugin is None or compiled by block_step."""
    if function is None or getattr(function, '_sig', None) == types.void(*ARGUMENTS):
        return
    name = getattr(function, '__name__', repr(function))
    raise ParameterError(f'{role} = {name} is not a function decorated with @block_step')


def load_plugin(name: str) -> Plugin | None:
    """
    Return the Plugin named by 'module:variable', or None for ''.

    Raises
    ------
    ParameterError
        The module does not exist or raises an error, or the variable does not exist or is not a
        Plugin.

    """
    if not name:
        return None
    place, _, variable = name.partition(':')
    if not (place and variable):
        raise ParameterError(f'plugin = {name!r} must have the form module:variable')
    try:
        module = importlib.import_module(place)
    except ModuleNotFoundError as error:
        raise ParameterError(
            f'plugin = {name!r}: there is no module {error.name!r} on the Python path; install it '
            'or add its folder to PYTHONPATH'
        ) from None
    except (ParameterError, SyntaxError) as error:  # their messages name the place
        raise ParameterError(f'plugin = {name!r} cannot be loaded: {error}') from error
    except (Exception, SystemExit) as error:  # whatever the module raises
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise ParameterError(
            f'plugin = {name!r} cannot be loaded: {type(error).__name__}: {error} '
            f'({Path(last.filename).name}, line {last.lineno})'
        ) from error
    if not hasattr(module, variable):
        plugins = [key for key, value in vars(module).items() if isinstance(value, Plugin)]
        raise ParameterError(
            f'plugin = {name!r}: the module {place!r} has no attribute {variable!r}; its plugins '
            f'are: {", ".join(plugins) or "none"}'
        )
    found = getattr(module, variable)
    if not isinstance(found, Plugin):
        raise ParameterError(f'plugin = {name!r} is a {type(found).__name__}, not a Plugin')
    return found


class PluginPointers(NamedTuple):
    """Addresses of the compiled functions of a plugin, 0 if absent, and its values."""

    motion: int
    critic: int
    values: NDArray[np.float32]


NO_PLUGIN = PluginPointers(0, 0, np.zeros(0, np.float32))


@inline_njit
def sized(rows: Any) -> Any:
    """
    Return the rows with a shape that is known at compile time.

    Otherwise each loop first checks that no two rows overlap, which can take as long as the loop.
    """
    return carray(array_pointer(rows), (ROWS, BLOCK))


stack_rows = stack_array(types.float32, ROWS, BLOCK)
