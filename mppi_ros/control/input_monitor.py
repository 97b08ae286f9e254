"""Validity of inputs and clock: missing, too old, in the future, discontinuous or frozen."""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import NamedTuple

from mppi_ros.control.inputs import Odometry
from mppi_ros.control.odometry_consistency import BodyTwist, OdometryConsistency
from mppi_ros.control.parameters import SafetyParameters
from mppi_ros.control.tick_result import NON_FAULTS, ControllerState, Fault, Reason, Stop

MAX_CLOCK_OFFSET = 0.1  # [s] tolerated offset between clocks of different machines
MAX_TICK_GAP = 0.5  # [s] after which the robot is assumed not to execute the last command
MAX_CLOCK_STEP = 0.1  # [s] per tick, more than a slewed clock deviates from a steady one
MAX_YAW_JUMP = 1.0  # [rad] larger than corrections of a localisation
REST_SPEED = 0.05  # [m/s] lower values count as rest
REST_TURN_RATE = 0.1  # [rad/s]
RETRY_TIME = 3.0  # [s] of rest after which frozen odometry is retried


class InputStatus(NamedTuple):
    """
    Age of one input.

    `stamp` [s] is None before the first message; a `timeout` [s] of 0 disables the check;
    `absence` explains a missing input in more detail than that no message has arrived.
    """

    name: str
    stamp: float | None
    timeout: float
    absence: Fault | None = None

    def missing(self) -> Fault | None:
        """Return `absence`, or that no message has arrived; None if one has."""
        if self.stamp is not None:
            return None
        return self.absence or Fault(Reason(f'{self.name}_missing'), f'no {self.name} yet')

    def fault(self, now: float) -> Fault | None:
        """Return the fault of a too old or future stamp; None without one."""
        if self.stamp is None or self.timeout == 0.0:
            return None
        age = now - self.stamp
        if age > self.timeout:
            message = f'{self.name} is {age:.2f} s old, limit {self.timeout:g} s'
            return Fault(Reason(f'{self.name}_old'), message)
        if age < -MAX_CLOCK_OFFSET:
            message = (
                f'{self.name} is stamped {-age:.2f} s in the future, limit {MAX_CLOCK_OFFSET:g} s'
            )
            return Fault(Reason(f'{self.name}_ahead'), message)
        return None

    def age(self, now: float) -> float:
        """Return the age [s]; NaN if missing."""
        return math.nan if self.stamp is None else now - self.stamp

    def accepts(self, stamp: float, now: float) -> bool:
        """
        Return whether an input with another stamp [s] replaces this one.

        The newer one is kept, so that reordered messages do no harm. A stamp in the future does
        not block later messages after the clock has gone back.
        """
        if self.stamp is None or self.timeout == 0.0:
            return True
        return stamp >= self.stamp or self.stamp > now + MAX_CLOCK_OFFSET


class ClockMonitor:
    """
    Clock of the controller, compared with a steady clock if available.

    Attributes
    ----------
    now : float
        Time of the last tick [s]; -inf before the first.

    """

    def __init__(self) -> None:
        self.now = -math.inf
        self._steady: float | None = None

    def read(self, now: float, steady: float | None) -> tuple[float, Fault | None]:
        """
        Return the time since the last tick [s], inf at the first, and a fault of the clock.

        Parameters
        ----------
        now : float
            Reading of the clock [s].
        steady : float, optional
            Reading of a steady clock [s]. Without it a forward jump cannot be distinguished from
            a late tick.

        """
        if not math.isfinite(now):
            return 0.0, Fault(Reason.CLOCK_INVALID, f'the clock reads {now} s')
        elapsed = now - self.now
        truly = elapsed
        if steady is not None and self._steady is not None and math.isfinite(elapsed):
            truly = steady - self._steady
        self.now, self._steady = now, steady
        ahead = elapsed - truly if math.isfinite(elapsed) else 0.0
        if elapsed < 0.0 or ahead < -MAX_CLOCK_STEP:
            message = f'the clock went back by {max(-elapsed, -ahead):.2f} s'
            return max(truly, 0.0), Fault(Reason.CLOCK_BACK, message)
        if ahead > MAX_CLOCK_STEP:
            return truly, Fault(Reason.CLOCK_AHEAD, f'the clock jumped ahead by {ahead:.2f} s')
        if MAX_TICK_GAP < truly < math.inf:
            return truly, Fault(Reason.TICK_LATE, f'no control tick for {truly:.2f} s')
        return truly, None


class OdometryMonitor:
    """Consistency of successive measurements with each other and with the commands."""

    def __init__(self) -> None:
        self._odometry: Odometry | None = None
        self._halves = OdometryConsistency()
        self._moving = False  # of the last command
        self._seen: Odometry | None = None
        self._jump = ''
        self._constant = 0.0  # [s] without a change while motion was commanded
        self._rested = 0.0  # [s] of rest because of frozen odometry

    def take(
        self, odometry: Odometry, longest: float, speeds: BodyTwist = BodyTwist()  # noqa: B008
    ) -> None:
        """Compare a measurement with the last; `longest` [m] limits jumps, 0 disables."""
        last, self._odometry = self._odometry, odometry
        self._halves.take(odometry, self._moving, speeds)
        if last is None or longest == 0.0:
            return
        seconds = max(odometry.stamp - last.stamp, 0.0)
        speed = max(abs(last.vx), abs(odometry.vx)) + max(abs(last.vy), abs(odometry.vy))
        way = math.dist((last.x, last.y), (odometry.x, odometry.y))
        angle = abs(math.remainder(odometry.yaw - last.yaw, math.tau))
        spin = max(abs(last.wz), abs(odometry.wz)) * seconds
        if way > longest + 2.0 * speed * seconds:
            self._jump = f'odometry jumped by {way:.2f} m in {seconds:.2f} s, limit {longest:g} m'
        elif angle > MAX_YAW_JUMP + 2.0 * spin:
            self._jump = f'odometry turned by {angle:.2f} rad in {seconds:.2f} s'

    def fault(self, seconds: float, moving: bool, patience: float) -> Fault | None:
        """
        Return a fault if the last measurement jumped or the odometry is frozen.

        Parameters
        ----------
        seconds : float
            Time since the last tick [s].
        moving : bool
            The last command moves the robot.
        patience : float
            Time for which the odometry may be constant, to the last bit, while motion is
            commanded [s]; 0 disables, also the comparison of pose and twist.

        """
        self._moving = moving
        if self._jump:
            jump, self._jump = self._jump, ''
            self._halves.restart()
            return Fault(Reason.ODOMETRY_JUMPED, jump)
        changed = _values(self._odometry) != _values(self._seen)
        self._seen = self._odometry
        if changed or patience == 0.0:
            self._constant = 0.0
        elif moving:
            self._constant += seconds
        half = self._halves.message if patience else ''
        if self._constant <= patience and not half:
            self._rested = 0.0
            return None
        self._rested += seconds
        if self._rested > RETRY_TIME:
            self._constant = self._rested = 0.0
            self._halves.forgive()
        message = f'odometry is constant while motion is commanded, limit {patience:g} s'
        return Fault(Reason.ODOMETRY_FROZEN, half or message)


def _values(odometry: Odometry | None) -> tuple[float, ...]:
    if odometry is None:
        return ()
    return odometry.x, odometry.y, odometry.yaw, odometry.vx, odometry.vy, odometry.wz


class InputMonitor:
    """
    Decides from the age and consistency of all inputs whether the robot may drive.

    Attributes
    ----------
    clock : ClockMonitor
        The controller's clock.

    """

    def __init__(self) -> None:
        self.clock = ClockMonitor()
        self._odometry = OdometryMonitor()
        self._fault: Fault | None = None  # the last, until it has cleared for the recovery time
        self._cleared = 0.0  # [s] since

    def set_odometry(
        self, odometry: Odometry, safety: SafetyParameters, speeds: BodyTwist
    ) -> None:
        """Compare a measurement with the previous one."""
        self._odometry.take(odometry, safety.odom_jump, speeds)

    def forget_odometry(self) -> None:
        """Do not compare the next measurement with the previous one."""
        self._odometry = OdometryMonitor()

    def record(self, stop: Stop) -> None:
        """Hold a fault until it has cleared for the recovery time."""
        if stop.fault.code not in NON_FAULTS and not stop.over:
            self._fault, self._cleared = stop.fault, 0.0

    def check(
        self,
        now: float,
        seconds: float,
        inputs: Sequence[InputStatus],
        clock_fault: Fault | None,
        position_fault: Fault | None,
        moving: bool,
        safety: SafetyParameters,
    ) -> None:
        """
        Raise Stop for a missing or faulty input, or within the recovery time after a fault.

        Parameters
        ----------
        now : float
            Time on the controller's clock [s].
        seconds : float
            Time since the last tick [s].
        inputs : sequence of InputStatus
            Ages of the inputs.
        clock_fault, position_fault : Fault, optional
            Fault found by the clock or the caller, and fault of the robot's position.
        moving : bool
            The last command moves the robot.
        safety : SafetyParameters
            Limits.

        """
        frozen = self._odometry.fault(seconds, moving, safety.odom_frozen)
        if clock_fault is not None:
            raise Stop(*clock_fault)
        for each in inputs:
            missing = each.missing()
            if missing is not None:
                raise Stop(*missing, ControllerState.WAITING)
        for found in (*(each.fault(now) for each in inputs), frozen, position_fault):
            if found is not None:
                raise Stop(*found)
        if self._fault is None:
            return
        self._cleared += seconds
        if self._cleared <= safety.recovery_time:
            message = f'{self._fault.message} (cleared for less than {safety.recovery_time:g} s)'
            raise Stop(self._fault.code, message, over=True)
        self._fault = None
