"""
Numba's file cache, kept honest: a change of any module that a kernel is made of compiles it anew.

Numba looks at the file of a kernel alone, so an edit of a function that the kernel inlines from
another file would leave the old machine code in use. Here the stamp of a cache is a digest of the
kernel's module and of all modules that it imports from this package or its own. Numba itself adds
its version, the processor and the types of the arguments.
"""

import ast
from collections.abc import Callable, Iterator
import functools
import hashlib
import importlib.util
from pathlib import Path
import sys
from typing import Any


def cached(dispatcher: Any, function: Callable[..., Any]) -> Any:
    """
    Let the dispatcher of a function keep its machine code in files, where there is a place.

    That is beside the source or, where that is read-only, in the user's own cache folder.
    """
    try:
        dispatcher.enable_caching()
    except RuntimeError:  # no place at all: compile at each start
        return dispatcher
    dispatcher._cache._cache_file._source_stamp = stamp(function)
    return dispatcher


def stamp(function: Callable[..., Any]) -> str:
    """Return the digest of all sources that `function` may be made of."""
    packages = frozenset({function.__module__.split('.')[0], __name__.split('.')[0]})
    found, waiting = set[str](), [function.__module__]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _read(module, packages)[1]
    # the name: machine code from `python module.py` cannot be loaded where it is imported
    digest = hashlib.sha256(function.__module__.encode())
    for module in sorted(found):
        digest.update(_read(module, packages)[0])
    return digest.hexdigest()


@functools.cache
def _read(module: str, packages: frozenset[str]) -> tuple[bytes, tuple[str, ...]]:
    """Return a module's source and the modules that it imports from `packages`."""
    file = getattr(sys.modules[module], '__file__', None)
    if file is None or not file.endswith('.py'):
        return b'', ()
    source = Path(file).read_bytes()
    names = _imports(source, sys.modules[module].__package__ or '')
    return source, tuple(
        name for name in names if name in sys.modules and name.split('.')[0] in packages
    )


def _imports(source: bytes, package: str) -> Iterator[str]:
    """Yield what a source may import as a module: both a and a.b where it imports b from a."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = importlib.util.resolve_name('.' * node.level + (node.module or ''), package)
            yield name
            yield from (f'{name}.{alias.name}' for alias in node.names)
