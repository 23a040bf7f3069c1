"""The pipes behind a command: match, no-match, count, grep, head, strip-private, no-more, ..."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from leafspine_embedded.vyos.schema import match

PIPES = ["commands", "count", "grep", "head", "json", "less", "match", "more", "no-match", "no-more", "strip-private", "tail"]


class PipeError(Exception):
    """A pipe that does not exist or cannot be used; the message is what is printed."""


def apply(text: str, pipes: Sequence[Sequence[str]], sources: Mapping[str, Callable[[], str]] | None = None) -> str:
    """Run `text` through `pipes`. In configuration mode `sources` makes the texts of `commands`, `compare` and `json`.

    Raises PipeError.
    """
    for words in pipes:
        if not words:
            raise PipeError("\n  Invalid command: []\n\n")
        found = match(words[0], [*PIPES, *(["compare"] if sources else [])])
        name = found[0] if len(found) == 1 else ""
        if not name:
            raise PipeError(f"\n  Invalid command: [{words[0]}]\n\n")
        text = _one(text, name, list(words[1:]), sources or {})
    return text


def _one(text: str, name: str, rest: list[str], sources: Mapping[str, Callable[[], str]]) -> str:
    if name in ("no-more", "more", "less"):
        return text
    if name in sources:
        return sources[name]()
    if name == "commands":
        raise PipeError("commands pipe is not supported in operational mode\n")
    if name == "json":
        raise PipeError("JSON pipe is not supported in operational mode\n")
    if name == "strip-private":
        return strip_private(text)
    lines = text.splitlines()
    if name == "count":
        return f"{len(lines)}\n"
    if name in ("head", "tail"):
        return _join(_ends(lines, name, rest))
    keep = _filter(name, rest)
    return _join([line for line in lines if keep(line)])


def _join(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _ends(lines: list[str], name: str, rest: list[str]) -> list[str]:
    amount = 10
    for word in rest:
        digits = word.removeprefix("-n").removeprefix("-")
        if digits.isdigit():
            amount = int(digits)
    if name == "head":
        return lines[:amount]
    return lines[-amount:] if amount else []


def _filter(name: str, rest: list[str]) -> Callable[[str], bool]:
    options = [word for word in rest if re.fullmatch(r"-[A-Za-z]+", word)] if name == "grep" else []
    patterns = [word for word in rest if word not in options]
    letters = "".join(option[1:] for option in options)
    if set(letters) - set("ivEFe"):
        raise PipeError(f"grep: option {' '.join(options)} is not supported by the embedded engine\n")
    pattern = patterns[0] if patterns else ""
    ignore = name != "grep" or "i" in letters
    inverted = name == "no-match" or "v" in letters
    if name == "grep" and "E" not in letters:
        # basic expressions: there, and only there, \| \( \) \+ \? are operators and | ( ) + ? are plain
        pattern = re.escape(pattern) if "F" in letters else _basic(pattern)
    try:
        compiled = re.compile(pattern, re.IGNORECASE if ignore else 0)
    except re.error as error:
        raise PipeError(f"grep: invalid pattern: {error}\n") from error
    return lambda line: (compiled.search(line) is not None) != inverted


def _basic(pattern: str) -> str:
    return re.sub(r"\\?[|()+?{}]", lambda m: m.group(0)[1:] if m.group(0).startswith("\\") else "\\" + m.group(0), pattern)


_PRIVATE = [
    (re.compile(r"\b\d{1,3}\.\d{1,3}\.(\d{1,3}\.\d{1,3})\b"), r"xxx.xxx.\1"),
    (re.compile(r"\b[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){4}:([0-9a-fA-F]{2})\b"), r"xx:xx:xx:xx:xx:\1"),
    (re.compile(r"(?<![\w:])[0-9a-fA-F]{1,4}:[0-9a-fA-F]{0,4}:(?:[0-9a-fA-F:]*:)?([0-9a-fA-F]{0,4})(?=[/'\s\"]|$)"), r"xxxx:xxxx:\1"),
    (re.compile(r"((?:host-name|domain-name|user|encrypted-password|plaintext-password|password|key) )(\S+|'[^']*')"), r"\1xxxxxx"),
]


def strip_private(text: str) -> str:
    """Addresses shortened, names and secrets hidden."""
    for pattern, shown in _PRIVATE:
        text = pattern.sub(shown, text)
    return text
