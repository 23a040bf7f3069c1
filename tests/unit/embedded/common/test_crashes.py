"""Budgets of restarts, reasons of deaths, the list of crashes."""

from __future__ import annotations

from pathlib import Path

import pytest
from leafspine_embedded.common import crashes


def test_a_budget_grants_longer_pauses_and_then_nothing() -> None:
    budget = crashes.Budget(most=4, window=100, first=1, longest=3)
    assert [budget.pause(now) for now in (0, 1, 2, 3, 4)] == [1, 2, 3, 3, None]


def test_a_budget_forgets_what_was_before_its_window() -> None:
    budget = crashes.Budget(most=1, window=10, first=1)
    assert budget.pause(0) == 1
    assert budget.pause(9) is None
    assert budget.pause(11) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "ended with exit code 0"), (3, "ended with exit code 3"), (-9, "killed by SIGKILL"), (-11, "killed by SIGSEGV"), (-63, "killed by signal 63")],
)
def test_reasons(code: int, words: str) -> None:
    assert crashes.reason(code) == words


def test_a_reason_of_somebody_elses_child_says_that_it_is_unknown() -> None:
    assert "unknown" in crashes.reason(None)


def test_a_reason_quotes_the_line_that_tells_most(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("starting\nReceived signal 11 at 12345; aborting...\nmemstats: nothing\n\n")
    assert crashes.reason(-11, log) == "killed by SIGSEGV; its log: Received signal 11 at 12345; aborting..."
    log.write_text("starting\nValueError: no\n")
    assert crashes.reason(1, log) == "ended with exit code 1; its log: ValueError: no"


def test_notes_are_read_in_order_and_are_roots_alone(tmp_path: Path) -> None:
    crashes.note(tmp_path, "a", "killed by SIGKILL", restarts=1)
    crashes.note(tmp_path, "b", 'a "quoted"\nline', restarts=5, gave_up=True)
    with (tmp_path / crashes.FILE).open("a") as out:
        out.write('{"time": "cut o')
    assert [(entry["process"], entry["gave_up"]) for entry in crashes.read(tmp_path)] == [("a", False), ("b", True)]
    assert (tmp_path / crashes.FILE).stat().st_mode & 0o777 == 0o600


def test_the_list_stays_short(tmp_path: Path) -> None:
    for number in range(2 * crashes.MOST + 5):
        crashes.note(tmp_path, str(number), "x")
    kept = [entry["process"] for entry in crashes.read(tmp_path)]
    assert len(kept) <= 2 * crashes.MOST
    assert kept[-1] == str(2 * crashes.MOST + 4)


def test_a_note_that_cannot_be_written_raises_nothing(tmp_path: Path) -> None:
    crashes.note(tmp_path / "missing", "a", "x")
    assert crashes.read(tmp_path / "missing") == []
