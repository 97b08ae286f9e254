"""Charts of the page: their series and axes; the browser fills in the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

BLUE, RED, GREEN, YELLOW = '#4477aa', '#ee6677', '#228833', '#ccbb44'
COLORS = (BLUE, RED, GREEN, YELLOW)
Series = tuple[str, str, int]  # key, label, index of the axis


def chart(
    title: str, series: Sequence[dict[str, Any]], *, x: dict[str, Any] | None = None,
    y: Sequence[dict[str, Any]] = ({},), legend: bool = True,
) -> dict[str, Any]:
    """Return the options of a chart without data."""
    return {
        'animation': False,
        'color': list(COLORS),
        'aria': {'enabled': True, 'label': {'description': f'Chart: {title}'}},
        'grid': {'left': 8, 'right': 22, 'top': 34 if legend else 12, 'bottom': 22,
                 'containLabel': True},
        'legend': {'show': legend, 'top': 0, 'type': 'scroll', 'itemHeight': 14, 'itemWidth': 14,
                   'icon': 'roundRect'},
        'tooltip': {'trigger': 'axis', 'confine': True, ':valueFormatter':
                    'v => v == null ? "–" : Number(v).toPrecision(3)'},
        'xAxis': {'type': 'value', 'nameLocation': 'middle', 'nameGap': 20, **(x or {})},
        'yAxis': [{'type': 'value', 'scale': True, 'splitNumber': 3, **axis} for axis in y],
        'series': list(series),
    }  # fmt: skip


def time_chart(
    title: str, series: Sequence[Series], y: Sequence[dict[str, Any]] = ({},)
) -> dict[str, Any]:
    """Return a chart of signals over the last minute."""
    lines = [line(key, label, axis) for key, label, axis in series]
    return chart(title, lines, x={':axisLabel': '{formatter: v => v + " s"}'}, y=y)


def line(key: str, label: str, axis: int = 0, **more: Any) -> dict[str, Any]:
    """Return a line without symbols."""
    return {
        'id': key, 'name': label, 'type': 'line', 'symbol': 'none', 'yAxisIndex': axis,
        'lineStyle': {'width': 1.6}, 'data': [], **more,
    }  # fmt: skip


SECONDS = {'name': 's'}
SIGNAL_CHARTS: dict[str, tuple[str, dict[str, Any]]] = {
    'costs': ('Cost of each critic for the optimal trajectory [s]',
              chart('cost of each critic', (), x={':axisLabel': '{formatter: v => v + " s"}'},
                    y=({'scale': False},))),
    'objective': ('Smoothed objective L_Σ', time_chart(
        'smoothed objective', [('objective', 'L_Σ', 0)])),
    'sampling': ('Effective sample size and λ', time_chart(
        'effective sample size and lambda',
        [('ess', 'effective samples', 0), ('temperature', 'λ [s]', 1)],
        ({'min': 0}, {'min': 0, 'position': 'right'}))),
    'kl': ('KL divergence of the step', time_chart('KL divergence', [('kl', 'KL', 0)],
                                                   ({'min': 0},))),
    'timing': ('Time of a solve, and lateness of ticks [ms]', time_chart(
        'timing', [('solve_ms', 'solve', 0), ('late_ms', 'lateness (p99)', 0)], ({'min': 0},))),
    'speeds': ('Speeds: measured and commanded', time_chart(
        'speeds', [('vx', 'v [m/s]', 0), ('command_vx', 'v commanded', 0),
                   ('wz', 'ω [rad/s]', 1), ('command_wz', 'ω commanded', 1)],
        ({}, {'position': 'right'}))),
    'lateral': ('Lateral speed, measured and commanded [m/s]', time_chart(
        'lateral speed', [('vy', 'lateral', 0), ('command_vy', 'commanded', 0)])),
}  # fmt: skip

COMPARED = ('command_vx', 'command_vy', 'command_wz', 'vx', 'cross_track', 'clearance',
            'objective', 'ess', 'temperature', 'solve_ms')  # signals that can be compared
COMPARISON = chart('a signal before and after the mark', [line('before', 'before the mark'),
                                                          line('after', 'after the last change')],
                   x={'name': 'time since the start of the stretch [s]', 'min': 0})


def _shares(title: str, keys: tuple[str, str], x_name: str, classes: list[str]) -> dict[str, Any]:
    """Return a bar chart of the shares of the samples and of their weight in classes."""
    bars = [
        {'id': key, 'name': name, 'type': 'bar', 'data': []}
        for key, name in zip(keys, ('samples [%]', 'weight [%]'), strict=True)
    ]
    return chart(title, bars, x={'type': 'category', 'name': x_name, 'data': classes},
                 y=({'min': 0, 'max': 100, 'interval': 50},))


_dashed = {'width': 1.2, 'type': 'dashed'}
LESSONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    'weights': (
        'λ: how much a worse sample counts',
        'A sample whose cost is Δ above the best one has the weight exp(−Δ/λ), relative to the '
        'best. With twice the λ more of them contribute: smoother and slower '
        'to react. With half of it fewer decide. λ = 0 chooses λ in each step so that the '
        'effective sample size is ess_share of K.',
        chart('weight of a sample over its excess cost', [
            line('half', 'λ ÷ 2', lineStyle=_dashed), line('now', 'λ now'),
            line('double', 'λ × 2', lineStyle=_dashed),
        ], x={'name': 'excess cost Δ [s]'}, y=({'min': 0, 'max': 1, 'interval': 0.5},)),
    ),
    'histogram': (
        'Histogram of the weights',
        'All samples of the last iteration by their weight relative to the plain average, K·w, '
        'and the share of the weight in each class. A small λ moves samples to the left and the '
        'weight to a few on the right; with a large λ all samples are near 1.',
        _shares('samples and weight by weight of a sample', ('samples', 'weight'),
                'weight relative to the average, K·w',
                ['< 0.001', '< 0.01', '< 0.1', '< 1', '< 10', '< 100', '≥ 100']),
    ),
    'ess': (
        'Effective sample size: how many samples decide',
        '1/Σ wᵢ², from 1 (the best sample takes all) to K (plain average). Errors fall with its '
        'square root as long as it is some tens; below, the weights of a handful of samples are '
        'biased.',
        chart('effective sample size in percent of K', [
            line('share', 'ESS / K [%]'),
            line('target', 'ess_share [%]', lineStyle=_dashed)],
            x={':axisLabel': '{formatter: v => v + " s"}'}, y=({'min': 0},)),
    ),
    'spread': (
        'Σ: how far the samples search',
        'Where the samples shown end, as the distance from the end of the optimal trajectory, and '
        'where their weight lies. Smoothing with a wide Σ joins the basins of the cost and finds '
        'detours; a narrow one stays close to the current solution. If the weight lies at the '
        'far end, widen Σ (sigma_share).',
        _shares('samples and weight by distance', ('count', 'mass'),
                'distance at the end of the horizon [m]', []),
    ),
    'step': (
        'α: how far to go along the natural gradient',
        'x̄ ← x̄ + α Σᵢ wᵢ εᵢ. The solid line is the gain of L_Σ along the step, estimated from '
        'the samples of the last iteration. Whatever the cost, it is at least '
        'α(1 − α/2)‖∇L_Σ‖², the dashed line. Every 0 < α < 2 ascends; α = 1 has the greatest '
        'guaranteed gain and is the textbook update. A smaller α averages over ticks.',
        chart('gain of the smoothed objective over alpha', [
            line('gain', 'gain of L_Σ'),
            line('bound', 'guaranteed gain', lineStyle=_dashed),
            {'id': 'alpha', 'name': 'α now', 'type': 'scatter', 'symbolSize': 12, 'data': []}],
            x={'name': 'α'}),
    ),
}  # fmt: skip
