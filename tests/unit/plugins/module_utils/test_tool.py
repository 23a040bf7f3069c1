"""Running a tool: found, bounded in time, its whole family killed, never waiting for a daemon it left behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.tool import Failure, Tool


def shell(**options: float) -> Tool:
    return Tool(["sh"], timeout=options.get("timeout", 10), grace=options.get("grace", 2))


def test_output_exit_code_and_standard_input() -> None:
    result = shell().run("-c", "cat; echo bad >&2; exit 3", stdin="given")
    assert (result.rc, result.stdout, result.stderr, result.text) == (3, "given", "bad\n", "bad\ngiven")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "], ids=["ends at TERM", "ignores TERM"])
def test_a_command_over_its_time_is_killed_with_its_children(trap: str) -> None:
    started = time.monotonic()
    result = shell(timeout=0.5, grace=0.5).run("-c", f"{trap}sleep 60 & echo $!; wait")
    assert result.rc is None and time.monotonic() - started < 8
    child = int(result.stdout)
    deadline = time.monotonic() + 3
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(child)


def test_a_daemon_that_keeps_the_output_open_is_not_waited_for() -> None:
    started = time.monotonic()
    result = shell().run("-c", "setsid sleep 5 & echo started $!")
    try:
        assert result.rc == 0 and time.monotonic() - started < 3
    finally:
        os.kill(int(result.stdout.split()[1]), 15)


def test_what_is_missing_or_cannot_be_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="no-such-tool was not found in /x:") as caught:
        Tool(["no-such-tool"], path=["/x"]).run("get")
    assert caught.value.as_result()["reason"] == "executable_missing" and "option path" in caught.value.as_result()["msg"]
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF not really")
    program.chmod(0o755)
    with pytest.raises(Failure, match="cannot be started"):
        Tool([str(program)]).run("get")
    program.chmod(0o644)
    with pytest.raises(Failure, match="was not found"):
        Tool([str(program)]).run("get")
