"""The pipes behind a command: match, no-match, count, grep, head, strip-private, no-more, ..."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

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


async def stream(pieces: AsyncIterator[str], pipes: Sequence[Sequence[str]]) -> AsyncIterator[str]:
    """The same for what comes piece by piece: filters show each line as it comes, `head` ends what never ends by itself.

    Raises PipeError before the first piece is asked for.
    """
    apply("", pipes)
    lines = _lines(pieces)
    for words in pipes:
        name = match(words[0], PIPES)[0]
        if name in _LINEWISE:
            lines = _filtered(lines, words)
        elif name == "head":
            lines = _first(lines, _amount(words[1:]))
        else:
            lines = _whole(lines, words)
    async for line in lines:
        yield line


_LINEWISE = ("grep", "less", "match", "more", "no-match", "no-more", "strip-private")


async def _lines(pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    rest = ""
    async for piece in pieces:
        *whole, rest = (rest + piece).split("\n")
        for line in whole:
            yield f"{line}\n"
    if rest:
        yield rest


async def _filtered(lines: AsyncIterator[str], words: Sequence[str]) -> AsyncIterator[str]:
    async for line in lines:
        kept = apply(line, [words])
        if kept:
            yield kept


async def _first(lines: AsyncIterator[str], amount: int) -> AsyncIterator[str]:
    while amount > 0:
        try:
            yield await anext(lines)
        except StopAsyncIteration:
            return
        amount -= 1


async def _whole(lines: AsyncIterator[str], words: Sequence[str]) -> AsyncIterator[str]:
    yield apply("".join([line async for line in lines]), [words])


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
    amount = _amount(rest)
    if name == "head":
        return lines[:amount]
    return lines[-amount:] if amount else []


def _amount(rest: Sequence[str]) -> int:
    """Lines of `head` and `tail`: ten, or `N`, `-N`, `-nN`, `-n N`."""
    amount = 10
    for word in rest:
        digits = word.removeprefix("-n").removeprefix("-")
        if re.fullmatch(r"[0-9]{1,9}", digits):
            amount = int(digits)
    return amount


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
