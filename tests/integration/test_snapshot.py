"""The detector detects: every kind of trace a lab could leave is found, in both directions, and an idle host shows none."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.leafspine.calico.tests.integration.helpers import snapshot

pytestmark = pytest.mark.root


def run(command: str) -> None:
    subprocess.run(command.split(), check=True, capture_output=True)


@contextmanager
def orphan() -> Iterator[None]:
    """A process that nobody waits for."""
    pid = int(subprocess.run(["sh", "-c", "sleep 61.5 >/dev/null 2>&1 & echo $!"], capture_output=True, text=True, check=True).stdout)
    time.sleep(0.1)
    try:
        yield
    finally:
        os.kill(pid, 9)
        time.sleep(0.1)


@contextmanager
def commands(make: str, undo: str) -> Iterator[None]:
    for command in make.split(";"):
        run(command)
    try:
        yield
    finally:
        for command in undo.split(";"):
            run(command)


@contextmanager
def file(path: Path) -> Iterator[None]:
    made = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    try:
        yield
    finally:
        path.unlink()
        if made:
            path.parent.rmdir()


LINK = "ip link add tg-trace type bridge"
GONE = "ip link delete tg-trace"
RULE = "FORWARD -i tg-trace -j ACCEPT"
NFT = "nft add table inet tgtrace;nft add chain inet tgtrace c;nft add rule inet tgtrace c drop"


@pytest.mark.parametrize(
    ("trace", "words"),
    [
        pytest.param(commands(LINK, GONE), "link tg-trace:", id="link"),
        pytest.param(commands(f"{LINK};ip address add 10.132.250.1/32 dev tg-trace", GONE), "address tg-trace 10.132.250.1/32", id="address"),
        pytest.param(commands("ip route add blackhole 10.132.251.0/24", "ip route delete blackhole 10.132.251.0/24"), "10.132.251.0/24", id="route"),
        pytest.param(commands("ip rule add from 10.132.252.1 table 252", "ip rule delete from 10.132.252.1 table 252"), "10.132.252.1", id="rule"),
        pytest.param(commands("ip netns add tg-trace", "ip netns delete tg-trace"), "namespace tg-trace", id="namespace"),
        pytest.param(commands(NFT, "nft delete table inet tgtrace"), "nft table inet tgtrace / chain c / drop", id="nft"),
        pytest.param(commands(f"iptables -w -A {RULE}", f"iptables -w -D {RULE}"), f"iptables filter -A {RULE}", id="iptables"),
        pytest.param(orphan(), "process sleep 61.5", id="process"),
        pytest.param(file(Path("/etc/tg-trace")), "file /etc/tg-trace", id="file in /etc"),
        pytest.param(file(Path("/run/leafspine/tg-trace")), "file /run/leafspine/tg-trace", id="engine's state"),
        pytest.param(file(Path("/var/lib/leafspine/tg-trace")), "file /var/lib/leafspine/tg-trace", id="lab's file"),
    ],
)
def test_a_trace_is_found_in_both_directions(trace: object, words: str) -> None:
    clean = snapshot.take()
    with trace:  # type: ignore[attr-defined]
        dirty = snapshot.take()
    again = snapshot.take()
    appeared, gone = snapshot.difference(clean, dirty), snapshot.difference(dirty, again)
    assert any(line.startswith("+ ") and words in line for line in appeared), appeared
    assert any(line.startswith("- ") and words in line for line in gone), gone
    assert not any(words in line for line in snapshot.difference(clean, again))


@pytest.mark.parametrize(
    ("change", "undo", "place"),
    [
        pytest.param("ip link set tg-trace mtu 1400", "ip link set tg-trace mtu 1500", "link tg-trace", id="MTU"),
        pytest.param("ip link set tg-trace up", "ip link set tg-trace down", "link tg-trace", id="up"),
        pytest.param("sysctl -qw net.ipv4.conf.default.log_martians=1", "sysctl -qw net.ipv4.conf.default.log_martians=0", "log_martians", id="sysctl"),
    ],
)
def test_a_change_is_found_with_both_states(change: str, undo: str, place: str) -> None:
    with commands(LINK, GONE):
        before = snapshot.take()
        with commands(change, undo):
            changed = [line for line in snapshot.difference(before, snapshot.take()) if place in line and line.startswith("~ ")]
        assert len(changed) == 1
        assert " -> " in changed[0]
        assert not any(place in line for line in snapshot.difference(before, snapshot.take()))


def test_the_number_of_equal_rules_counts() -> None:
    with commands(f"iptables -w -A {RULE}", f"iptables -w -D {RULE}"):
        before = snapshot.take()
        with commands(f"iptables -w -A {RULE}", f"iptables -w -D {RULE}"):
            lines = snapshot.difference(before, snapshot.take())
    assert any(RULE in line and "1 times -> 2 times" in line for line in lines)


def test_an_idle_host_shows_nothing(same_host: object) -> None:
    time.sleep(1)


def test_what_others_do_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SNAPSHOT_IGNORE", raising=False)
    before, after = {"link a": "1", "link b": "1"}, {"link a": "2", "link c": "1"}
    assert snapshot.difference(before, after) == ["- link b: 1", "+ link c: 1", "~ link a: 1 -> 2"]
    monkeypatch.setenv("SNAPSHOT_IGNORE", "link [bc]")
    assert snapshot.difference(before, after) == ["~ link a: 1 -> 2"]
