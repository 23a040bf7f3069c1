"""Module probes: places, limits, groups, check mode; the API is a fake that runs commands in this process's own shell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.modules import probes

sys.path.insert(0, str(Path(__file__).parent))
from module_runner import run_module


class FakeApi:
    """Runs what is meant for a pod here; knows one list."""

    calls: list[list[str]] = []

    def __init__(self, kubeconfig: str) -> None:
        if kubeconfig == "/none":
            raise OSError("no such file")

    def read_list(self, path: str) -> list[dict[str, Any]]:
        if path == "/broken":
            raise OSError("GET /broken: 500")
        return [{"path": path}]

    def execute(self, probe: dict[str, Any]) -> dict[str, Any]:
        FakeApi.calls.append(probe["command"])
        if probe["pod"] == "gone":
            raise OSError("pods gone not found")
        done = subprocess.run(probe["command"], capture_output=True, text=True, check=False)
        return {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


@pytest.fixture(autouse=True)
def api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "Api", FakeApi)
    FakeApi.calls = []


def run(check: bool = False, **arguments: Any) -> dict[str, Any]:
    return run_module(probes.main, {"kubeconfig": "/kubeconfig", **arguments}, check=check)


def probe(name: str, *command: str, pod: str = "p", **more: Any) -> dict[str, Any]:
    return {"name": name, "pod": pod, "command": list(command), **more}


def test_each_answer_has_its_name() -> None:
    found = run(probes=[probe("a", "echo", "1"), probe("b", "sh", "-c", "echo 2 >&2; exit 4")])["answers"]
    assert (found["a"]["rc"], found["a"]["stdout"], found["a"]["run"]) == (0, "1\n", True)
    assert (found["b"]["rc"], found["b"]["stderr"]) == (4, "2\n")


def test_together_is_one_exec_a_pod() -> None:
    commands = [probe("a", "echo", "1"), probe("b", "false"), probe("c", "echo", "3", pod="q")]
    found = run(probes=commands, together=True)["answers"]
    assert [found[name]["rc"] for name in "abc"] == [0, 1, 0]
    assert found["c"]["stdout"] == "3\n"
    assert len(FakeApi.calls) == 2
    FakeApi.calls = []
    run(probes=commands)
    assert len(FakeApi.calls) == 3


def test_a_pod_without_the_tools_of_a_script_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeApi, "execute", lambda self, probe: {"rc": 127, "stdout": "", "stderr": "sh: not found"})
    result = run(probes=[probe("a", "true"), probe("b", "true")], together=True)
    assert result["failed"]
    assert "sh: not found" in result["msg"]


def test_a_node_is_reached_through_the_prefix() -> None:
    node = {"name": "n", "node": "worker", "command": ["end"]}
    found = run(probes=[node], node_exec=["echo", "on", "{node}:"])["answers"]["n"]
    assert found["stdout"] == "on worker: end\n"
    refused = run(probes=[node])
    assert refused["failed"]
    assert "node_exec is empty" in refused["msg"]


def test_a_command_that_does_not_end_is_an_answer() -> None:
    found = run(probes=[{"name": "n", "node": "x", "command": ["9"], "timeout": 1}], node_exec=["sleep"])["answers"]["n"]
    assert found["rc"] == 124


def test_a_place_that_cannot_be_reached_fails_and_the_others_answers_are_kept() -> None:
    result = run(probes=[probe("a", "echo", "1"), probe("b", "true", pod="gone")])
    assert result["failed"]
    assert "b: OSError: pods gone not found" in result["msg"]
    assert result["answers"]["a"]["stdout"] == "1\n"
    assert result["answers"]["b"] == {"run": False}


def test_lists_are_read_in_check_mode_too_and_commands_are_not_run() -> None:
    result = run(check=True, probes=[probe("a", "echo", "1")], objects={"nodes": "/api/v1/nodes"})
    assert result["objects"] == {"nodes": [{"path": "/api/v1/nodes"}]}
    assert result["answers"] == {"a": {"run": False}}
    assert FakeApi.calls == []


def test_a_list_that_cannot_be_read_fails() -> None:
    result = run(objects={"x": "/broken", "y": "/y"})
    assert result["failed"]
    assert "list x: OSError: GET /broken: 500" in result["msg"]
    assert result["objects"] == {"x": [], "y": [{"path": "/y"}]}


def test_a_kubeconfig_that_cannot_be_read_is_named() -> None:
    result = run(kubeconfig="/none", objects={"x": "/x"})
    assert result["failed"]
    assert result["msg"].startswith("kubeconfig /none: ")


@pytest.mark.parametrize(
    ("commands", "words"),
    [
        pytest.param([probe("a", "true"), probe("a", "true")], "a named twice", id="one name twice"),
        pytest.param([{"name": "a", "command": ["true"]}], "one of the following is required", id="no place"),
        pytest.param([probe("a", "true", node="n")], "mutually exclusive", id="two places"),
    ],
)
def test_bad_arguments_are_refused(commands: list[dict[str, Any]], words: str) -> None:
    result = run(probes=commands)
    assert result["failed"]
    assert words in result["msg"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"status":"Success"}', 0),
        ('{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}', 7),
    ],
)
def test_the_exit_code_is_in_the_last_message_of_an_exec(text: str, code: int) -> None:
    assert probes.exit_code(text) == code


@pytest.mark.parametrize("text", ["", '{"status":"Failure","message":"container not found"}'])
def test_an_exec_without_an_exit_code_is_an_error(text: str) -> None:
    with pytest.raises(OSError, match=r"container not found|without a result"):
        probes.exit_code(text)
