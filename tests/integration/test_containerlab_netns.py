"""Network namespaces for real: what `ip netns` and the kernel see."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from leafspine_embedded.common import netns, process
from leafspine_embedded.common.errors import EngineError

pytestmark = pytest.mark.root
NAME = "tb-netns-test"


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    netns.delete(NAME)
    yield
    process.kill(netns.processes(NAME))
    netns.delete(NAME)


def test_create_is_what_ip_netns_shows() -> None:
    netns.create(NAME)
    assert netns.exists(NAME)
    assert NAME in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout.split()
    with pytest.raises(FileExistsError):
        netns.create(NAME)
    netns.delete(NAME)
    assert not netns.exists(NAME)
    assert NAME not in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout.split()
    netns.delete(NAME)


def test_a_file_left_over_is_not_a_namespace() -> None:
    Path(netns.path(NAME)).touch()
    assert not netns.exists(NAME)
    netns.create(NAME)
    assert netns.exists(NAME)


def test_entered_changes_this_thread_and_comes_back() -> None:
    netns.create(NAME)
    before = os.stat("/proc/thread-self/ns/net").st_ino
    with pytest.raises(RuntimeError), netns.entered(NAME):
        assert os.stat("/proc/thread-self/ns/net").st_ino == netns.inode(NAME)
        assert [name for _, name in socket.if_nameindex()] == ["lo"]
        raise RuntimeError
    assert os.stat("/proc/thread-self/ns/net").st_ino == before


def test_entering_what_is_missing_says_so() -> None:
    with pytest.raises(EngineError, match=f'"{NAME}" does not exist'), netns.entered(NAME):
        pytest.fail("entered")


def test_listen_is_seen_inside_only() -> None:
    netns.create(NAME)
    with netns.listen(NAME, "172.29.250.2", 22):
        inside = subprocess.run([*netns.prefix(NAME), "ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
        outside = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
    assert "172.29.250.2:22" in inside
    assert "172.29.250.2:22" not in outside


def test_a_daemon_in_the_namespace_as_another_user(tmp_path: Path) -> None:
    netns.create(NAME)
    number = process.spawn(["sleep", "60"], name="s", run_dir=tmp_path, netns=NAME, user="nobody", groups=["nogroup", "frrvty"])
    assert netns.processes(NAME) == [number]
    status = dict(line.split(":", 1) for line in Path(f"/proc/{number}/status").read_text().splitlines())
    assert status["Uid"].split() == ["65534"] * 4
    assert len(status["Groups"].split()) == 1
    process.stop(tmp_path, "s")
    assert netns.processes(NAME) == []
