"""Plain values as YAML text, for diffs and for files that tools read. The lab host's Python has no PyYAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

# What can stand unquoted: nothing that YAML would read as a number, a boolean, a null, a date or a mark of its own.
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@ +()'=,-]*|\d+\.\d+\.\d+\.\d+(/\d+)?")
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def to_yaml(value: Any) -> str:
    """The value as YAML text that ends with a newline; dictionaries keep their order. An empty dictionary or list is one line."""
    return "".join(f"{line}\n" for line in _lines(value))


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _entry(f"{_scalar(key)}:", item, indent_list=False)
    elif isinstance(value, list) and value:
        for item in value:
            yield from _item(item)
    else:
        yield _scalar(value)


def _entry(head: str, item: Any, *, indent_list: bool) -> Iterator[str]:
    if isinstance(item, (dict, list)) and item:
        yield head
        pad = "" if isinstance(item, list) and not indent_list else "  "
        yield from (f"{pad}{line}" for line in _lines(item))
    elif isinstance(item, str) and _block(item):
        yield f"{head} |{'' if item.endswith(chr(10)) else '-'}"
        yield from (f"  {line}" if line else "" for line in item.removesuffix("\n").split("\n"))
    else:
        yield f"{head} {_scalar(item)}"


def _item(item: Any) -> Iterator[str]:
    if isinstance(item, (dict, list)) and item:
        first, *lines = _lines(item)
        yield f"- {first}"
        yield from (f"  {line}" if line else "" for line in lines)
    else:
        yield from _entry("-", item, indent_list=True)


def _block(text: str) -> bool:
    """Whether several lines can be written as a literal block without losing a character."""
    if "\n" not in text.removesuffix("\n") or text.endswith("\n\n") or text[:1] in (" ", "\n", "\t"):
        return False
    return all(line == line.rstrip() and line.replace("\t", " ").isprintable() for line in text.split("\n"))


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value == value.strip() and value.lower() not in _WORDS:
        return value
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))
