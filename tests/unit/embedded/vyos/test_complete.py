"""Tab and `?` as a person meets them."""

from __future__ import annotations

import random

import pytest
from leafspine_embedded.vyos.complete import complete, extension, listing
from leafspine_embedded.vyos.memory import EXAMPLE, MemoryRouter, Shell
from leafspine_embedded.vyos.session import Session
from leafspine_embedded.vyos.terminal import Complete, Event, Help, Line, Terminal


def names(config: Shell, text: str) -> list[str]:
    return [row.name for row in complete(config.session, text)]


def help_of(config: Shell, text: str) -> str:
    return listing(complete(config.session, text)).expandtabs(8)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("set protocols bgp neighbor 10.0.0.1 timers keepalive ", "  <1-65535>             Keepalive seconds"),
        ("set protocols bgp neighbor 10.0.0.1 remote-as ", "  external"),
        ("set protocols bgp system-as ", "  <1-4294967294>        Autonomous System Number (ASN)"),
        ("set protocols bfd profile ", "  <profile>             Profile"),
        ("set interfaces ethernet eth1 address ", "  <x.x.x.x/x>           IPv4 address and prefix length"),
        ("set policy prefix-list PL rule 1 prefix ", "  <x.x.x.x/x>           IPv4 prefix"),
        ("set policy prefix-list PL rule ", "  <1-65535>             Rule"),
        ("set interfaces ethernet ", "  eth1                  Ethernet interface"),
        ("set policy route-map RM rule 1 action ", "  permit"),
    ],
)
def test_value_hints(config: Shell, text: str, form: str) -> None:
    lines = [line.rstrip() for line in help_of(config, text).splitlines()]
    assert lines[:2] == ["", "Possible completions:"]
    assert form in lines


def test_marks_of_nodes(config: Shell) -> None:
    assert " > bgp                  Border Gateway Protocol (BGP)" in help_of(config, "set protocols ").splitlines()
    assert "+> neighbor             Neighbour" in help_of(config, "set protocols bgp ").splitlines()
    assert "   system-as            Autonomous System Number (ASN)" in help_of(config, "set protocols bgp ").splitlines()
    assert "+  address              IP address" in help_of(config, "set interfaces dummy dum0 ").splitlines()


def test_what_is_not_supported_is_not_offered(config: Shell) -> None:
    assert "ospf" not in names(config, "set protocols ")
    assert "firewall" not in names(config, "set ")


async def test_names_that_are_there_are_offered(config: Shell) -> None:
    await config(
        "set policy route-map RM rule 1 action permit",
        "set protocols bgp peer-group PG remote-as 1",
        "set protocols bfd profile fast interval transmit 100",
        "set policy prefix-list PL rule 1 action permit",
    )
    peer = "set protocols bgp neighbor 10.0.0.1"
    assert names(config, f"{peer} peer-group ") == ["PG", "<peer-group>"]
    assert names(config, f"{peer} bfd profile ") == ["fast", "<profile>"]
    assert names(config, "set policy route-map RM rule 1 match ip address prefix-list ") == ["PL", "<prefix-list>"]
    assert names(config, "delete policy ") == ["prefix-list", "route-map"]
    assert names(config, "delete policy route-map ") == ["RM"]


async def test_below_an_edit_level(config: Shell) -> None:
    await config("edit protocols bgp")
    assert names(config, "set neigh") == ["neighbor"]
    assert "interfaces" not in names(config, "set ")
    assert names(config, "up ") == ["<Enter>"]


async def test_arguments_of_commands(config: Shell) -> None:
    await config("set system host-name b1", "commit")
    assert names(config, "rollback ") == ["1"]
    assert names(config, "compare ") == ["commands", "saved", "0", "1"]
    assert names(config, "compare 0 ") == ["0", "1"]
    assert names(config, "commit-confirm ") == ["<1-99999>", "comment", "<Enter>"]
    assert names(config, "commit-confirm 5 ") == ["comment"]
    assert names(config, "commit comment ") == ["<text>"]
    assert names(config, "load ") == ["<file>"]


async def test_a_question_has_no_completions(config: Shell) -> None:
    await config("set system host-name b1", "commit-confirm 1")
    assert names(config, "") == []


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("set protocols bgp ne", "ighbor "),
        ("set prot", "ocols "),
        ("co", ""),
        ("com", ""),
        ("comp", "are "),
        ("set protocols bgp neighbor ", ""),
        ("show | ma", "tch "),
        ("set interfaces ethernet eth", ""),
        ("bogus x", ""),
        ("run show ip ro", "ute "),
    ],
)
def test_tab(config: Shell, text: str, rest: str) -> None:
    assert extension(text, complete(config.session, text)) == rest


def keys(terminal: Terminal, text: str) -> list[Event]:
    return [event for key in text if (event := terminal.key(key)[1]) is not None]


def test_keys_of_a_terminal() -> None:
    terminal = Terminal()
    terminal.completes = True
    assert keys(terminal, "sho\t") == [Complete("sho")]
    assert terminal.insert("w ") == "w "
    assert keys(terminal, "?") == [Help("show ")]
    assert terminal.insert("?") == "?"
    assert terminal.again().endswith("show ?")
    assert keys(terminal, "\x1b[D\x1b[D\t") == [Complete("show")]
    assert terminal.again().endswith("show ?\x1b[2D")
    assert keys(terminal, "\r") == [Line("show ?")]


def test_without_a_terminal_they_are_characters() -> None:
    assert keys(Terminal(echo=False), "a?\tb\r") == [Line("a? b")]


async def test_a_literal_question_mark(config: Shell) -> None:
    await config("exit")
    assert config.session.query_help
    await config("set terminal key query-help disable")
    assert not config.session.query_help
    await config("set terminal key query-help enable")
    assert config.session.query_help


WORDS = "set delete show edit run compare commit rollback protocols bgp neighbor 10.0.0.1 policy route-map RM rule 10"
PARTS = [*WORDS.split(), *"|'\"$\\*[", "<x>", "é", "\t"]


@pytest.mark.parametrize("seed", range(10))
def test_never_an_error(seed: int) -> None:
    rng = random.Random(seed)
    session = Session(MemoryRouter(EXAMPLE))
    for _ in range(200):
        session.configuring = rng.random() < 0.7
        session.level = rng.choice([[], ["protocols", "bgp"], ["policy", "route-map", "RM"]])
        text = rng.choice(["", " "]).join([*(f"{word} " for word in rng.choices(PARTS, k=rng.randint(0, 7))), ""])[: rng.randint(0, 60)]
        rows = complete(session, text)
        assert isinstance(listing(rows), str)
        added = extension(text, rows)
        assert all(row.name.startswith((text + added).split()[-1][:-1] or "") for row in rows if added.strip() and len(rows) == 1)
