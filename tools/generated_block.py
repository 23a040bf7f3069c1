"""Generated parts of hand-written pages: the text between `<!-- generated: NAME -->` and `<!-- end: NAME -->`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def cell(text: object) -> str:
    """A value as it can stand in a cell of a Markdown table: bars and, outside of code, angle brackets are escaped."""
    parts = " ".join(str(text).split()).replace("|", "\\|").split("`")
    return "`".join(part if number % 2 else part.replace("<", "&lt;") for number, part in enumerate(parts))


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell(part) for part in line)} |" for line in lines)


def blocks(page: str) -> list[str]:
    """Names of a page's generated parts, in their order. Raises ValueError for a part that is not closed."""
    names = re.findall(r"^<!-- generated: (\S+) -->$", page, re.MULTILINE)
    if names != re.findall(r"^<!-- end: (\S+) -->$", page, re.MULTILINE):
        raise ValueError("every generated part needs its end, in the same order")
    return names


def filled(page: str, render: Callable[[str], str]) -> str:
    """The page with each generated part made anew by `render(name)`."""
    for name in blocks(page):
        pattern = re.compile(rf"(<!-- generated: {re.escape(name)} -->\n).*?(<!-- end: {re.escape(name)} -->)", re.DOTALL)
        text = f"\n{render(name)}\n\n"
        page = pattern.sub(lambda match, text=text: f"{match[1]}{text}{match[2]}", page, count=1)
    return page


def main(path: Path, render: Callable[[str], str], purpose: str) -> int:
    """Command line of a generator: says whether the page is current, or writes it."""
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument("--write", action="store_true", help="write the page instead of only comparing it")
    arguments = parser.parse_args()
    old = path.read_text(encoding="utf-8")
    new = filled(old, render)
    if arguments.write:
        path.write_text(new, encoding="utf-8")
    elif new != old:
        print(f"{path.relative_to(ROOT)} is out of date; run {sys.argv[0]} --write", file=sys.stderr)
        return 1
    return 0
