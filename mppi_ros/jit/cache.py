"""
File cache of the machine code of Numba kernels that is never stale and tolerates corrupt files.

Numba's own cache checks only the source file of the kernel, so a change of an inlined function in
another file would leave old machine code in use. It also unpickles any file: a truncated file
ends the program at import, and users with write access to the directory can execute code in this
process. Here

- the stamp of a cache is a digest of the kernel's module and of all modules that it imports from
  this package or its own. Numba adds its version, the processor and the argument types;
- each file is replaced atomically and verified by a digest before it is unpickled;
- nothing is read from a directory that users other than root and the current one may write to;
- a failure costs a compilation and one log line.
"""

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
import functools
import hashlib
import importlib.util
import inspect
import logging
import os
from pathlib import Path
import sys
from typing import Any

from numba import __version__ as numba_version
from numba import config, njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

from mppi_ros.jit.cache_files import CacheFiles

log = logging.getLogger(__name__)


def cached_njit(*signatures: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """
    Return the decorator numba.njit with the cache of this module.

    Parameters
    ----------
    *signatures : str
        Compiled at once, as with njit; no other signatures are compiled later.
    **options
        Options of njit.

    """

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = cached(njit(no_cfunc_wrapper=True, **options)(function), function)
        for signature in signatures:
            dispatcher.compile(signature)
        if signatures:
            dispatcher.disable_compile()
        return dispatcher

    return decorate


def cached(dispatcher: Any, function: Callable[..., Any]) -> Any:
    """
    Enable the file cache of a function's dispatcher.

    The directory is NUMBA_CACHE_DIR if set, else the __pycache__ of the source or, if that is
    read-only, the user's cache directory. Without a source file nothing is cached.
    """
    if _has_source(function):
        dispatcher._cache = KernelCache(function)
    return dispatcher


class KernelCache(FunctionCache):
    """Numba's cache of one function, tolerating corrupt, read-only or untrusted files."""

    def __init__(self, function: Callable[..., Any]) -> None:
        # The base class is not initialised, since it selects a directory by writing to it. A
        # read-only cache, as in the image of a robot, is still useful.
        self._name = repr(function)
        self._py_func = function
        self._impl = _CompileResults(function)
        made_of = f'{numba_version} {stamp(function)}'
        self._files = [
            CacheFiles(folder, self._impl.filename_base, made_of)
            for folder in _candidate_folders(inspect.getfile(function))
        ]
        self._cache_path = str(self._files[0].folder)
        self.enable()

    def flush(self) -> None:
        """Remove all machine code of the function."""
        for files in self._files:
            with suppress(OSError):
                files.forget()

    def _load_overload(self, signature: Any, context: Any) -> Any:
        if not self._enabled:
            return None
        key = self._index_key(signature, context.codegen())
        for files in self._files:
            try:
                found = files.load(key)
                if found is not None:
                    return self._impl.rebuild(context, found)
            except Exception as error:  # unpickling raises any type
                _warn_once('read', files.folder, error, 'it is recompiled')
        for call in _on_miss:
            call()
        return None

    def _save_overload(self, signature: Any, result: Any) -> None:
        if not (self._enabled and self._impl.check_cachable(result)):
            return
        key, reduced = self._index_key(signature, result.codegen), self._impl.reduce(result)
        for files in self._files:
            try:
                files.save(key, reduced)
                return
            except OSError as error:
                problem = files.folder, error
        _warn_once('written', *problem, 'it is compiled at each start')


class _CacheLocation(_CacheLocator):
    """Locator with a fixed location; KernelCache selects the directory."""

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        self._py_file = file
        self._line = function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> '_CacheLocation':
        return cls(function, file)

    def get_cache_path(self) -> str:
        return os.path.dirname(self._py_file)

    def get_source_stamp(self) -> str:
        return ''

    def get_disambiguator(self) -> str:
        return str(self._line)


class _CompileResults(CompileResultCacheImpl):
    _locator_classes = [_CacheLocation]


def _candidate_folders(source: str) -> list[Path]:
    """Return the possible directories of the machine code of a source file, preferred first."""
    within = _CacheLocator.get_suitable_cache_subpath(source)
    if config.CACHE_DIR:
        return [Path(os.path.abspath(config.CACHE_DIR), within)]
    folders = [os.path.join(os.path.dirname(source), '__pycache__')]
    home = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    if os.path.isabs(home):  # expanduser keeps ~ for a user without a home
        folders.append(os.path.join(home, 'numba', within))
    return [Path(os.path.abspath(folder)) for folder in folders]


def _warn_once(done: str, folder: Path, error: Exception, instead: str) -> None:
    """Log the first problem of a kind, since there may be one per kernel."""
    if done not in _warned:
        _warned.add(done)
        message = str(error) or type(error).__name__
        log.warning(f'Machine code in {folder} cannot be {done}: {message}; {instead}')


_warned: set[str] = set()
_on_miss: list[Callable[[], None]] = []


@contextmanager
def on_miss(call: Callable[[], None]) -> Iterator[None]:
    """Call a function within this block before each kernel that is not in its cache."""
    _on_miss.append(call)
    try:
        yield
    finally:
        _on_miss.pop()


def is_writable() -> bool:
    """Return whether all machine code that this process compiled has been saved."""
    return 'written' not in _warned


def _has_source(function: Callable[..., Any]) -> bool:
    """Return whether the source of a function is that of its module's file."""
    file = getattr(sys.modules.get(function.__module__), '__file__', None) or ''
    within = inspect.getfile(function)
    return file.endswith('.py') and os.path.exists(within) and os.path.samefile(file, within)


def stamp(function: Callable[..., Any]) -> str:
    """Return the digest of all sources that may affect `function`."""
    packages = frozenset({function.__module__.split('.')[0], __name__.split('.')[0]})
    found, waiting = set[str](), [function.__module__]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _read(module, packages)[1]
    # with the name, since machine code of `python module.py` cannot be loaded after an import
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
    """Yield all possible modules of the imports of a source: a and a.b for `from a import b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = importlib.util.resolve_name('.' * node.level + (node.module or ''), package)
            yield name
            yield from (f'{name}.{alias.name}' for alias in node.names)
