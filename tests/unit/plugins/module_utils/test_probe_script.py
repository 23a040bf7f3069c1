"""Many commands by one script: run by a real shell, each result is the command's own."""

from __future__ import annotations

import subprocess
import time

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.probe_script import parse, script


def run(commands: list[tuple[list[str], int]]) -> list[dict[str, object]]:
    done = subprocess.run(["sh", "-c", script(commands)], capture_output=True, text=True, check=True)
    return parse(done.stdout, len(commands))


def test_each_command_has_its_own_output_and_exit_code() -> None:
    found = run([(["printf", "a\nb"], 5), (["sh", "-c", "echo no >&2; exit 3"], 5), (["true"], 5), (["echo", "0 0 0"], 5)])
    assert [(one["rc"], one["stdout"]) for one in found] == [(0, "a\nb"), (3, "no\n"), (0, ""), (0, "0 0 0\n")]


@pytest.mark.parametrize("word", ["a b", "'", '"', "$HOME", "`id`", "*", "; false", "ü€"])
def test_words_reach_the_command_as_they_are(word: str) -> None:
    assert run([(["printf", "%s", word], 5)])[0]["stdout"] == word


def test_commands_run_at_the_same_time_and_end_in_time() -> None:
    begin = time.monotonic()
    found = run([(["sleep", "0.5"], 5)] * 4 + [(["sleep", "9"], 1)])
    assert time.monotonic() - begin < 3
    assert [one["rc"] for one in found] == [0, 0, 0, 0, 124]


@pytest.mark.parametrize("text", ["", "sh: not found\n", "0 0\n", "1 0 0\n"])
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="answer 0 of 1"):
        parse(text, 1)
