"""Friction between wheels and floor: Coulomb's law at each contact patch, and rollers."""
# mypy: allow-untyped-defs, allow-untyped-calls

import math

from mppi_ros.jit.cache import cached_njit

CREEP = 0.02  # [m/s] of slip at which half of the friction has developed
ROLLER_FRICTION = 0.05  # across the rollers of a mecanum wheel, relative to along them


@cached_njit(
    'void(float64[:,::1], float64[:,::1], float64[::1], float64[::1], float64[::1], float64[::1],'
    ' float64[::1], float64, float64, float64, float64[::1], float64[::1])',
    nogil=True,
)
def tyre_forces(places, ahead, rollers, grip, spin, turned, velocity, radius, softness, edge,
                of_base, of_wheels):  # fmt: skip
    """
    Compute the generalised forces of the friction of all wheels.

    The friction of a tyre opposes its slip, and its contact patch resists turning. A mecanum wheel
    touches the floor with a roller at 45°: slip along the axis of the roller is resisted by the
    floor, slip across it by ROLLER_FRICTION of that.

    Parameters
    ----------
    places, ahead : float64[n, 2]
        Axes of the wheels [m] and directions in which they roll, in the frame of the base.
    rollers : float64[n]
        Side of the rollers, 1 or -1; 0 for a tyre.
    grip : float64[n]
        Greatest friction of each wheel [N].
    spin : float64[n]
        Speed of the rims [m/s].
    turned : float64[9]
        Rotation matrix of the base.
    velocity : float64[6]
        Velocity of the base, linear in the frame of the world and angular in its own.
    radius, softness, edge : float
        Radius of the wheels [m], additional slip per friction [m/s/N] for stable time steps, and
        lever of the friction in the contact patch [m].
    of_base : float64[6]
        The forces on the base, in the frames of `velocity`.
    of_wheels : float64[n]
        The torques of the wheels [N m].

    """
    half = math.sqrt(0.5)
    vx = turned[0] * velocity[0] + turned[3] * velocity[1] + turned[6] * velocity[2]
    vy = turned[1] * velocity[0] + turned[4] * velocity[1] + turned[7] * velocity[2]
    wx, wy, wz = velocity[3], velocity[4], velocity[5]
    ahead_sum = aside_sum = moment = 0.0
    for k in range(len(grip)):
        x, y = places[k, 0], places[k, 1]
        slip_x = vx - wz * y - wy * radius - spin[k] * ahead[k, 0]
        slip_y = vy + wz * x + wx * radius - spin[k] * ahead[k, 1]
        creep = CREEP + softness * grip[k]
        if rollers[k] != 0.0:
            along = half * (slip_x + rollers[k] * slip_y)
            across = half * (slip_x - rollers[k] * slip_y)
            along *= -half * grip[k] / (abs(along) + creep)
            across *= -half * ROLLER_FRICTION * grip[k] / (abs(across) + creep)
            fx, fy = along + across, rollers[k] * (along - across)
        else:
            scale = -grip[k] / (math.hypot(slip_x, slip_y) + creep)
            fx, fy = scale * slip_x, scale * slip_y
            moment -= grip[k] * edge * wz * edge / (abs(wz) * edge + CREEP)
        ahead_sum += fx
        aside_sum += fy
        moment += x * fy - y * fx
        of_wheels[k] = -radius * (fx * ahead[k, 0] + fy * ahead[k, 1])
    for k in range(3):
        of_base[k] = turned[3 * k] * ahead_sum + turned[3 * k + 1] * aside_sum
    of_base[3], of_base[4], of_base[5] = radius * aside_sum, -radius * ahead_sum, moment
