"""The boxed tables of `ipam show` and `node status`."""

from __future__ import annotations

from collections.abc import Sequence


def boxed(headings: Sequence[str], rows: Sequence[Sequence[str]], aligns: str = "") -> str:
    """+---+ borders, centred headings. aligns: one letter a column, l, r or c (default: left)."""
    widths = [max(len(text) for text in column) for column in zip(headings, *rows, strict=True)]
    border = "+" + "+".join("-" * (width + 2) for width in widths) + "+\n"

    def line(cells: Sequence[str], how: str) -> str:
        shown = []
        for cell, width, align in zip(cells, widths, how, strict=True):
            if align == "c":
                left = (width - len(cell)) // 2
                shown.append(" " * left + cell + " " * (width - len(cell) - left))
            else:
                shown.append(cell.rjust(width) if align == "r" else cell.ljust(width))
        return "| " + " | ".join(shown) + " |\n"

    body = "".join(line(row, aligns or "l" * len(widths)) for row in rows)
    return border + line(headings, "c" * len(widths)) + border + body + (border if rows else "")
