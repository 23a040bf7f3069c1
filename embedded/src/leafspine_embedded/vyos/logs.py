"""A router's log as `show log` prints it: the lines of its FRR daemons and its commits, in order of time. Pure."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence

# `2026/11/25 14:05:06 BGP: [M59KS-A3ZXZ] text`
_LINE = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? (\w+): (?:\[[0-9A-Z]{5}-[0-9A-Z]{5}\])?(?:\[EC \d+\])? ?(.*)")
_DAEMONS = {"ZEBRA": "zebra", "BGP": "bgpd", "STATIC": "staticd", "BFD": "bfdd", "MGMTD": "mgmtd"}
# What `show log protocol NAME` shows.
PROTOCOLS = {"bgp": "bgpd", "bfd": "bfdd", "static": "staticd", "zebra": "zebra"}
Entry = tuple[str, str, str]  # time as YYYY-MM-DD HH:MM:SS, program, text


def parse(text: str) -> list[Entry]:
    """The entries of a daemon's log; a line that goes on belongs to the one before."""
    found: list[Entry] = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is not None:
            year, month, day, clock, name, rest = match.groups()
            found.append((f"{year}-{month}-{day} {clock}", _DAEMONS.get(name, name.lower()), rest))
        elif found and line.strip():
            when, program, rest = found[-1]
            found[-1] = (when, program, f"{rest} {line.strip()}")
    return found


def shown(entries: Iterable[Entry], hostname: str) -> str:
    """Lines as the system log writes them."""
    return "".join(f"{_date(when)} {hostname} {program}: {text}\n" for when, program, text in sorted(entries, key=lambda entry: entry[0]))


def _date(when: str) -> str:
    return time.strftime("%b %d %H:%M:%S", time.strptime(when, "%Y-%m-%d %H:%M:%S"))


def commits(revisions: Iterable[tuple[str, str, str, str | None]]) -> list[Entry]:
    """Entries of commits: (when, user, via, comment)."""
    return [
        (when, "vyos-configd", f"Commit by {user} via {via}" + (f": {comment}" if comment else "")) for when, user, via, comment in revisions if via != "init"
    ]


def tail(text: str, words: Sequence[str]) -> str:
    """`tail [N]` of `show log`: the last lines, ten without a number."""
    number = int(words[0]) if words and words[0].isdigit() else 10
    lines = text.splitlines()[-number:] if number else []
    return "".join(f"{line}\n" for line in lines)
