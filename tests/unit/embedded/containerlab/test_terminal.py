"""Keys in, screen and lines out."""

from __future__ import annotations

import pytest
from leafspine_embedded.vyos.terminal import EndOfFile, Event, Interrupt, Line, Terminal


def type_keys(terminal: Terminal, keys: str) -> tuple[str, list[Event]]:
    screen, events = "", []
    for key in keys:
        shown, event = terminal.key(key)
        screen += shown
        if event is not None:
            events.append(event)
    return screen, events


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_line_is_echoed_as_it_is_and_ends_once(end: str) -> None:
    line = "set interfaces ethernet eth1 description '" + "x" * 300 + "'"
    assert type_keys(Terminal(), line + end) == (line + "\r\n", [Line(line)])


def test_without_a_terminal_nothing_is_echoed() -> None:
    assert type_keys(Terminal(echo=False), "show\r") == ("", [Line("show")])


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("shox\x7fw\r", "show"),
        ("\x7f\x7fa\r", "a"),
        ("wrong\x15right\r", "right"),
        ("show wrong\x17right\r", "show right"),
        ("hsow\x01\x1b[C\x7f\x05\r", "sow"),
        ("sow\x1b[D\x1b[Dh\r", "show"),
        ("ow\x1b[Hsh\x1b[F!\r", "show!"),
        ("show all\x1b[D\x1b[D\x1b[D\x1b[D\x0b\r", "show"),
        ("a\tb\r", "a b"),
        ("a\x00\x07b\r", "ab"),
        ("caf\u00e9\r", "caf\u00e9"),
    ],
)
def test_editing(keys: str, line: str) -> None:
    assert type_keys(Terminal(), keys)[1] == [Line(line)]


def test_history() -> None:
    terminal = Terminal()
    for line in ("one", "two", "two"):
        type_keys(terminal, line + "\r")
        terminal.start("$ ")
    assert type_keys(terminal, "\x1b[A\x1b[A\r")[1] == [Line("one")]
    terminal.start("$ ")
    assert type_keys(terminal, "\x1b[A\x1b[A\x1b[B\x1b[B\x1b[Bx\r")[1] == [Line("x")]


def test_drawing_again_shows_prompt_and_text() -> None:
    terminal = Terminal()
    terminal.start("[edit]\r\nvyos@leaf0# ")
    assert type_keys(terminal, "ab\x1b[Dx")[0].endswith("\r\x1b[Kvyos@leaf0# axb\x1b[1D")


def test_control_keys() -> None:
    assert type_keys(Terminal(), "abc\x03") == ("abc^C\r\n", [Interrupt()])
    assert type_keys(Terminal(), "\x04")[1] == [EndOfFile()]
    assert type_keys(Terminal(), "a\x04\r")[1] == [Line("a")]


def test_an_endless_escape_is_dropped() -> None:
    assert type_keys(Terminal(), "\x1b[" + "1" * 40 + "\r")[1] == [Line("1" * 25)]
