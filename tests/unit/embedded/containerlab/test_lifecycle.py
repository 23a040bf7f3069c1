"""`containerlab exec` and `restart`: their command lines, and which nodes are meant."""

from __future__ import annotations

import pytest
from leafspine_embedded.common.errors import EngineError
from leafspine_embedded.containerlab import lifecycle, options
from leafspine_embedded.containerlab.model import Node
from leafspine_embedded.containerlab.record import Built, Record


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Record:
    monkeypatch.setattr(lifecycle.netns, "exists", lambda name: name != "clab-t-gone")
    nodes = {name: Built(Node(name, kind, f"clab-t-{name}"), name != "br", "") for name, kind in (("leaf0", "linux"), ("gone", "linux"), ("br", "bridge"))}
    made = Record("t", "t.yml", "/t.yml", None, nodes)  # type: ignore[arg-type]
    monkeypatch.setattr(lifecycle.record, "read", lambda name: made if name == "t" else None)
    return made


@pytest.mark.parametrize(
    ("labels", "nodes"),
    [
        pytest.param([], ["leaf0"], id="all that are there"),
        pytest.param(["clab-node-name=leaf0"], ["leaf0"], id="by name"),
        pytest.param(["clab-node-kind=linux", "containerlab=t"], ["leaf0"], id="by kind and lab"),
        pytest.param(["clab-node-name=leaf1"], [], id="none"),
    ],
)
def test_labels_choose_containers(lab: Record, labels: list[str], nodes: list[str]) -> None:
    assert lifecycle.chosen(lab, labels) == nodes


def test_what_cannot_be_meant_is_refused(lab: Record) -> None:
    with pytest.raises(EngineError, match='label "colour" is not supported'):
        lifecycle.chosen(lab, ["colour=red"])
    with pytest.raises(EngineError, match="did not match any containers"):
        lifecycle.execute("t", ["clab-node-name=leaf1"], ["true"])
    with pytest.raises(EngineError, match="lab other is not deployed"):
        lifecycle.execute("other", [], ["true"])
    with pytest.raises(EngineError, match="an empty command"):
        lifecycle.execute("t", [], [""])
    with pytest.raises(EngineError, match='node "br" is not a container of lab t'):
        lifecycle.restart("t", ["br"])


def test_a_command_that_fails_is_a_result(lab: Record, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(lifecycle.netns, "prefix", lambda name: ["env"])
    found = lifecycle.execute("t", [], ["sh -c 'echo said; exit 3'"])
    assert found == {"clab-t-leaf0": [{"cmd": ["sh", "-c", "echo said; exit 3"], "return-code": 3, "stdout": "said\n", "stderr": ""}]}
    lifecycle.show(found, "json")
    assert '"return-code": 3' in capsys.readouterr().out


@pytest.mark.parametrize("words", [["exec"], ["restart"], ["exec", "--cmd", "ip a", "--file", "x"]], ids=" ".join)
def test_wrong_command_lines(words: list[str]) -> None:
    with pytest.raises(EngineError):
        options.parse(words)


def test_command_lines() -> None:
    given = options.parse(["exec", "-t", "x.yml", "--label", "clab-node-name=leaf0", "--cmd", "ip a", "-f", "json"])
    assert (given.topo, given.label, given.cmd, given.format) == ("x.yml", ["clab-node-name=leaf0"], ["ip a"], "json")
    assert options.parse(["restart", "--name", "t", "-n", "leaf0,leaf1"]).node == ["leaf0,leaf1"]
