"""Command lines as kind's parser (cobra) reads them: flags anywhere, `--flag value` and `--flag=value`, its error texts."""

from __future__ import annotations

from dataclasses import dataclass

from leafspine_embedded.kind.errors import KindError

# Flags of every command: name -> takes a value.
_GLOBAL = {"quiet": False, "verbosity": True, "loglevel": True, "help": False}
_SHORT = {"q": "quiet", "v": "verbosity", "h": "help", "n": "name", "A": "all-clusters"}


@dataclass(frozen=True)
class Parsed:
    """Flags (those without a value hold "true") and the other words."""

    flags: dict[str, str]
    words: list[str]

    def on(self, name: str) -> bool:
        return self.flags.get(name, "false") not in {"false", "0", "f", "F", "FALSE", "False"}


def parse(arguments: list[str], known: dict[str, bool]) -> Parsed:
    """`known`: the command's own flags and whether they take a value. Raises KindError with cobra's texts."""
    takes = {**_GLOBAL, **known}
    flags: dict[str, str] = {}
    words: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word == "--":
            words.extend(left)
            break
        if word == "-" or not word.startswith("-"):
            words.append(word)
            continue
        name, value = _flag(word, takes)
        if value is None:
            if not takes[name]:
                value = "true"
            elif left:
                value = left.pop(0)
            else:
                raise KindError(f"flag needs an argument: {word}" if word.startswith("--") else f"flag needs an argument: '{word[1]}' in {word}")
        flags[name] = value
    return Parsed(flags, words)


def _flag(word: str, takes: dict[str, bool]) -> tuple[str, str | None]:
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        if name not in takes:
            raise KindError(f"unknown flag: --{name}")
        return name, value if equals else None
    name = _SHORT.get(word[1], "")
    if name not in takes:
        raise KindError(f"unknown shorthand flag: '{word[1]}' in {word}")
    rest = word[2:].removeprefix("=")
    return name, rest or None


def duration(text: str) -> float:
    """A Go duration (`30s`, `5m`, `1h30m`, `0`) in seconds. Raises KindError."""
    import re

    if text in {"0", "-0"}:
        return 0.0
    units = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
    body = text.removeprefix("-").removeprefix("+")
    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        why = "time: missing unit in duration" if re.fullmatch(r"[\d.]+", body) else "time: invalid duration"
        raise KindError(f'invalid argument "{text}" for "--wait" flag: {why} "{text}"')
    seconds = sum(float(number) * units[unit] for number, unit in parts)
    return -seconds if text.startswith("-") else seconds
