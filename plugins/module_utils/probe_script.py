# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many commands at one place by one shell script: all at the same time, each with its own limit, output and exit code. Pure functions."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

Command = tuple[Sequence[str], int]  # words, seconds


def script(commands: Sequence[Command]) -> str:
    """A script for POSIX sh with mktemp, timeout, wc and cat. What it prints is read by ``parse``."""
    lines = ["d=$(mktemp -d) || exit 97"]
    for number, (words, seconds) in enumerate(commands):
        lines.append(f"(timeout {seconds} {shlex.join(words)} </dev/null >$d/{number} 2>&1; echo $? >$d/{number}.rc) &")
    numbers = " ".join(map(str, range(len(commands))))
    lines += ["wait", f'for i in {numbers}; do echo "$i $(cat $d/$i.rc) $(wc -c <$d/$i)"; cat $d/$i; done', "rm -r $d"]
    return "\n".join(lines)


def parse(output: str, amount: int) -> list[dict[str, Any]]:
    """Results of the script's commands in their order: {rc, stdout, stderr}; standard error is within stdout.

    Raises ValueError for anything that the script does not print.
    """
    rest, results = output.encode(), []
    for number in range(amount):
        head, newline, rest = rest.partition(b"\n")
        words = head.split()
        if not newline or len(words) != 3 or words[0] != str(number).encode():
            raise ValueError(f"answer {number} of {amount} begins with {head[:80]!r}")
        rc, size = int(words[1]), int(words[2])
        results.append({"rc": rc, "stdout": rest[:size].decode(errors="replace"), "stderr": ""})
        rest = rest[size:]
    return results
