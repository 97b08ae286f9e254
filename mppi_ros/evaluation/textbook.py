"""Textbook MPPI: white noise, one iteration, full step, as a change of the defaults."""

from __future__ import annotations

from typing import Any

WHITE: dict[str, Any] = {'noise.correlation_time': 0.0, 'noise.smoothing_time': 0.0}
# λ and Σ are the best found by a search on five scenarios; Σ as shares of the limits.
TEXTBOOK: dict[str, Any] = {
    **WHITE, 'lambda': 0.2, 'sigma_share': (0.8, 0.53, 0.53), 'alpha': 1.0, 'iterations': 1,
    'noise.antithetic': False, 'smoothing': False, 'recovery.stuck_timeout': 0.0,
}  # fmt: skip
