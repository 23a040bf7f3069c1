"""First program inside a container: builds its root directory, drops what it must not have, becomes the container's command.

Started by the kubelet as `python3 -I -S init.py <description.json> <status descriptor>` in new mount, UTS, IPC and PID namespaces and the
pod's network namespace; with a third argument, the id of a process in a container, it joins that container instead (`kubectl exec`).
Standard library only; it is read by an interpreter that knows nothing of the engine. On the status descriptor it writes `ready`, or
`error <text>` when the command cannot be started.

`unshare` and `nsenter` of util-linux cannot make the root directory or set capabilities, hence this file.
"""

import _socket  # type: ignore[import-not-found,unused-ignore]
import ctypes
import fcntl
import json
import os
import stat
import sys
import termios

RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
DETACH = 2
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, AMBIENT_CLEAR = 24, 38, 47, 4
LAST_CAPABILITY = 40

libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """The container cannot start; the text goes into its status."""


def call(name, *arguments):  # type: ignore[no-untyped-def]
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise Failure(f"{name}{tuple(item.decode() if isinstance(item, bytes) else item for item in arguments[:2])}: {os.strerror(number)}")


def mount(source, target, kind, flags=0, options=""):  # type: ignore[no-untyped-def]
    call("mount", source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())


def make_parent(path, directory):  # type: ignore[no-untyped-def]
    """An empty directory or file to mount on."""
    if directory:
        os.makedirs(path, mode=0o755, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    if not os.path.lexists(path):
        with open(path, "wb"):
            pass


def bind(source, target, read_only):  # type: ignore[no-untyped-def]
    make_parent(target, stat.S_ISDIR(os.stat(source).st_mode))
    mount(source, target, "none", BIND | REC)
    if read_only:
        mount("none", target, "none", REMOUNT | BIND | RDONLY)


def build(root, entries):  # type: ignore[no-untyped-def]
    """Carry out the plan of mounts.py below `root`."""
    for entry in entries:
        kind, target = entry["kind"], root + entry["target"].rstrip("/")
        if kind == "tmpfs":
            os.makedirs(target, exist_ok=True)
            mount("tmpfs", target, "tmpfs", NOSUID | NODEV, entry["options"])
        elif kind == "bind":
            bind(entry["source"], target, entry["read_only"])
        elif kind == "proc":
            os.makedirs(target, exist_ok=True)
            mount("proc", target, "proc", NOSUID | NODEV | NOEXEC)
        elif kind == "sysfs":
            os.makedirs(target, exist_ok=True)
            mount("sysfs", target, "sysfs", NOSUID | NODEV | NOEXEC | (RDONLY if entry["read_only"] else 0))
        elif kind == "devpts":
            os.makedirs(target, exist_ok=True)
            mount("devpts", target, "devpts", NOSUID | NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5")
        elif kind == "symlink":
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.symlink(entry["source"], target)
        elif kind == "directory":
            os.makedirs(target, exist_ok=True)
            os.chmod(target, entry["mode"])
        elif kind == "file":
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w") as out:
                out.write(entry["text"])
        elif kind == "read-only":
            if os.path.exists(target):
                mount(target, target, "none", BIND | REC)
                mount("none", target, "none", REMOUNT | BIND | RDONLY)
        elif kind == "mask":
            if os.path.isdir(target):
                mount("tmpfs", target, "tmpfs", RDONLY, "size=0")
            elif os.path.exists(target):
                mount("/dev/null", target, "none", BIND)
        else:
            raise Failure(f"unknown kind of mount: {kind}")


def enter_root(root, read_only):  # type: ignore[no-untyped-def]
    os.chdir(root)
    call("pivot_root", b".", b".")
    call("umount2", b".", DETACH)
    os.chdir("/")
    if read_only:
        mount("none", "/", "none", REMOUNT | RDONLY | NOSUID | NODEV)


class Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class Sets(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def drop_bounding(keep):  # type: ignore[no-untyped-def]
    for number in range(LAST_CAPABILITY + 1):
        if number not in keep:
            libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)


def set_capabilities(keep):  # type: ignore[no-untyped-def]
    header, sets = Header(0x20080522, 0), (Sets * 2)()
    call("capget", ctypes.byref(header), ctypes.byref(sets))
    mask = sum(1 << number for number in keep)
    for half in range(2):
        # The machine's own root may lack some: asking for more than there is would be refused.
        sets[half].permitted &= (mask >> (32 * half)) & 0xFFFFFFFF
        sets[half].effective, sets[half].inheritable = sets[half].permitted, 0
    call("capset", ctypes.byref(header), ctypes.byref(sets))


def become(description):  # type: ignore[no-untyped-def]
    """User, groups and capabilities. For root the kept set becomes its permitted set; another user has none, as in a container runtime."""
    keep = description["capabilities"]
    drop_bounding(keep)
    libc.prctl(PR_CAP_AMBIENT, AMBIENT_CLEAR, 0, 0, 0)
    os.setgroups(description["groups"])
    os.setgid(description["gid"])
    os.setuid(description["uid"])
    if description["uid"] == 0:
        set_capabilities(keep)
    if description["no_new_privileges"]:
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def executable(word, path):  # type: ignore[no-untyped-def]
    """The file a command word means, with the texts a container runtime uses."""
    candidates = [word] if "/" in word else [os.path.join(part, word) for part in path.split(":") if part]
    for candidate in candidates:
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    if "/" not in word:
        raise Failure(f'exec: "{word}": executable file not found in $PATH')
    why = "permission denied" if os.path.exists(word) else "no such file or directory"
    raise Failure(f'exec: "{word}": stat {word}: {why}' if why.startswith("no") else f'exec: "{word}": {why}')


def join(member):  # type: ignore[no-untyped-def]
    """Enter all namespaces of a container's process. Returns in a child: only children are born into a PID namespace; this process
    waits for it and hands its exit code on."""
    kinds = (("ipc", 0x08000000), ("uts", 0x04000000), ("net", 0x40000000), ("pid", 0x20000000), ("mnt", 0x00020000))
    try:
        spaces = [(os.open(f"/proc/{member}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC), flag) for kind, flag in kinds]
    except OSError:
        raise Failure("the container has ended") from None
    for space, flag in spaces:
        call("setns", space, flag)
        os.close(space)
    child = os.fork()
    if child == 0:
        return
    os.close(int(sys.argv[2]))  # the child alone reports
    devnull = os.open("/dev/null", os.O_RDWR)
    for stream in range(3):
        os.dup2(devnull, stream)  # else the client would wait for our end of its streams
    _pid, how = os.waitpid(child, 0)
    os._exit(os.WEXITSTATUS(how) if os.WIFEXITED(how) else 128 + os.WTERMSIG(how))


def take_terminal():  # type: ignore[no-untyped-def]
    """Make standard input this process' controlling terminal."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def main() -> int:
    with open(sys.argv[1]) as source:
        description = json.load(source)
    status = int(sys.argv[2])
    os.set_inheritable(status, False)
    try:
        os.umask(0o022)
        if len(sys.argv) > 3:
            join(int(sys.argv[3]))
        else:
            mount("none", "/", "none", REC | PRIVATE)
            _socket.sethostname(description["hostname"])
            build(description["root"], description["mounts"])
            enter_root(description["root"], description["read_only_root"])
        if description["tty"]:
            take_terminal()
        environment = description["env"]
        become(description)
        try:
            os.chdir(description["cwd"])
        except OSError as error:
            raise Failure(f"chdir to cwd ({description['cwd']!r}): {error.strerror}") from None
        program = executable(description["argv"][0], environment.get("PATH", ""))
        os.write(status, b"ready\n")
        if description["merge_errors"]:
            os.dup2(1, 2)  # until here standard error was the shim's
        os.execve(program, description["argv"], environment)
    except (Failure, OSError) as error:
        os.write(status, f"error {error}\n".encode())
        return 128
    return 0


if __name__ == "__main__":
    sys.exit(main())
