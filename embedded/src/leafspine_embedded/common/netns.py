"""Named network namespaces, as `ip netns` keeps them: a bind mount of the namespace under /run/netns.

A namespace is made in a short-lived thread (unshare works per thread), so no process is forked for it: about 0.3 ms instead of 15.
Python has os.setns and os.unshare only from 3.12 on, hence the calls through libc.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from .errors import EngineError

DIRECTORY = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_MS_BIND, _MS_REC, _MS_SHARED = 0x1000, 0x4000, 0x100000
_MNT_DETACH = 2
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,250}")

_libc = ctypes.CDLL(None, use_errno=True)


def _call(function: str, *arguments: object) -> None:
    """One libc call that returns 0 or sets errno; raises OSError."""
    if getattr(_libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def _mount(source: str, target: str, flags: int) -> None:
    _call("mount", source.encode(), target.encode(), b"none", ctypes.c_ulong(flags), None)


def path(name: str) -> str:
    """The file that stands for the namespace. Raises EngineError for a name that could leave the directory."""
    if not _NAME.fullmatch(name):
        raise EngineError(f'"{name}" cannot name a network namespace: letters, digits, ".", "_" and "-" only')
    return str(DIRECTORY / name)


def exists(name: str) -> bool:
    """True when the name stands for a live namespace (a file left over without its mount is not one)."""
    try:
        return os.stat(path(name)).st_dev != os.stat(DIRECTORY).st_dev
    except FileNotFoundError:
        return False


def inode(name: str) -> int:
    """The kernel's number of the namespace: equal numbers mean the same namespace. Raises FileNotFoundError."""
    return os.stat(path(name)).st_ino


def _prepare_directory() -> None:
    """/run/netns as a shared mount, like `ip netns` makes it: else other mount namespaces do not see what is added or removed."""
    DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        _mount("", str(DIRECTORY), _MS_SHARED | _MS_REC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        _mount(str(DIRECTORY), str(DIRECTORY), _MS_BIND | _MS_REC)
        _mount("", str(DIRECTORY), _MS_SHARED | _MS_REC)


def create(name: str) -> None:
    """Make a namespace. A left-over file without a mount is reused; a live namespace of that name raises FileExistsError."""
    target = path(name)
    if exists(name):
        raise FileExistsError(errno.EEXIST, "network namespace exists", target)
    _prepare_directory()
    with open(target, "ab"):
        os.chmod(target, 0o444)
    failures: list[BaseException] = []

    def make() -> None:
        try:
            _call("unshare", _CLONE_NEWNET)
            _mount(f"/proc/self/task/{threading.get_native_id()}/ns/net", target, _MS_BIND)
        except BaseException as error:
            failures.append(error)

    worker = threading.Thread(target=make, name=f"netns-{name}")
    worker.start()
    worker.join()
    if failures:
        with contextlib.suppress(OSError):
            os.unlink(target)
        raise failures[0]


def delete(name: str) -> None:
    """Remove the name; the kernel drops the namespace with its last process and socket. No error when it is not there."""
    target = path(name)
    while True:
        try:
            _call("umount2", target.encode(), _MNT_DETACH)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOENT):
                raise
            break
    with contextlib.suppress(FileNotFoundError):
        os.unlink(target)


def prefix(name: str) -> list[str]:
    """The argument vector that runs a command in the namespace. nsenter, because `ip netns exec` also remounts /sys."""
    return ["nsenter", f"--net={path(name)}", "--"]


@contextlib.contextmanager
def entered(name: str) -> Iterator[None]:
    """Run the body with the calling *thread* inside the namespace; sockets opened and processes started there belong to it.

    Never await inside the body: the event loop would run other tasks in the wrong namespace. Raises EngineError when it does not exist.
    """
    try:
        wanted = os.open(path(name), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise EngineError(f'network namespace "{name}" does not exist') from None
    try:
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _call("setns", wanted, _CLONE_NEWNET)
            try:
                yield
            finally:
                _call("setns", here, _CLONE_NEWNET)
        finally:
            os.close(here)
    finally:
        os.close(wanted)


def listen(name: str, address: str, port: int, *, backlog: int = 128) -> socket.socket:
    """A listening TCP socket inside the namespace; the address need not be configured yet. The socket may be used from anywhere."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with entered(name):
        server = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
        server.bind((address, port))
        server.listen(backlog)
    except BaseException:
        server.close()
        raise
    return server


def processes(name: str) -> list[int]:
    """Process ids (of every thread group) that live in the namespace. Empty when it does not exist."""
    try:
        wanted = os.stat(path(name))
    except FileNotFoundError:
        return []
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):
            theirs = os.stat(f"/proc/{entry}/ns/net")
            if (theirs.st_dev, theirs.st_ino) == (wanted.st_dev, wanted.st_ino):
                found.append(int(entry))
    return found
