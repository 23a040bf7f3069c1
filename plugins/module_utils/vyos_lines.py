"""Differences between VyOS configurations as set-lines: pure functions.

A configuration is a list of lines ``set a b 'value'`` as ``show configuration commands`` prints them. What may be deleted is
bounded by a list of owned paths; everything else on the router is somebody else's.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections.abc import Container, Iterable
from typing import Any

Path = tuple[str, ...]

MASK = "********"
_SECRET = re.compile(r"""(?<![\w-])((?:[\w-]+-)?password\s+)("[^"\n]*"|'[^'\n]*'|[^\s"']+)""")


def parse_line(line: str) -> Path:
    """The words of a set-line without ``set``; quotes removed. Raises ValueError for anything else."""
    words = shlex.split(line)
    if len(words) < 2 or words[0] != "set":
        raise ValueError(f"not a set-line: {line!r}")
    return tuple(words[1:])


def parse_lines(text: str) -> list[Path]:
    """All set-lines of a text, in order; other lines (prompts, blank lines) are left out."""
    return [parse_line(line.strip()) for line in text.splitlines() if line.strip().startswith("set ")]


def _quote(word: str) -> str:
    return word if word.replace("-", "").replace(".", "").replace("/", "").replace(":", "").replace("_", "").isalnum() else f"'{word}'"


def render(action: str, path: Path) -> str:
    """A line for ``vyos_config``; the last word is quoted where it has to be."""
    return " ".join([action, *path[:-1], _quote(path[-1])])


def owns(owned: Iterable[Path], path: Path) -> int:
    """Length of the owned prefix (whose words may hold ``*``) that covers the path, 0 when nothing of ours covers it."""
    for prefix in owned:
        if len(path) >= len(prefix) and all(fnmatch.fnmatchcase(word, pattern) for word, pattern in zip(path, prefix, strict=False)):
            return len(prefix)
    return 0


def stale_paths(running: list[Path], wanted: list[Path], owned: list[Path], kept: list[Path], valued: Container[Path]) -> list[Path]:
    """Nodes to delete: the highest node below an owned path that no wanted and no kept line needs. ``valued``: running lines that end with a value."""
    needed = {line[:depth] for line in wanted for depth in range(1, len(line) + 1)}
    needed |= {line[:depth] for line in running if owns(kept, line) for depth in range(1, len(line) + 1)}
    replaced = {line[:-1] for line in wanted}
    found: list[Path] = []
    for line in running:
        length = owns(owned, line)
        if not length or line in needed:
            continue
        for depth in range(length, len(line) + 1):
            if line[:depth] not in needed:
                # A single-valued leaf that is set anew needs no delete; VyOS replaces the value.
                if not (depth == len(line) and line in valued and line[:-1] in replaced and _single(line, running)):
                    found.append(line[:depth])
                break
    return list(dict.fromkeys(found))


def _single(line: Path, running: list[Path]) -> bool:
    """Whether the last word is the only value of a leaf that holds one value."""
    multi = {"address", "network", "next-hop", "prefix-list", "name-server"}
    return line[-2] not in multi and sum(1 for other in running if other[:-1] == line[:-1]) == 1


def delta(running: str, wanted: list[str], owned: list[str], kept: list[str], mode: str) -> list[str]:
    """Lines that turn the running configuration into the wanted one.

    ``mode``: ``exact`` deletes what is owned and not wanted, ``additive`` never deletes. ``owned`` and ``kept`` are paths in words,
    ``*`` allowed; ``kept`` are below owned paths and stay in any case (what the router adds by itself).
    """
    if mode not in ("exact", "additive"):
        raise ValueError(f"mode: {mode!r}; allowed: exact, additive")
    have = parse_lines(running)
    want = [parse_line(line) for line in wanted]
    lines = []
    if mode == "exact":
        valued = [path for path in have if _valued(path, running)]
        stale = stale_paths(have, want, [tuple(path.split()) for path in owned], [tuple(path.split()) for path in kept], valued)
        lines += [render("delete", path) for path in stale]
    present = set(have) | {line[:depth] for line in have for depth in range(1, len(line))}
    return lines + [render("set", path) for path in want if path not in present]


def masked(value: Any) -> Any:
    """A copy of texts, lists and mappings in which no password can be read, whether lines, braces or a difference hold it."""
    if isinstance(value, str):
        return _SECRET.sub(lambda match: f"{match[1]}{MASK}", value)
    if isinstance(value, dict):
        return {key: masked(part) for key, part in value.items()}
    return [masked(part) for part in value] if isinstance(value, (list, tuple)) else value


def applied(running: str, lines: Iterable[str]) -> list[str]:
    """The set-lines, sorted, of a configuration after delete- and set-lines as ``delta`` makes them."""
    paths = parse_lines(running)
    for line in lines:
        action, *words = shlex.split(line)
        path = tuple(words)
        if action == "delete":
            paths = [one for one in paths if one[: len(path)] != path]
        elif path not in paths:
            # A value takes the place of the one value that its leaf had; only values are printed in quotes.
            paths = [one for one in paths if not (one[:-1] == path[:-1] and len(one) > 2 and _valued(one, running) and _single(one, paths))] + [path]
    return sorted(render("set", path) for path in paths)


def _valued(path: Path, running: str) -> bool:
    return f"set {' '.join(path[:-1])} '{path[-1]}'" in running
