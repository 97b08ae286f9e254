"""
The figures of docs/theory.md: `python docs/figures/theory_figures.py docs/images`.

Each file carries what it shows, numbers and words, so that a test notices one that is out of date.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.evaluation.report import GRID, INK, MUTED
from mppi_ros.mppi import MppiParameters, NoiseParameters, Optimizer, score, theory
from mppi_ros.mppi.theory import GaussianMixtureTarget

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
BLUE, ORANGE, RED, GREEN = '#2f6fde', '#f0883e', '#d64545', '#2f9e6e'
STYLE: dict[Any, Any] = {
    'font.size': 9, 'text.color': INK, 'axes.edgecolor': MUTED, 'axes.labelcolor': INK,
    'xtick.color': MUTED, 'ytick.color': MUTED, 'axes.linewidth': 0.7, 'axes.titlesize': 9.5,
    'axes.spines.top': False, 'axes.spines.right': False, 'axes.grid': True, 'grid.color': GRID,
    'legend.frameon': False, 'mathtext.fontset': 'dejavusans',
    'contour.negative_linestyle': 'solid',
}  # fmt: skip


CONTENTS, POINTS = 'Comment', 24
# A narrow deep valley, a wide one, and a shallow one.
VALLEYS = GaussianMixtureTarget.from_modes(
    [0.0, 0.45, 0.9], [[-1.6], [1.2], [3.4]], [[[60.0]], [[2.2]], [[14.0]]], 0.5
)
FIELD = GaussianMixtureTarget.from_modes(
    [0.0, 0.3, 0.6], [[-1.2, 0.9], [1.1, -0.2], [-0.4, -1.5]],
    [[[14.0, 4.0], [4.0, 6.0]], [[2.0, -0.6], [-0.6, 3.0]], [[9.0, 0.0], [0.0, 20.0]]], 0.6,
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Draw all figures into a folder; return the exit code."""
    parser = argparse.ArgumentParser(description='Draw the figures of docs/theory.md.')
    parser.add_argument('folder', type=Path)
    write_figures(parser.parse_args(argv).folder)
    return 0


def write_figures(folder: Path) -> list[Path]:
    """Write every figure as a PNG file and return their paths."""
    from matplotlib import rc_context

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in FIGURES.items():
        with rc_context(STYLE):
            written.append(folder / f'theory_{name}.png')
            figure = draw()
            shown = json.dumps(contents(figure), ensure_ascii=True)
            figure.savefig(written[-1], dpi=130, metadata={CONTENTS: shown})
    return written


def contents(figure: Figure) -> dict[str, Any]:
    """Return what a figure shows: all its words, and up to POINTS numbers of whatever it draws."""
    drawn = [array for axes in figure.axes for array in _numbers(axes)]
    return {'words': list(_words(figure)), 'numbers': [_few(array) for array in drawn]}


def _words(figure: Figure) -> Iterator[str]:
    from matplotlib.text import Text

    for owner in (*figure.axes, *figure.legends):
        for text in owner.findobj(Text):
            # the numbers at the ticks are known when they are drawn
            if text.get_text() and text.get_text().strip('0123456789.,−-'):
                yield text.get_text()


def _numbers(axes: Any) -> Iterator[Array]:
    for line in axes.lines:
        yield np.asarray(line.get_xdata(), np.float64)
        yield np.asarray(line.get_ydata(), np.float64)
    for collection in axes.collections:
        for name in ('U', 'V', 'levels'):  # of arrows and of contours
            if hasattr(collection, name):
                yield np.asarray(getattr(collection, name), np.float64)


def _few(array: Array) -> list[float]:
    """Return POINTS numbers of an array, evenly spread, to six digits."""
    flat = array.ravel()
    places = np.unique(np.linspace(0, flat.size - 1, POINTS).astype(int))
    return [float(f'{value:.6g}') for value in flat[places]]


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout='constrained', facecolor='white')


def smoothing() -> Figure:
    """Draw f, φ and h_Σ of one control with a narrow and a wide valley."""
    target = VALLEYS
    x = np.linspace(-3.6, 4.8, 1200)[:, None]
    widths = ((0.1, GREEN), (0.4, BLUE), (1.2, RED))
    figure = _figure(9.0, 6.0)
    (top, middle, bottom) = figure.subplots(3, 1, sharex=True)
    top.plot(x, theory.cost(target, x), color=INK)
    top.set(ylim=(-0.3, 5.0), ylabel='cost $f(x)$')
    middle.plot(x, np.exp(theory.log_density(target, x)), color=INK, label='no noise')
    bottom.plot(x, theory.log_density(target, x), color=INK)
    for sigma, colour in widths:
        smoothed = theory.smoothed(target, [[sigma**2]])
        level = theory.log_density(smoothed, x)
        middle.plot(x, np.exp(level), color=colour, label=rf'$\sigma={sigma:g}$')
        bottom.plot(x, level, color=colour)
        best = int(np.argmax(level))
        middle.plot(x[best], np.exp(level[best]), 'o', color=colour, ms=5)
        bottom.plot(x[best], level[best], 'o', color=colour, ms=5)
    middle.set(ylabel=r'density $\varphi$,  $h_\Sigma$')
    bottom.set(ylim=(-6.0, 0.3), xlabel=r'control $x$, mean $\bar x$',
               ylabel=r'$\log\varphi=-f/\lambda$,  $L_\Sigma$')
    middle.legend(loc='upper right')
    top.set_title('A narrow deep valley and a wide one: the wider the noise, the more width counts'
                  '  (● maximum)', loc='left')
    return figure


def score_field() -> Figure:
    """Draw the score of p_tar and of p_Σ over two controls."""
    target = FIELD
    side = np.linspace(-2.6, 2.6, 161)
    grid = np.stack(np.meshgrid(side, side), axis=-1)
    arrows = grid[8::16, 8::16]
    figure = _figure(10.5, 3.9)
    panels = figure.subplots(1, 3, sharey=True)
    for axes, sigma in zip(panels, (0.0, 0.35, 0.9), strict=True):
        shown = theory.smoothed(target, sigma**2 * np.eye(2)) if sigma else target
        level = theory.log_density(shown, grid)
        low, high = max(level.min(), level.max() - 18.0), level.max()
        levels = high - (high - low) * np.linspace(1.0, 0.0, 13) ** 2
        axes.contourf(*grid.transpose(2, 0, 1), level, levels=levels, cmap='Blues', extend='min')
        field = theory.score(shown, arrows)
        length = np.linalg.norm(field, axis=-1, keepdims=True)
        field *= np.sqrt(length / length.max()) / length
        axes.quiver(*arrows.transpose(2, 0, 1), *field.transpose(2, 0, 1), color=INK, width=0.005,
                    scale=12.0, pivot='mid')
        axes.set(aspect='equal', xlabel='first control')
        axes.grid(visible=False)
        axes.set_title(rf'$\nabla L_\Sigma$, $\sigma={sigma:g}$' if sigma else
                       r'$\nabla\log p_{tar}=-\nabla f/\lambda$', loc='left')
    panels[0].set_ylabel('second control')
    return figure


def steps() -> Figure:
    """Draw raw descent, ordinary ascent and natural-gradient steps on an ill-scaled quadratic."""
    hessian = np.array([[1.0, 6.0], [6.0, 100.0]])
    target = GaussianMixtureTarget.quadratic(hessian, np.zeros(2), 1.0)
    sigma = np.diag([1.0, 0.1]) ** 2
    smoothed = theory.smoothed(target, sigma)
    start, count = np.array([2.6, 0.3]), 12
    top = theory.log_density(smoothed, np.zeros(2))

    # the largest α that does not overshoot: one over the greatest curvature
    raw = 1.0 / float(np.linalg.eigvalsh(target.precisions[0]).max())
    ordinary = 1.0 / float(np.linalg.eigvalsh(smoothed.precisions[0]).max())
    walks: list[tuple[str, str, Callable[[Array], Array]]] = [
        (rf'raw score ascent, $\alpha$ = {raw:.3f}', MUTED,
         lambda x: theory.ascend(target, x, raw)),
        (rf'ordinary score ascent, $\alpha$ = {ordinary:.3f}', ORANGE,
         lambda x: theory.ascend(smoothed, x, ordinary)),
        (r'natural gradient, $\alpha$ = 1', BLUE,
         lambda x: x + theory.natural_gradient(target, x, sigma)),
        (r'natural gradient, $\alpha$ = 1, 1000 samples', GREEN, _sampled(target, sigma, 1000)),
    ]  # fmt: skip
    figure = _figure(10.5, 3.9)
    plane, gap = figure.subplots(1, 2, width_ratios=(1.35, 1.0))
    a, b = np.meshgrid(np.linspace(-1.0, 3.4, 200), np.linspace(-0.4, 0.5, 200))
    level = theory.log_density(target, np.stack([a, b], axis=-1))
    plane.contour(a, b, level, levels=-np.array([30, 20, 12, 7, 4, 2, 0.7, 0.15]), colors=GRID)
    plane.grid(visible=False)
    for label, colour, move in walks:
        walk = [start]
        for _ in range(count):
            walk.append(move(walk[-1]))
        at = np.array(walk)
        plane.plot(*at.T, 'o-', color=colour, ms=3.5, lw=1.2, label=label)
        missing = np.maximum(top - theory.log_density(smoothed, at), 1e-9)
        gap.semilogy(missing, 'o-', color=colour, ms=3.5, lw=1.2)
    angle = np.linspace(0.0, 2.0 * np.pi, 100)
    plane.plot(start[0] + 0.5 * np.cos(angle), start[1] + 0.05 * np.sin(angle), '--', color=INK,
               lw=0.8)
    plane.annotate(r'½$\sigma$ of the noise', (start[0] - 0.35, start[1] + 0.035), (0.9, 0.41),
                   arrowprops={'arrowstyle': '-', 'color': MUTED, 'lw': 0.6})
    plane.set(xlabel='first control', ylabel='second control', xlim=(-1.0, 3.4), ylim=(-0.4, 0.5))
    figure.legend(loc='outside upper left', ncols=4, fontsize=8)
    gap.set(xlabel='iteration', ylabel=r'$L_\Sigma$ still to gain', ylim=(1e-5, 30.0))
    return figure


def _sampled(
    target: GaussianMixtureTarget, sigma: Array, samples: int
) -> Callable[[Array], Array]:
    """Return the textbook update from `samples` fresh samples a call."""
    random = np.random.default_rng(4)

    def move(x: Array) -> Array:
        noise = random.normal(size=(samples, 2)) @ np.linalg.cholesky(sigma).T
        w = score.weights(theory.cost(target, x + noise), target.temperature)
        moved: Array = x + score.natural_gradient(w, noise)
        return moved

    return move


def iterations() -> Figure:
    """Draw L_Σ, ESS and the squared step over iterations of the optimiser itself."""
    steps_, m, samples = 20, 2, 1000
    random = np.random.default_rng(0)
    centre = np.cumsum(random.normal(size=(steps_, m)), axis=0) * 0.4

    def bowl(controls: NDArray[np.float32]) -> Array:
        squares: Array = np.square(controls - centre).sum(axis=(1, 2))
        return squares

    figure = _figure(10.5, 3.4)
    ascent, size, step = figure.subplots(1, 3)
    n = steps_ * m
    lam = 1.0
    exact = GaussianMixtureTarget.quadratic(2.0 * np.eye(n), centre.ravel(), lam)
    for label, colour, fixed in (
        (r'$\lambda$ = 1', ORANGE, 1.0),
        (f'ESS = {MppiParameters().ess_share:.2g} K', BLUE, 0.0),
    ):
        parameters = MppiParameters(
            temperature=fixed, samples=samples, horizon_steps=steps_, sigma=(0.3, 0.3), alpha=0.7,
            noise=NoiseParameters(0.0, 0.0, antithetic=False),
        )  # fmt: skip
        optimizer = Optimizer(parameters, m)
        smoothed = theory.smoothed(exact, 0.09 * np.eye(n))
        levels, steps = [], []
        for _ in range(40):
            levels.append(float(theory.log_density(smoothed, optimizer.mean.ravel())))
            steps.append(optimizer.step(bowl))
        ess = np.array([one.ess for one in steps])
        ascent.plot(levels, color=colour, label=label)
        size.semilogy(ess, color=colour)
        step.semilogy([one.score_norm**2 for one in steps], color=colour)
        step.semilogy(score.noise_floor(n, 1.0) / ess, '--', color=colour, lw=1.0)
    best = float(theory.log_density(smoothed, centre.ravel()))
    ascent.axhline(best, color=MUTED, lw=0.8, ls=':')
    ascent.set(xlabel='iteration', ylabel=r'$L_\Sigma(\bar x)$ at $\lambda$ = 1, exact')
    ascent.legend(loc='lower right')
    size.set(xlabel='iteration', ylabel='effective sample size', ylim=(1.0, samples))
    step.set(xlabel='iteration', ylabel=r'$\|\sum w z\|^2$,  dashed: floor n/ESS')
    return figure


FIGURES: dict[str, Callable[[], Figure]] = {
    'smoothing': smoothing,
    'score_field': score_field,
    'steps': steps,
    'iterations': iterations,
}


if __name__ == '__main__':
    raise SystemExit(main())
