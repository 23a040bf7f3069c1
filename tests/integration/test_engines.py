"""One code path: site.yml executes the same tasks in the engines ``embedded`` and ``containers``.

The engine ``containers`` finds recorded stand-ins of the real tools on its PATH (standins/): they say what the real ones said, are called as the
real ones are, and leave the work to the drop-ins, so that routers, Calico and the app are there for the tasks that follow.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.leafspine.calico.tests.integration.helpers.lab import ENGINE, Lab, Outcome

pytestmark = pytest.mark.root
HERE = Path(__file__).parent
TOOLS = ("docker", "kind", "containerlab", "calicoctl")
MANIFEST = ENGINE.parents[1] / "embedded/src/leafspine_embedded/calico/calico.yaml"


def stand_ins(folder: Path) -> Path:
    """A folder with a stand-in of every tool."""
    folder.mkdir()
    text = (HERE / "standins" / "standin").read_text().replace("@ENGINE@", str(ENGINE))
    for name in TOOLS:
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


class Pair(NamedTuple):
    """The same lab in two inventories."""

    embedded: Lab
    containers: Lab
    tools: Path

    def calls(self, tool: str) -> list[str]:
        """How a stand-in was called."""
        path = self.tools / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.removeprefix(f"{tool} ") for line in lines if line.startswith(f"{tool} ")]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folders = {engine: tmp_path_factory.mktemp(engine) for engine in ("embedded", "containers")}
    tools = stand_ins(folders["containers"] / "tools")
    numbers = ("tg-engines", 53, "172.29.53.0/24", "te-")
    variables = {"lab_tools_dir": str(tools), "lab_calico_manifest": str(MANIFEST), "lab_limits": {}}
    name, octet, management, prefix = numbers
    embedded = Lab(name, folders["embedded"], octet, management, prefix)
    containers = Lab(name, folders["containers"], octet, management, prefix, engine="containers", variables=variables)
    try:
        yield Pair(embedded, containers, tools)
    finally:
        ended = containers.play("destroy")
        shutil.rmtree(embedded.directory, ignore_errors=True)
        assert ended.rc == 0, ended


def executed(outcome: Outcome) -> list[tuple[str, str, str]]:
    """Host, task and what became of it, of everything in order."""
    assert outcome.rc == 0, outcome
    return [(host, name, "skipped" if result.get("skipped") else "ran") for host, name, result in outcome.results()]


def test_the_look_ahead_at_nothing_is_the_same(pair: Pair) -> None:
    ahead = {lab.engine: executed(lab.play("site", "--check")) for lab in (pair.embedded, pair.containers)}
    assert ahead["embedded"] == ahead["containers"]
    assert not pair.embedded.directory.exists()


def test_both_engines_execute_the_same_tasks(pair: Pair) -> None:
    first = executed(pair.containers.play("site"))
    seconds = {"containers": pair.containers.play("site")}
    executed(pair.embedded.play("site"))  # takes the lab over: images and options in the topology are its own
    seconds["embedded"] = pair.embedded.play("site")
    lists = {engine: executed(outcome) for engine, outcome in seconds.items()}
    assert lists["embedded"] == lists["containers"]
    # What a run on a finished lab does, the build has done too; it pushed and saved besides.
    assert {entry for entry in lists["embedded"] if entry[2] == "ran"} <= set(first)
    assert {engine: outcome.changed() for engine, outcome in seconds.items()} == {"embedded": [], "containers": []}
    assert len(lists["embedded"]) > 30


def test_the_real_tools_were_called_as_they_are_called(pair: Pair) -> None:
    """Without this the equality could come from stand-ins that nobody called."""
    assert any(words.startswith("create cluster --name tg-engines") for words in pair.calls("kind"))
    assert any(words.startswith("deploy --topo") and "--dry-run" not in words for words in pair.calls("containerlab"))
    assert any(words.startswith("apply -f -") for words in pair.calls("calicoctl"))
    assert any("ip -j address show" in words for words in pair.calls("docker"))
    assert [words for words in pair.calls("docker") if words.split()[0] not in ("version", "exec")] == []
