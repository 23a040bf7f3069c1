"""Splitting a command line the way the login shell does: quotes, pipes, variables, globs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

# What a pattern such as .* meets in the home directory of a fresh VyOS user.
_HOME = (".", "..", ".bash_history", ".bash_logout", ".bashrc", ".profile")
_REFUSED = set(";&<>`")


class LineError(Exception):
    """A line that cannot be split; the message is for the user."""


@dataclass(slots=True)
class Line:
    """One command: its words, then the words of every pipe."""

    words: list[str]
    pipes: list[list[str]] = field(default_factory=list)


@dataclass(slots=True)
class _Word:
    text: str = ""
    quoted: bool = False
    glob: bool = False


def split(line: str) -> Line:
    """Split `line`. Raises LineError on an open quote or on shell syntax that is not supported."""
    parts: list[list[_Word]] = [[]]
    word: _Word | None = None
    position = 0
    while position < len(line):
        char = line[position]
        if char in " \t\r\n":
            _finish(parts, word)
            word = None
            position += 1
        elif char == "|":
            _finish(parts, word)
            word = None
            parts.append([])
            position += 1
        elif char == "#" and word is None:
            break
        elif char in _REFUSED:
            raise LineError(f"shell syntax '{char}' is not supported by the embedded engine")
        else:
            word = word or _Word()
            position = _take(line, position, word)
    _finish(parts, word)
    expanded = [[text for item in part for text in _expand(item)] for part in parts]
    return Line(expanded[0], expanded[1:])


def _finish(parts: list[list[_Word]], word: _Word | None) -> None:
    if word is not None and (word.text or word.quoted):
        parts[-1].append(word)


def _take(line: str, position: int, word: _Word) -> int:
    """Add one character or one quoted run to `word`; the position after it."""
    char = line[position]
    if char == "'":
        end = line.find("'", position + 1)
        if end < 0:
            raise LineError("unexpected end of line while looking for matching `''")
        word.text += line[position + 1 : end]
        word.quoted = True
        return end + 1
    if char == '"':
        return _double(line, position + 1, word)
    if char == "\\":
        word.text += line[position + 1 : position + 2]
        word.quoted = True
        return position + 2
    if char == "$":
        return _variable(line, position, word)
    word.text += char
    word.glob = word.glob or char in "*?["
    return position + 1


def _double(line: str, position: int, word: _Word) -> int:
    word.quoted = True
    while position < len(line):
        char = line[position]
        if char == '"':
            return position + 1
        if char == "\\" and line[position + 1 : position + 2] in ('"', "\\", "$", "`"):
            word.text += line[position + 1]
            position += 2
        elif char == "$":
            position = _variable(line, position, word)
        else:
            word.text += char
            position += 1
    raise LineError("unexpected end of line while looking for matching `\"'")


def _variable(line: str, position: int, word: _Word) -> int:
    """A shell variable: none is set here, so its name disappears; a lone $ stays."""
    match = re.compile(r"\$(?:[A-Za-z_]\w*|[0-9]|\{\w+\})").match(line, position)
    if match is None:
        if line.startswith("$(", position):
            raise LineError("shell syntax '$(' is not supported by the embedded engine")
        word.text += "$"
        return position + 1
    return match.end()


def _expand(word: _Word) -> list[str]:
    if not word.glob or word.quoted or not word.text.startswith("."):
        return [word.text]
    return [name for name in _HOME if fnmatchcase(name, word.text)] or [word.text]
