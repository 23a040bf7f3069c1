# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a check is: one expectation held against what was found. Pure functions.

A check is a dictionary {subject, where, what, expected, found, look, ok}: all texts but ``ok``, ready for JSON. ``subject`` groups
checks ("session", "kernel route"); ``look`` is the command with which somebody sees it for oneself. Functions that judge return
every check they made, the true ones too: a judgement without a single check is a mistake that ``summary`` shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

Check = dict[str, Any]


def shown(value: object) -> str:
    """A value as people read it: sets and lists as words, nothing as "none"."""
    if isinstance(value, (set, frozenset)):
        value = sorted(value)
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None or value == "" else str(value)


def check(subject: str, where: str, what: str, expected: object, found: object, look: str, ok: bool | None = None) -> Check:
    """A check; it holds when ``expected`` equals ``found`` unless ``ok`` says so."""
    holds = expected == found if ok is None else ok
    return {"subject": subject, "where": where, "what": what, "expected": shown(expected), "found": shown(found), "look": look, "ok": holds}


def failed(checks: Iterable[Check]) -> list[Check]:
    """The checks that do not hold."""
    return [one for one in checks if not one["ok"]]


def line(one: Check) -> str:
    """A check on one line."""
    return f"{one['where']}: {one['what']}: expected {one['expected']}, found {one['found']} (look: {one['look']})"


def lines(checks: Iterable[Check]) -> list[str]:
    """The checks that do not hold, one line each, each once."""
    return list(dict.fromkeys(line(one) for one in failed(checks)))


def summary(checks: Iterable[Check]) -> dict[str, Any]:
    """How many checks hold, in all and by subject: {"passed", "failed", "subjects": {subject: [passed, failed]}, "text"}."""
    checks = list(checks)
    bad = Counter(one["subject"] for one in failed(checks))
    every = Counter(one["subject"] for one in checks)
    passed = len(checks) - bad.total()
    return {
        "passed": passed,
        "failed": bad.total(),
        "subjects": {subject: [every[subject] - bad[subject], bad[subject]] for subject in every},
        "text": f"{passed} of {len(checks)} expectations hold: " + ", ".join(f"{subject} {every[subject] - bad[subject]}" for subject in every),
    }


def no_answer(where: str, look: str, answer: object) -> Check:
    """The check that stands for all others when a device did not answer, or not in a readable way."""
    return check("answer", where, "answer", "readable", repr(str(answer)[:160]), look, ok=False)
