"""
Samples of N(0, Σ) in blocks of 64: fast, and independent of the number of threads.

Σ is the product of a covariance over time and one between controls. Over time the noise of each
control is a stationary AR(2) process of unit variance, n = A z, z white and A lower triangular:
n_t = (p + q) n_{t−1} − p q n_{t−2} + g z_t, with poles p and q. Between controls ε_t = L n_t.
"""

from typing import Any, NamedTuple

from numba import prange
import numpy as np
from numpy.typing import NDArray

from mppi_ros.jit.simd import BLOCK, inline_njit, kernel, parallel_kernel, stack_row, stack_uint32


class AR2Process(NamedTuple):
    """
    Stationary AR(2) process n_t = first · n_{t−1} + second · n_{t−2} + gain · z_t.

    n_0 = z_0 and n_1 = start · n_0 + start_gain · z_1 have the stationary covariance.
    """

    first: np.float32
    second: np.float32
    gain: np.float32
    start: np.float32
    start_gain: np.float32


class NoiseKey(NamedTuple):
    """
    Key of the noise, which depends only on seed, step and the number of the block.

    Blocks are counted from `first`. If not `fresh`, existing noise is reused.
    """

    seed: int
    step: int
    fresh: bool
    first: int


REUSE_NOISE = NoiseKey(0, 0, False, 0)


def ar2_process(p: float, q: float) -> AR2Process:
    """Return the AR(2) process of unit variance with poles p, q in [0, 1); p = q = 0 is white."""
    first, second = p + q, -p * q
    start = first / (1.0 - second)
    variance = 1.0 - first * start - second * (first * start + second)
    return AR2Process(
        np.float32(first),
        np.float32(second),
        np.float32(np.sqrt(variance)),
        np.float32(start),
        np.float32(np.sqrt(1.0 - start * start)),
    )


WHITE = ar2_process(0.0, 0.0)


@kernel
def whiten(process: Any, noise: Any, out: Any) -> Any:
    """Compute z = A⁻¹ n for `noise` n, float[T, m], into `out`, and return it."""
    for c in range(noise.shape[1]):
        out[0, c] = noise[0, c]
        if noise.shape[0] > 1:
            out[1, c] = (noise[1, c] - process.start * noise[0, c]) / process.start_gain
        for t in range(2, noise.shape[0]):
            predicted = process.first * noise[t - 1, c] + process.second * noise[t - 2, c]
            out[t, c] = (noise[t, c] - predicted) / process.gain
    return out


def unwhiten_transposed(process: AR2Process, white: NDArray[Any]) -> NDArray[Any]:
    """Return A⁻ᵀ z for white z, float[T, m]; for z̄ = Σ w z it is the score in unit noise."""
    scaled = white.astype(np.float64)
    scaled[1:2] /= process.start_gain
    scaled[2:] /= process.gain
    out = scaled.copy()
    out[:1] -= process.start * scaled[1:2].sum(0)
    out[1:-1] -= process.first * scaled[2:]
    out[:-2] -= process.second * scaled[2:]
    return out


def block_count(samples: int, antithetic: bool) -> int:
    """Return the number of blocks drawn for `samples`; antithetic pairs share a block."""
    drawn = (samples + 1) // 2 if antithetic else samples
    return -(-drawn // BLOCK)


@inline_njit
def _hash(x: Any) -> Any:
    """
    Mix the bits of a uint32.

    Numba promotes results of 32-bit integers to 64 bits, which halves the vector width. All steps
    here and below are therefore cast back to 32 bits.
    """
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x7FEB352D))
    x = np.uint32(x ^ (x >> np.uint32(15)))
    x = np.uint32(x * np.uint32(0x846CA68B))
    return np.uint32(x ^ (x >> np.uint32(16)))


@inline_njit
def _rotate(x: Any, k: Any) -> Any:
    return np.uint32(np.uint32(x << np.uint32(k)) | np.uint32(x >> np.uint32(32 - k)))


@inline_njit
def _next_word(s0: Any, s1: Any, s2: Any, s3: Any) -> Any:
    """Return a random uint32 and the next state of xoshiro128++ (Blackman and Vigna, 2021)."""
    word = np.uint32(_rotate(np.uint32(s0 + s3), 7) + s0)
    shifted = np.uint32(s1 << np.uint32(9))
    s2 = np.uint32(s2 ^ s0)
    s3 = np.uint32(s3 ^ s1)
    s1 = np.uint32(s1 ^ s2)
    s0 = np.uint32(s0 ^ s3)
    return word, s0, s1, np.uint32(s2 ^ shifted), _rotate(s3, 11)


@inline_njit
def _log(x: Any) -> Any:
    """Natural logarithm of a float32 in (0, 1] by a minimax polynomial, relative error 1e-5."""
    bits = np.float32(x).view(np.int32)
    exponent = np.int32(np.int32(bits - np.int32(0x3F3504F3)) >> np.int32(23))
    mantissa = np.int32(bits - np.int32(exponent << np.int32(23))).view(np.float32)
    f = mantissa - np.float32(1.0)
    p = np.float32(-0.14216047) * f + np.float32(0.21928114)
    p = p * f - np.float32(0.25387971)
    p = p * f + np.float32(0.33274031)
    p = p * f - np.float32(0.49991740)
    return f + p * f * f + np.float32(exponent) * np.float32(0.69314718)


@inline_njit
def _normals(u: Any, v: Any) -> Any:
    """
    Return two independent normals from two random words, by Box–Muller with polynomials.

    The radius uses the upper bits of u, an angle within a quarter turn those of v, and the two
    signs the lowest bits of v.
    """
    uniform = np.float32(np.int32(u >> np.uint32(8))) * np.float32(2.0**-24) + np.float32(2.0**-25)
    # radius / √2, since (cos ∓ sin) below has length √2
    radius = np.sqrt(max(-_log(uniform), np.float32(0.0)))
    angle = np.float32(np.int32(np.int32(v) >> np.int32(8))) * np.float32(np.pi / 4 * 2.0**-23)
    z = angle * angle
    sine = np.float32(-1.9515295891e-4) * z + np.float32(8.3321608736e-3)
    sine = (sine * z - np.float32(1.6666654611e-1)) * z * angle + angle
    cosine = np.float32(2.443315711809948e-5) * z - np.float32(1.388731625493765e-3)
    cosine = (cosine * z + np.float32(4.166664568298827e-2)) * z - np.float32(0.5)
    cosine = cosine * z + np.float32(1.0)
    x = np.float32(radius * (cosine - sine)).view(np.uint32)
    y = np.float32(radius * (cosine + sine)).view(np.uint32)
    x = np.uint32(x ^ np.uint32(v << np.uint32(31)))
    y = np.uint32(y ^ np.uint32(np.uint32(v << np.uint32(30)) & np.uint32(0x80000000)))
    return x.view(np.float32), y.view(np.float32)


@inline_njit
def draw_white(seed: Any, step: Any, block: Any, out: Any) -> None:
    """
    Fill out, float32[n, BLOCK], with N(0, 1); the bits depend only on seed, step and sample.

    There is one generator per sample, seeded by hashing; its four words are rows on the stack.
    """
    a, b, c, d = stack_uint32(), stack_uint32(), stack_uint32(), stack_uint32()
    mixed = _hash(np.uint32(np.uint32(step) ^ np.uint32(0x9E3779B9)))
    base = _hash(np.uint32(np.uint32(seed) ^ mixed))
    for j in range(BLOCK):
        sample = np.uint32(np.uint32(block) * np.uint32(BLOCK) + np.uint32(j))
        word = _hash(np.uint32(sample + base))
        a[j] = _hash(np.uint32(word + np.uint32(0x9E3779B9)))
        b[j] = _hash(np.uint32(word + np.uint32(0x3C6EF372)))
        c[j] = _hash(np.uint32(word + np.uint32(0xDAA66D2B)))
        d[j] = _hash(np.uint32(word + np.uint32(0x78DDE6E4))) | np.uint32(1)
    rows = out.shape[0]
    for pair in range((rows + 1) // 2):
        first = 2 * pair
        second = min(first + 1, rows - 1)
        for j in range(BLOCK):
            u, s0, s1, s2, s3 = _next_word(a[j], b[j], c[j], d[j])
            v, a[j], b[j], c[j], d[j] = _next_word(s0, s1, s2, s3)
            out[first, j], out[second, j] = _normals(u, v)


@inline_njit
def correlate(process: Any, controls: Any, out: Any) -> None:
    """Replace white noise z by n = A z in out, float32[T · m, BLOCK], in place."""
    if process.first == np.float32(0.0) or out.shape[0] <= controls:
        return
    last, before = stack_row(), stack_row()
    for c in range(controls):
        for j in range(BLOCK):
            before[j] = out[c, j]
            last[j] = process.start * before[j] + process.start_gain * out[controls + c, j]
            out[controls + c, j] = last[j]
        for row in range(2 * controls + c, out.shape[0], controls):
            for j in range(BLOCK):
                n = process.first * last[j] + process.second * before[j]
                n += process.gain * out[row, j]
                before[j] = last[j]
                last[j] = n
                out[row, j] = n


@inline_njit
def draw_block(seed: Any, step: Any, block: Any, process: Any, controls: Any, out: Any) -> None:
    """Fill out, float32[T · m, BLOCK], with the unit noise n of one block."""
    draw_white(seed, step, block, out)
    correlate(process, controls, out)


@kernel
def draw_serial(seed: Any, step: Any, process: Any, controls: Any, noise: Any) -> None:
    """Fill noise, float32[blocks, T · m, BLOCK], on one thread."""
    for block in range(noise.shape[0]):
        draw_block(seed, step, block, process, controls, noise[block])


@parallel_kernel
def draw_parallel(seed: Any, step: Any, process: Any, controls: Any, noise: Any) -> None:
    """Fill noise, float32[blocks, T · m, BLOCK], on several threads."""
    for block in prange(noise.shape[0]):
        draw_block(seed, step, block, process, controls, noise[block])
