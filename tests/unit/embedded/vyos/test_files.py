"""Users' files, as the root helper sees them, and the router's log."""

from __future__ import annotations

from pathlib import Path

import pytest
from leafspine_embedded.vyos import files, logs
from leafspine_embedded.vyos.files import Store, StoreError


def test_written_and_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "files")
    store.write("tmp.x", "text")
    assert store.read("tmp.x") == "text"
    assert (tmp_path / "files").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "files" / "tmp.x").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("key", ["x", "../x", "config./x", "config...", "config.a/b", "etc.passwd", "config.", "/etc/passwd", "config.\x00"])
def test_the_helper_takes_only_names_it_makes(tmp_path: Path, key: str) -> None:
    store = Store(tmp_path / "files")
    with pytest.raises(FileNotFoundError):
        store.read(key)
    with pytest.raises(FileNotFoundError):
        store.write(key, "x")
    assert list(tmp_path.iterdir()) == []


def test_limits(tmp_path: Path) -> None:
    store = Store(tmp_path / "files")
    with pytest.raises(StoreError):
        store.write("config.large", "x" * (files.MAX_SIZE + 1))
    for number in range(files.MAX_FILES):
        store.write(f"config.{number}", "x")
    store.write("config.0", "again")
    with pytest.raises(StoreError):
        store.write("config.one-more", "x")


BGPD = """2026/11/25 14:05:06 BGP: [M59KS-A3ZXZ] bgp_update_receive: rcvd End-of-RIB
2026/11/25 14:05:08 BGP: [P3GYW-PBKQG][EC 33554466] too long
  goes on
2026/11/25 14:05:07 ZEBRA: plain
"""


def test_log_lines() -> None:
    entries = [*logs.parse(BGPD), *logs.commits([("2026-11-25 14:05:06", "vyos", "cli", "why"), ("2026-11-25 14:00:00", "root", "init", None)])]
    text = logs.shown(entries, "leaf0")
    assert text.splitlines() == [
        "Nov 25 14:05:06 leaf0 bgpd: bgp_update_receive: rcvd End-of-RIB",
        "Nov 25 14:05:06 leaf0 vyos-configd: Commit by vyos via cli: why",
        "Nov 25 14:05:07 leaf0 zebra: plain",
        "Nov 25 14:05:08 leaf0 bgpd: too long goes on",
    ]
    assert logs.tail(text, ["1"]) == "Nov 25 14:05:08 leaf0 bgpd: too long goes on\n"
    assert logs.tail(text, []) == text
    assert logs.tail(text, ["0"]) == ""
    assert logs.parse("garbage\n") == []
