"""What `service ssh` and `system login` say about SSH logins, as the server's options. Pure."""

from __future__ import annotations

from typing import Any

from .tree import Tree

# The groups VyOS puts every login user in.
GROUPS = frozenset({"users", "frr", "frrvty", "vyattacfg", "sudo", "adm", "dip", "disk"})
# What `asyncssh.listen` does when nothing is said.
DEFAULTS: dict[str, Any] = {"encryption_algs": (), "mac_algs": (), "kex_algs": (), "rekey_bytes": 1 << 30, "rekey_seconds": 3600}
_LISTS = {"ciphers": "encryption_algs", "mac": "mac_algs", "key-exchange": "kex_algs"}


def options(tree: Tree) -> dict[str, Any]:
    """Algorithms and rekeying, under the names of `asyncssh.listen`; plain JSON data. What is not configured is left out."""
    found: dict[str, Any] = {}
    for name, option in _LISTS.items():
        values = tree.values("service", "ssh", name)
        if values:
            found[option] = values
    megabytes, minutes = (tree.value("service", "ssh", "rekey", name) for name in ("data", "time"))
    if megabytes is not None:
        found["rekey_bytes"] = int(megabytes) * 1024 * 1024
    if minutes is not None:
        found["rekey_seconds"] = int(minutes) * 60
    return found


def may_enter(tree: Tree, user: str) -> bool:
    """`service ssh access-control`, in sshd's order: who is denied stays out, who is not among the allowed too."""
    path = ("service", "ssh", "access-control")
    if user in tree.values(*path, "deny", "user") or GROUPS & set(tree.values(*path, "deny", "group")):
        return False
    users, groups = tree.values(*path, "allow", "user"), tree.values(*path, "allow", "group")
    return (not users or user in users) and (not groups or bool(GROUPS & set(groups)))


def banner(tree: Tree, which: str) -> str | None:
    """A login banner (`pre-login`, `post-login`) with its line ends."""
    text = tree.value("system", "login", "banner", which)
    return None if text is None else text.replace("\\n", "\n").replace("\\t", "\t") + "\n"


def idle_seconds(tree: Tree) -> int | None:
    """Seconds without a key after which a login ends, None for no limit."""
    value = tree.value("system", "login", "timeout")
    return None if value is None else int(value)
