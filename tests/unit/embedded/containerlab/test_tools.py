"""What the root helper lets the service run."""

from __future__ import annotations

from typing import Any

import pytest
from leafspine_embedded.vyos.tools import BadOption, ping, traceroute


def test_ping() -> None:
    assert ping({"host": "10.1.1.1"}) == ["ping", "--", "10.1.1.1"]
    options = {"host": "leaf0.lab", "count": 3, "ttl": 64, "size": 100, "interval": 0.2, "interface": "eth1", "do-not-fragment": True}
    assert ping(options) == ["ping", *["-c", "3", "-t", "64", "-s", "100", "-i", "0.2", "-I", "eth1", "-M", "do"], "--", "leaf0.lab"]


def test_traceroute() -> None:
    assert traceroute({"host": "10.1.1.1", "ttl": 5, "source-address": "10.1.1.2", "icmp": True}) == [
        *("traceroute", "-m", "5", "-s", "10.1.1.2", "-I", "--", "10.1.1.1")
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"host": "-f"},
        {"host": "a b"},
        {"host": "$(id)"},
        {"host": ""},
        {"host": "10.1.1.1", "count": "3; id"},
        {"host": "10.1.1.1", "count": 0},
        {"host": "10.1.1.1", "count": True},
        {"host": "10.1.1.1", "size": 70000},
        {"host": "10.1.1.1", "interval": 0},
        {"host": "10.1.1.1", "interface": "-I"},
        {"host": "10.1.1.1", "interface": "x" * 16},
        {"host": "10.1.1.1", "pattern": "ff"},
    ],
)
def test_nothing_else_reaches_the_command_line(options: dict[str, Any]) -> None:
    with pytest.raises(BadOption):
        ping(options)


def test_a_host_is_needed() -> None:
    with pytest.raises(KeyError):
        ping({})
