"""A router as the helper keeps it: commits that wait for their confirmation, over the end of the process, and its revisions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from leafspine_embedded.vyos import history, machine
from leafspine_embedded.vyos.helper import Helper
from leafspine_embedded.vyos.history import History
from leafspine_embedded.vyos.machine import Machine
from leafspine_embedded.vyos.model import CommitError, Revision
from leafspine_embedded.vyos.rpc import Refused
from leafspine_embedded.vyos.transport import from_data, to_data
from leafspine_embedded.vyos.tree import Tree


class Box:
    """Stands for the real one: takes every tree but those whose host name is `refused`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now = Tree()

    def commit(self, tree: Tree) -> None:
        if tree.value("system", "host-name") == "refused":
            raise CommitError("system", "refused")
        self.now = tree

    restore = commit


def named(name: str) -> Tree:
    return Tree.parse(f"system {{\n    host-name {name}\n}}\n")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(machine, "boot_clock", lambda: now[0])
    monkeypatch.setattr(Machine, "interfaces", lambda self: {"eth0"})
    return now


def router(directory: Path, inode: int = 7) -> Machine:
    """One that booted (or, by its files, runs already)."""
    if not (directory / "config.boot").exists():
        (directory / "config.boot").write_text(named("saved").text())
    found = Machine("leaf0", inode, directory / "config.boot", Box(directory))  # type: ignore[arg-type]
    found.start()
    return found


def name_of(tree: Tree) -> str | None:
    return tree.value("system", "host-name")


def names(found: Machine) -> list[str | None]:
    return [name_of(revision.tree) for revision in found.history.read()]


def test_revisions_survive_the_process_but_not_the_namespace(tmp_path: Path, clock: list[float]) -> None:
    router(tmp_path).commit(named("one"), user="vyos", comment="why")
    again = router(tmp_path)
    assert names(again) == ["one", "saved", None]
    assert (again.history.read()[0].user, again.history.read()[0].comment) == ("vyos", "why")
    assert names(router(tmp_path, inode=8)) == ["saved", None]
    assert (tmp_path / "commits.jsonl").stat().st_mode & 0o777 == 0o600


def test_half_a_line_is_left_out(tmp_path: Path) -> None:
    kept = History(tmp_path / "commits.jsonl")
    kept.start(named("one"))
    with kept.path.open("a") as out:
        out.write('["2026-01-01 00:00:00", "vy')
    kept.add(Revision("2026-01-01 00:00:01", "vyos", "cli", None, named("two")))
    assert [name_of(revision.tree) for revision in kept.read()] == ["two", "one", None]


def test_as_many_revisions_as_the_configuration_says(tmp_path: Path) -> None:
    kept = History(tmp_path / "commits.jsonl")
    few = Tree.parse("system {\n    config-management {\n        commit-revisions 3\n    }\n}\n")
    kept.start(few)
    for number in range(20):
        kept.add(Revision(str(number), "vyos", "cli", None, few))
        assert len(kept.path.read_text().splitlines()) <= 6
    assert [revision.when for revision in kept.read()] == ["19", "18", "17"]


@pytest.mark.parametrize("data", [None, [], ["a", "b", "c", None, "x"], ["a", "b", "c", None]])
def test_bad_revisions_are_refused(data: Any) -> None:
    with pytest.raises(ValueError):
        history.from_data(data)


def test_a_confirmed_commit_stays(tmp_path: Path, clock: list[float]) -> None:
    here = router(tmp_path)
    here.commit(named("new"), user="vyos", minutes=1)
    assert names(here) == ["saved", None]
    assert here.confirm()
    assert not here.confirm()
    assert names(here) == ["new", "saved", None]
    assert router(tmp_path).pending is None


def test_what_is_not_confirmed_goes_back_also_in_another_process(tmp_path: Path, clock: list[float]) -> None:
    router(tmp_path).commit(named("new"), user="vyos", minutes=2)
    clock[0] += 50
    again = router(tmp_path)
    assert again.pending is not None
    assert again.pending.left == pytest.approx(70)
    assert name_of(again.running) == "new"
    again.go_back()
    assert name_of(again.running) == name_of(again.box.now) == "saved"  # type: ignore[attr-defined]
    assert names(again) == ["saved", None]
    assert router(tmp_path).pending is None


def test_a_router_made_anew_waits_for_nothing(tmp_path: Path, clock: list[float]) -> None:
    router(tmp_path).commit(named("new"), user="vyos", minutes=2)
    again = router(tmp_path, inode=8)
    assert again.pending is None
    assert name_of(again.running) == "saved"
    assert not (tmp_path / "confirm.json").exists()


def test_a_failed_commit_waits_for_nothing(tmp_path: Path, clock: list[float]) -> None:
    here = router(tmp_path)
    with pytest.raises(CommitError):
        here.commit(named("refused"), user="vyos", minutes=2)
    assert here.pending is None
    assert name_of(here.running) == "saved"
    assert not (tmp_path / "confirm.json").exists()


def test_one_at_a_time(tmp_path: Path, clock: list[float]) -> None:
    here = router(tmp_path)
    here.commit(named("new"), user="vyos", minutes=2)
    with pytest.raises(CommitError, match="Another confirm is pending"):
        here.commit(named("newer"), user="vyos", minutes=2)
    here.commit(named("between"), user="vyos")  # without a timer: allowed, and lost with the rest
    here.go_back()
    assert names(here) == ["saved", "between", "saved", None]


class Told:
    """Stands for the channel to the service."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def call(self, name: str, **arguments: Any) -> None:
        self.calls.append((name, arguments))


@pytest.fixture
def helper(tmp_path: Path, clock: list[float]) -> Helper:
    made = Helper(tmp_path)
    made.channel = Told()  # type: ignore[assignment]
    made.machines["leaf0"] = router(tmp_path)
    made.locks["leaf0"] = asyncio.Lock()
    return made


async def ask(helper: Helper, name: str, **arguments: Any) -> Any:
    async def send(piece: str) -> None:
        raise AssertionError(piece)

    return await helper.answer(name, {"router": "leaf0", **arguments}, send)


async def test_the_helper_goes_back_in_time_and_tells_the_service(helper: Helper, clock: list[float]) -> None:
    await ask(helper, "commit", tree=to_data(named("new")), comment=None, user="vyos", minutes=1)
    assert name_of(helper.machines["leaf0"].running) == "new"
    clock[0] += 59.95
    helper._unwatch("leaf0")  # the test's clock stands still; a timer made now has 0.05 s left
    helper._watch(helper.machines["leaf0"])
    await asyncio.sleep(0)
    clock[0] += 1
    await asyncio.wait_for(helper.timers["leaf0"], 5)
    assert name_of(helper.machines["leaf0"].running) == "saved"
    name, arguments = helper.channel.calls[-1]  # type: ignore[attr-defined]
    assert name == "router"
    assert name_of(from_data(arguments["running"])) == "saved"
    assert arguments["confirming"] is False
    assert helper.timers == {}


async def test_the_helper_stops_the_timer(helper: Helper) -> None:
    await ask(helper, "commit", tree=to_data(named("new")), comment="c", user="vyos", minutes=1)
    assert "leaf0" in helper.timers
    assert await ask(helper, "confirm") is True
    assert helper.timers == {}
    assert await ask(helper, "confirm") is False
    assert name_of(helper.machines["leaf0"].running) == "new"


@pytest.mark.parametrize("minutes", [0, -1, 1.5, "1", True, 100000])
async def test_the_helper_checks_the_minutes(helper: Helper, minutes: Any) -> None:
    with pytest.raises(Refused):
        await ask(helper, "commit", tree=to_data(named("new")), comment=None, user="vyos", minutes=minutes)
    assert name_of(helper.machines["leaf0"].running) == "saved"
