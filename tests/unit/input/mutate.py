"""Documents that somebody got wrong: seeded mutations of a right one."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

NASTY: list[Any] = [
    None,
    "",
    " ",
    "x",
    "Upper Case",
    "ö\u0000\x1b[2J",
    "a" * 5000,
    "../../etc/passwd",
    "{{ 7 * 7 }}",
    "$(reboot)",
    "10.1.5.10/24",
    "10.1.5.0/33",
    "999.1.1.1",
    "fe80::1",
    "0.0.0.0/0",
    "true",
    "-",
    0,
    -1,
    65536,
    2**64,
    1.5,
    float("nan"),
    True,
    [],
    {},
    [None],
    [[[[[]]]]],
    ["x", "x"],
    {"a": None},
    {"": ""},
    {1: 2},
]


def places(document: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path into a document."""
    found = [here] if here else []
    entries = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for key, value in entries:
        found += places(value, (*here, key))
    return found


def _holder(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        document = document[key]
    return document


def mutated(document: Any, chance: random.Random) -> Any:
    """A copy with one to three things wrong (or, by chance, still right)."""
    new = copy.deepcopy(document)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        possible = places(new)
        if not possible:
            break
        path = chance.choice(possible)
        holder, key = _holder(new, path), path[-1]
        match chance.randrange(6):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[chance.choice(["colour", "", f"{key}s", "metadata", 7])] = copy.deepcopy(chance.choice(NASTY))
            case 2 if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
            case 3 if isinstance(holder, dict):
                other = chance.choice(possible)
                holder[key] = copy.deepcopy(_holder(new, other)[other[-1]])
            case _:
                holder[key] = copy.deepcopy(chance.choice(NASTY))
    return new


def documents(document: Any, count: int, seed: int) -> Iterator[Any]:
    """``count`` mutations; document number n of a seed is always the same."""
    for number in range(count):
        yield mutated(document, random.Random(f"{seed}/{number}"))


def text_mutated(text: str, chance: random.Random) -> str:
    """A text with characters, words or lines lost, doubled, swapped or replaced."""
    lines = text.splitlines()
    for _ in range(chance.choice([1, 1, 2, 5])):
        if not lines:
            break
        at = chance.randrange(len(lines))
        line = lines[at]
        match chance.randrange(7):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[chance.randrange(len(lines))])
            case 2:
                cut = chance.randrange(len(line) + 1)
                lines[at] = line[:cut]
            case 3:
                cut = chance.randrange(len(line) + 1)
                lines[at] = line[:cut] + chance.choice(["{", "}", '"', "'", "/*", "*/", "\\", "\0", "\t", ";", "|", "ö", "\r", "!"]) + line[cut:]
            case 4:
                words = line.split(" ")
                chance.shuffle(words)
                lines[at] = " ".join(words)
            case 5:
                words = line.split(" ")
                words[chance.randrange(len(words))] = str(chance.choice(NASTY))
                lines[at] = " ".join(words)
            case _:
                lines = lines[:at]
    return "\n".join(lines) + chance.choice(["\n", "", "\n\n"])


def texts(text: str, count: int, seed: int) -> Iterator[str]:
    for number in range(count):
        yield text_mutated(text, random.Random(f"{seed}/{number}"))
