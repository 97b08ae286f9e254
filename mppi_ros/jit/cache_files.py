"""
Files of machine code that are verified before unpickling.

A power failure can truncate a file, and unpickling can execute any code. Each file is therefore
replaced atomically, verified by a digest, and read only from directories that users other than
root and the current one cannot write to.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import fcntl
import functools
import grp
import hashlib
import os
from pathlib import Path
import pickle
import pwd
import stat
import time
from typing import Any
import uuid

from numba.core.serialize import dumps

ABANDONED_AFTER = 600.0  # [s] age at which an unfinished file is orphaned
MAX_LOCK_TIME = 5.0  # [s] after which a process that holds the lock is taken to be suspended
LOCK_PERIOD = 0.01  # [s]


class CacheFiles:
    """
    Files of one function in one directory: an index, and a file of machine code per key.

    The first line of the index is the digest of the rest, the second the source stamp. The name of
    a file of machine code contains the digest of its content, so concurrent writers cannot mix up
    their keys.

    Parameters
    ----------
    folder : Path
        Directory, created on the first save.
    base : str
        Prefix of the file names.
    made_of : str
        Stamp of the sources of the machine code, without newlines.

    """

    def __init__(self, folder: Path, base: str, made_of: str) -> None:
        self.folder = Path(os.path.realpath(folder))
        self._base = base
        self._made_of = made_of.encode()
        self._index = self.folder / f'{base}.nbi'

    def load(self, key: Any) -> Any:
        """
        Return the value of a key, or None.

        Raises
        ------
        OSError
            A file cannot be read, or is writable by other users.
        ValueError
            A file is corrupt.

        """
        if not self._index.exists():
            return None
        check_trusted(self.folder)
        name = self._read_index().get(key)
        if name is None:
            return None
        try:
            content = read_trusted(self.folder / name)
        except FileNotFoundError:  # replaced by another process
            return None
        if name != self._name_of(content):
            raise ValueError(f'{name} is corrupt')
        return pickle.loads(content)

    def save(self, key: Any, value: Any) -> None:
        """
        Save the value of a key.

        Raises
        ------
        OSError
            The disk is full, or the directory is read-only or writable by other users.

        """
        _make_folder(self.folder)
        check_trusted(self.folder)
        content = dumps(value)
        name = self._name_of(content)
        with _locked(self.folder):
            _replace(self.folder / name, content)
            try:
                names = self._read_index()
            except Exception:  # corrupt: it is replaced
                names = {}
            self._write_index({**names, key: name})

    def forget(self) -> None:
        """Remove all entries."""
        if self._index.exists():
            with _locked(self.folder):
                self._write_index({})

    def _name_of(self, content: bytes) -> str:
        return f'{self._base}.{hashlib.sha256(content).hexdigest()[:32]}.nbc'

    def _read_index(self) -> dict[Any, str]:
        """Return the file name of each key; empty if the sources have changed."""
        try:
            content = read_trusted(self._index)
        except FileNotFoundError:
            return {}
        digest, _, rest = content.partition(b'\n')
        if digest != _digest(rest):
            raise ValueError(f'{self._index.name} is corrupt')
        made_of, _, names = rest.partition(b'\n')
        return dict(pickle.loads(names)) if made_of == self._made_of else {}

    def _write_index(self, names: dict[Any, str]) -> None:
        rest = self._made_of + b'\n' + dumps(names)
        _replace(self._index, _digest(rest) + b'\n' + rest)
        self._remove_all_but(set(names.values()))

    def _remove_all_but(self, named: set[str]) -> None:
        """Remove files of older sources and orphaned unfinished files."""
        for file in self.folder.iterdir():
            own = file.name.startswith(f'{self._base}.') and file.name not in named
            with suppress(OSError):
                if own and (file.suffix == '.nbc' or (
                    file.suffix == '.tmp' and file.stat().st_mtime < time.time() - ABANDONED_AFTER
                )):  # fmt: skip
                    file.unlink()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """
    Exclude other processes that save to a directory.

    Each removes the files that its index does not name, so two at once could leave an index that
    names a removed file.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        for _ in range(round(MAX_LOCK_TIME / LOCK_PERIOD)):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(LOCK_PERIOD)
            except OSError:  # the file system has no locks
                break
        yield
    finally:
        os.close(descriptor)


def check_trusted(folder: Path) -> None:
    """
    Check that only root and this user can modify the content of a directory.

    Parameters
    ----------
    folder : Path
        Absolute path without symbolic links.

    Raises
    ------
    PermissionError
        The directory or a parent belongs to another user or is writable by other users.

    """
    _check_owned(folder, folder.lstat())
    for above in folder.parents:
        found = above.lstat()
        # with the sticky bit, as in /tmp, users can replace only their own files
        sticky = bool(found.st_mode & stat.S_ISVTX)
        _check_owned(above, found, shared=sticky)


def _check_owned(path: Path, found: os.stat_result, *, shared: bool = False) -> None:
    """Check the owner of a path and, unless it may be shared, its write permissions."""
    user = os.geteuid()
    if found.st_uid not in (0, user):
        raise PermissionError(f'{path} belongs to another user')
    by_group = found.st_mode & stat.S_IWGRP and not _is_private(found.st_gid, user)
    if not shared and (found.st_mode & stat.S_IWOTH or by_group):
        raise PermissionError(f'other users may write to {path}')


@functools.cache
def _is_private(group: int, user: int) -> bool:
    """
    Return whether root and a user are the only members of a group.

    Ubuntu creates a group per user and makes directories group-writable. OpenSSH in Debian applies
    the same rule to its files.
    """
    entries = pwd.getpwall()
    own = {entry.pw_name for entry in entries if entry.pw_uid in (0, user)}
    members = {entry.pw_name for entry in entries if entry.pw_gid == group}
    with suppress(KeyError):
        members.update(grp.getgrgid(group).gr_mem)
    return bool(members) and members <= own


def _make_folder(folder: Path) -> None:
    """Create a directory and its parents, writable only by this user regardless of the umask."""
    for place in (*reversed(folder.parents), folder):
        if not place.is_dir():
            place.mkdir(0o755, exist_ok=True)


def read_trusted(file: Path) -> bytes:
    """Return the content of a file that other users cannot write to."""
    with file.open('rb') as stream:
        _check_owned(file, os.fstat(stream.fileno()))
        return stream.read()


def _replace(file: Path, content: bytes) -> None:
    """Replace a file atomically: after a power failure it is the old or the new one."""
    unfinished = file.with_name(f'{file.name}.{uuid.uuid4().hex[:16]}.tmp')
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        with open(descriptor, 'wb') as stream:
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        unfinished.replace(file)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
