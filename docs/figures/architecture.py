"""
Draw the figures of docs/architecture.md from the code.

`architecture.png` shows the layers of the import contract in pyproject.toml and the packages that
each one imports. `architecture_tick.png` shows the modules that `Controller.tick` calls.
"""

from __future__ import annotations

import ast
from fnmatch import fnmatch
from pathlib import Path
import re
import sys
import textwrap

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / 'mppi_ros'
IMAGES = ROOT / 'docs' / 'images'
LAYERS_IMAGE = IMAGES / 'architecture.png'
TICK_IMAGE = IMAGES / 'architecture_tick.png'
INK, EDGE, FILL, ROS = '#1f2933', '#7b8794', '#eef3fb', '#fdf1e7'
# Steps of a tick and the calls 'module.function' that belong to them; the first match counts.
STEPS = (
    ('Predict the state at actuation time', ('*.predict', '*.pending', 'prediction.*')),
    ('Check the inputs', ('input_monitor.*', 'odometry_*')),
    ('Use the newest processed costmap', ('costmap_updater.*', 'costmap_processing.*')),
    ('Track the plan and the progress', ('plan_tracker.*', 'progress.*')),
    ('Optimise', ('optimization.*', 'optimizer.*', 'objective.*', 'obstacle_tracking.*')),
    ('Check that the robot can stop', ('stopping_check.*',)),
    ('Fall back if the check fails', ('fallback.*',)),
)
ORDER = (2, 1, 0, 3, 4, 5, 6)  # of STEPS in a tick


def contracts() -> list[dict]:
    """Return the import contracts of pyproject.toml."""
    settings = tomllib.loads((ROOT / 'pyproject.toml').read_text('utf-8'))
    return settings['tool']['importlinter']['contracts']


def layers() -> list[list[str]]:
    """Return the packages from top to bottom, as the import contract has them."""
    (contract,) = (c for c in contracts() if c['type'] == 'layers')
    return [[name.strip(' ()') for name in re.split('[:|]', row)] for row in contract['layers']]


def without_ros() -> set[str]:
    """Return the packages that a contract forbids to import rclpy."""
    found = [c for c in contracts() if 'rclpy' in c.get('forbidden_modules', ())]
    return {name.rsplit('.', 1)[-1] for c in found for name in c['source_modules']}


def purpose(name: str) -> str:
    """Return the first line of the docstring of a package or of a module, as control.inputs."""
    path = PACKAGE / name.replace('.', '/')
    path = path / '__init__.py' if path.is_dir() else path.with_suffix('.py')
    return (ast.get_docstring(ast.parse(path.read_text('utf-8'))) or '').splitlines()[0]


def imports(package: str, names: list[str]) -> list[str]:
    """Return those of the packages `names` that a package imports."""
    used = set()
    for path in (PACKAGE / package).rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text('utf-8'))):
            if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('mppi_ros.'):
                used.add(node.module.split('.')[1])
            elif isinstance(node, ast.ImportFrom) and node.module == 'mppi_ros':
                used.update(alias.name for alias in node.names)
    return [name for name in names if name in used and name != package]


def calls_of_tick() -> list[tuple[str, str]]:
    """Return module and function of the calls that `Controller.tick` leads to."""
    return _Trace('mppi_ros.control.controller', 'Controller').calls


class _Trace:
    """Calls of `tick` and of the methods of its class and base classes that it uses, by module."""

    def __init__(self, module: str, name: str) -> None:
        self.modules: dict[str, str] = {}
        self.methods: dict[str, ast.FunctionDef] = {}
        self.attributes: dict[str, str] = {}
        self._read(module, name)
        self.calls: list[tuple[str, str]] = []
        self._visited = {'tick'}
        self._visit(self.methods['tick'], {})

    def _read(self, module: str, name: str) -> None:
        """Read imports, methods and attributes of a class, then those of its base classes."""
        tree = ast.parse((ROOT / (module.replace('.', '/') + '.py')).read_text('utf-8'))
        (owner,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('mppi_ros'):
                for alias in node.names:
                    full = f'{node.module}.{alias.name}'
                    is_module = (ROOT / (full.replace('.', '/') + '.py')).exists()
                    known = full if is_module else str(node.module)
                    self.modules.setdefault(alias.asname or alias.name, known)
        methods = {m.name: m for m in owner.body if isinstance(m, ast.FunctionDef)}
        self.methods = {**methods, **self.methods}
        for base in owner.bases:
            if isinstance(base, ast.Name) and base.id in self.modules:
                self._read(self.modules[base.id], base.id)
        for attribute, method in methods.items():
            if method.returns is not None:  # properties
                self._note(attribute, method.returns)
            for node in ast.walk(method):
                if isinstance(node, (ast.Assign, ast.AnnAssign)):
                    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                    value = node.annotation if isinstance(node, ast.AnnAssign) else node.value
                    if isinstance(target, ast.Attribute) and ast.unparse(target.value) == 'self':
                        self._note(target.attr, value)

    def _note(self, attribute: str, value: ast.expr) -> None:
        for node in ast.walk(value):
            if isinstance(node, ast.Name) and node.id in self.modules:
                self.attributes.setdefault(attribute, self.modules[node.id])
                return

    def _visit(self, node: ast.AST, variables: dict[str, str]) -> None:
        for child in ast.iter_child_nodes(node):
            self._visit(child, variables)
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            pairs = zip(target.elts, value.elts, strict=False) if both else [(target, value)]
            for name, given in pairs:
                module = self._module(given, variables)
                if isinstance(name, ast.Name) and module is not None:
                    variables[name.id] = module
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == 'self':
            if node.attr in self.methods and node.attr not in self._visited:
                self._visited.add(node.attr)
                self._visit(self.methods[node.attr], {})
        elif isinstance(node, ast.Call):
            module = self._module(node.func, variables)
            if module is not None:
                self.calls.append((module, ast.unparse(node.func).rsplit('.', 1)[-1]))

    def _module(self, node: ast.AST, variables: dict[str, str]) -> str | None:
        while isinstance(node, (ast.Attribute, ast.Call)):
            if isinstance(node, ast.Call):
                node = node.func
            elif ast.unparse(node.value) == 'self':
                return self.attributes.get(node.attr)
            else:
                node = node.value
        if isinstance(node, ast.Name):
            return variables.get(node.id) or self.modules.get(node.id)
        return None


def steps() -> list[tuple[str, list[str]]]:
    """Return the steps of a tick, each with the modules whose functions the code calls for it."""
    found: dict[int, list[str]] = {}
    for module, function in calls_of_tick():
        short = module.rsplit('.', 1)[-1]
        for i, (_, patterns) in enumerate(STEPS):
            if any(fnmatch(f'{short}.{function}', pattern) for pattern in patterns):
                modules = found.setdefault(i, [])
                if (name := module.split('.', 1)[1]) not in modules:
                    modules.append(name)
                break
    return [(STEPS[i][0], found[i]) for i in ORDER if i in found]


def draw(folder: Path = IMAGES) -> None:
    """Write both figures."""
    draw_layers(folder / LAYERS_IMAGE.name)
    draw_tick(folder / TICK_IMAGE.name)


def draw_layers(path: Path) -> None:
    """Write the figure of the layers; its metadata holds the content."""
    rows = layers()
    names = [name for row in rows for name in row]
    quiet = without_ros()
    boxes = []
    for row in rows:
        width = 100 // len(row) - 8
        texts = []
        for name in row:
            lower = imports(name, names)
            lines = textwrap.wrap(purpose(name), int(0.78 * width))
            lines += textwrap.wrap(f'imports {", ".join(lower)}' if lower else 'imports no layer',
                                   int(0.78 * width))
            texts.append(lines)
        boxes.append((row, texts, 1.5 + 0.95 * max(map(len, texts))))
    gap = 0.9
    height = sum(h + gap for *_, h in boxes) + 1.6
    figure = Figure(figsize=(6.2, 0.19 * height), dpi=150, facecolor='white')
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 100), ylim=(0, height))
    axes.axis('off')
    top = height - 0.4
    for i, (row, texts, h) in enumerate(boxes):
        width = 98 / len(row)
        for j, (name, lines) in enumerate(zip(row, texts, strict=True)):
            fill = FILL if name in quiet else ROS
            _box(axes, 1 + j * width, top - h, width - (1 if len(row) > 1 else 0), h, name, lines,
                 fill)
        if i:
            _arrow(axes, (50, top + gap), (50, top))
        top -= h + gap
    axes.text(1, 0.7, 'blue: a contract forbids ROS imports;  arrows: imports run downward only',
              color=INK, size=8, va='center')
    figure.savefig(path, metadata={'Content': content_of_layers(), 'Software': None})


def draw_tick(path: Path) -> None:
    """Write the figure of the tick."""
    boxes = [(name, [line for module in modules
                     for line in textwrap.wrap(f'{module}: {purpose(module)}', 72)])
             for name, modules in steps()]
    gap = 0.9
    heights = [1.5 + 0.95 * len(lines) for _, lines in boxes]
    height = sum(heights) + gap * len(boxes) + 0.4
    figure = Figure(figsize=(6.2, 0.19 * height), dpi=150, facecolor='white')
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 100), ylim=(0, height))
    axes.axis('off')
    top = height - 0.4
    for i, ((name, lines), h) in enumerate(zip(boxes, heights, strict=True)):
        _box(axes, 1, top - h, 98, h, f'{i + 1}  {name}', lines, FILL)
        if i:
            _arrow(axes, (50, top + gap), (50, top))
        top -= h + gap
    figure.savefig(path, metadata={'Content': content_of_tick(), 'Software': None})


def content_of_layers() -> str:
    """Return what the figure of the layers shows, as ASCII."""
    rows = layers()
    names = [name for row in rows for name in row]
    return ascii([[(name, purpose(name), imports(name, names)) for name in row] for row in rows])


def content_of_tick() -> str:
    """Return what the figure of the tick shows, as ASCII."""
    return ascii([(title, [(m, purpose(m)) for m in modules]) for title, modules in steps()])


def shown(path: Path) -> str:
    """Return what a figure shows."""
    with Image.open(path) as image:
        return str(image.info.get('Content'))


def _box(axes, x, y, width, height, title, lines, fill):
    axes.add_patch(FancyBboxPatch(
        (x, y), width, height, boxstyle='round,pad=0,rounding_size=0.5', fc=fill, ec=EDGE, lw=0.9
    ))  # fmt: skip
    axes.text(x + 1.5, y + height - 0.85, title, color=INK, weight='bold', size=10, va='center')
    for i, line in enumerate(lines):
        axes.text(x + 1.5, y + height - 1.85 - 0.95 * i, line, color=INK, size=8.5, va='center')


def _arrow(axes, begin, end):
    axes.add_patch(FancyArrowPatch(begin, end, arrowstyle='-|>', mutation_scale=9, color=EDGE,
                                   shrinkA=0, shrinkB=0))


if __name__ == '__main__':
    draw()
