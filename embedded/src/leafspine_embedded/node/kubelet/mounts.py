"""What a container sees of the machine, as a list of mounts for init.py. Pure.

A root directory of its own (a small tmpfs), the machine's /usr read only, a fresh /proc and /sys of its own namespaces, six devices. Nothing
of the machine's /home, /root, /var, /run or /etc, so neither the engine's state nor the machine's secrets.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Entry = dict[str, Any]

# Linux capabilities in the order of their numbers (linux/capability.h).
_ALL = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN "
    "NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME "
    "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ "
    "PERFMON BPF CHECKPOINT_RESTORE"
)
CAPABILITIES = {name: number for number, name in enumerate(_ALL.split())}
# A container runtime's default set, without MKNOD: there is no device control group here to hold it.
_USUAL = "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT AUDIT_WRITE SETFCAP"
DEFAULT = frozenset(_USUAL.split())
# What even a privileged container must not do to the machine it shares with the lab: load modules, reboot, set the clock, make devices.
NEVER = frozenset({"SYS_MODULE", "SYS_RAWIO", "SYS_BOOT", "SYS_TIME", "MKNOD"})

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_READ_ONLY_PROC = ("bus", "fs", "irq", "sys", "sysrq-trigger")
_MASKED_PROC = ("acpi", "kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug", "scsi", "asound")
_MASKED_SYS = ("firmware", "devices/virtual/powercap")
# Never for a container, privileged or not: they act on the whole machine.
_MACHINE_PROC = ("sysrq-trigger", "sys/kernel", "sys/vm", "sys/fs", "kcore")


def capabilities(privileged: bool, add: Iterable[str] = (), drop: Iterable[str] = ()) -> list[int]:
    """The kept capability numbers. add/drop as in securityContext (`NET_ADMIN`, `ALL`). Raises ValueError for an unknown name."""
    if privileged:
        names = set(CAPABILITIES)
    else:
        names = set(DEFAULT)
        removed = {_name(item) for item in drop}
        names = set() if "ALL" in removed else names - removed
        added = {_name(item) for item in add}
        names |= set(CAPABILITIES) if "ALL" in added else added
    return sorted(CAPABILITIES[name] for name in names - NEVER)


def _name(text: str) -> str:
    name = text.upper().removeprefix("CAP_")
    if name != "ALL" and name not in CAPABILITIES:
        raise ValueError(f"unknown capability: {text}")
    return name


def _bind(source: str, target: str, read_only: bool = True) -> Entry:
    return {"kind": "bind", "source": source, "target": target, "read_only": read_only}


def _programs() -> list[Entry]:
    """/usr and what leads to it; the interpreter's own directory when it lives elsewhere."""
    entries = [_bind("/usr", "/usr")]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            entries.append({"kind": "symlink", "source": os.readlink(path), "target": f"/{name}"})
        elif path.is_dir():
            entries.append(_bind(str(path), f"/{name}"))
    base = Path(sys.base_prefix).resolve()
    if not base.is_relative_to("/usr"):
        entries.append(_bind(str(base), str(base)))
    return entries


def _etc(files: dict[str, str]) -> list[Entry]:
    """A container's /etc. files: name -> machine path of the kubelet's resolv.conf, hosts, hostname."""
    # Debian's tcpdump gives up root for a user of its own name.
    users = (("root", 0, "/root", "/bin/sh"), ("tcpdump", 101, "/nonexistent", "/usr/sbin/nologin"), ("nobody", 65534, "/nonexistent", "/usr/sbin/nologin"))
    passwd = "".join(f"{name}:x:{number}:{number}:{name}:{home}:{shell}\n" for name, number, home, shell in users)
    entries: list[Entry] = [
        {"kind": "file", "target": "/etc/passwd", "text": passwd},
        {"kind": "file", "target": "/etc/group", "text": "root:x:0:\ntty:x:5:\ntcpdump:x:101:\nnogroup:x:65534:\n"},
        {"kind": "file", "target": "/etc/nsswitch.conf", "text": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"},
    ]
    for name in ("alternatives", "ssl/certs", "ld.so.cache", "protocols", "services"):
        if os.path.exists(f"/etc/{name}"):
            entries.append(_bind(f"/etc/{name}", f"/etc/{name}"))
    return [*entries, *(_bind(source, f"/etc/{name}", read_only=False) for name, source in files.items())]


def _devices(privileged: bool) -> list[Entry]:
    entries: list[Entry] = [{"kind": "tmpfs", "target": "/dev", "options": "mode=755,size=64k"}]
    entries += [_bind(f"/dev/{name}", f"/dev/{name}", read_only=False) for name in _DEVICES]
    if privileged and os.path.exists("/dev/net/tun"):
        entries.append(_bind("/dev/net/tun", "/dev/net/tun", read_only=False))
    entries += [
        {"kind": "devpts", "target": "/dev/pts"},
        {"kind": "symlink", "source": "pts/ptmx", "target": "/dev/ptmx"},
        {"kind": "symlink", "source": "/proc/self/fd", "target": "/dev/fd"},
        *({"kind": "symlink", "source": f"/proc/self/fd/{number}", "target": f"/dev/{name}"} for number, name in enumerate(("stdin", "stdout", "stderr"))),
        {"kind": "tmpfs", "target": "/dev/shm", "options": "mode=1777,size=16m"},
    ]
    return entries


def plan(*, privileged: bool, etc: dict[str, str], image_files: Iterable[tuple[str, str]] = (), volumes: Iterable[Entry] = ()) -> list[Entry]:
    """All mounts of one container, in order.

    etc: kubelet's files for /etc (name -> path). image_files: (machine path, container path) of the image. volumes: ready entries.
    """
    entries: list[Entry] = [{"kind": "tmpfs", "target": "/", "options": "mode=755,size=64m"}, *_programs(), *_etc(etc)]
    entries += [
        {"kind": "directory", "target": "/tmp", "mode": 0o1777},
        {"kind": "directory", "target": "/run", "mode": 0o755},
        {"kind": "directory", "target": "/root", "mode": 0o700},
        {"kind": "directory", "target": "/var/tmp", "mode": 0o1777},
        {"kind": "directory", "target": "/var/log", "mode": 0o755},
        {"kind": "directory", "target": "/var/www/html", "mode": 0o755},
        {"kind": "symlink", "source": "/run", "target": "/var/run"},
        {"kind": "proc", "target": "/proc"},
        {"kind": "sysfs", "target": "/sys", "read_only": not privileged},
        *_devices(privileged),
    ]
    proc = _MACHINE_PROC if privileged else _READ_ONLY_PROC
    entries += [{"kind": "read-only", "target": f"/proc/{name}"} for name in proc]
    if not privileged:
        entries += [{"kind": "mask", "target": f"/proc/{name}"} for name in _MASKED_PROC]
        entries += [{"kind": "mask", "target": f"/sys/{name}"} for name in _MASKED_SYS]
    entries += [_bind(source, target) for source, target in image_files]
    return [*entries, *volumes]
