"""Every commit measured on a real VyOS 1.4: the comparison, the errors, and the resulting FRR configuration."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from leafspine_embedded.vyos.memory import MemoryRouter
from leafspine_embedded.vyos.render import frr_sections
from leafspine_embedded.vyos.session import Session

DATA = Path(__file__).parent / "data" / "vyos"
COMMITS: list[dict[str, Any]] = [json.loads(line) for line in (DATA / "commits.jsonl").read_text().splitlines()]
# Other result on purpose.
NOT_HERE = {
    "vif-and-dummy": "VLAN interfaces are refused when they are set (and failed in the measured lab for want of a kernel module)",
    "vif-mtu-above-parent": "the same",
}
# The real router keeps the sections that succeeded, this one commits all or nothing: what was measured afterwards differs.
STRICTER = {"prefix-list-and-distribute-list", "partial-interface-ok-nat-bad"}
# Set and deleted again: here that is no change, there it is.
NO_CHANGE = {"ssh-listen-missing-address"}
ERROR_DIFFERS = {
    "address-on-missing-interface": 'Interface "eth7" does not exist on this router!',  # the real one dies with a traceback
    "prefix-list-and-distribute-list": "% Prefix/distribute list can not co-exist",  # the real one repeats what FRR says
}


def boot(row: dict[str, Any]) -> str:
    text = (DATA / "boot.txt").read_text()
    # Some measurements ran on nodes that had another name; the comparison says which.
    before = re.search(r'^- host-name "(.*)"', row["compare"], re.MULTILINE)
    return text.replace("host-name leaf0", f"host-name {before.group(1)}") if before else text


async def prepared(row: dict[str, Any]) -> tuple[MemoryRouter, Session]:
    router = MemoryRouter(boot(row))
    session = Session(router)
    await session.line("configure")
    for setup in row["setup"]:
        for line in setup["lines"]:
            await session.line(line)
        assert (await session.line("compare")).output.strip() == setup["compare"]
        assert "failed" not in (await session.line("commit")).output
        assert frr_sections(router.running).replace("ip route 0.0.0.0/0 172.17.0.1\n!\n", "") == setup["frr"]
    return router, session


def frr(router: MemoryRouter) -> str:
    """Without the default route every measured node had."""
    lines = frr_sections(router.running).split("\n")
    assert lines[0] == "ip route 0.0.0.0/0 172.17.0.1"
    return "\n".join(lines[2:])


def message(text: str) -> str:
    """A commit's output without the `[ section ]` line the real router prints only sometimes."""
    return re.sub(r"^\[ .* \]\n", "", text.strip()).strip()


def of(names: set[str]) -> list[Any]:
    return [pytest.param(row, id=row["name"]) for row in COMMITS if row["name"] not in NOT_HERE and row["name"] not in names]


@pytest.mark.parametrize("row", of(set()))
async def test_set_lines(row: dict[str, Any]) -> None:
    _, session = await prepared(row)
    errors = {error["line"]: error["output"] for error in row["set_errors"]}
    for line in row["lines"]:
        output = (await session.line(line)).output
        assert output.split() == errors.get(line, "").split(), line


@pytest.mark.parametrize("row", of(set()))
async def test_compare(row: dict[str, Any]) -> None:
    _, session = await prepared(row)
    for line in row["lines"]:
        await session.line(line)
    assert (await session.line("compare")).output.rstrip("\n") == row["compare"]


@pytest.mark.parametrize("row", of(set()))
async def test_commit(row: dict[str, Any]) -> None:
    router, session = await prepared(row)
    for line in row["lines"]:
        await session.line(line)
    before = router.running.copy()
    output = (await session.line("commit")).output
    if row["committed"] or not row["commit_output"].endswith("Commit failed"):
        assert message(output) == ("No configuration changes to commit" if row["name"] in NO_CHANGE else message(row["commit_output"]))
        assert not session.modified
        assert frr(router) == row["frr"]
    else:
        expected = message(row["commit_output"])
        if row["name"] in ERROR_DIFFERS:
            expected = ERROR_DIFFERS[row["name"]] + expected[expected.index("\n\n[[") :]
        assert message(output) == expected
        assert router.running == before
        assert session.modified
        assert (await session.line("compare")).output.rstrip("\n") == row["compare"]


@pytest.mark.parametrize("row", [row for row in of(STRICTER) if row.values[0]["after"]])
async def test_after(row: dict[str, Any]) -> None:
    _, session = await prepared(row)
    for line in row["lines"]:
        await session.line(line)
    await session.line("commit")
    for after in row["after"]:
        if after["cmd"].startswith("run show interfaces"):
            continue  # needs a box
        output = (await session.line(after["cmd"])).output
        expected = after["output"]
        if row["name"] == "discard-after-failed" and after["cmd"] == "commit":
            expected = "No configuration changes to commit"  # measured: nothing, because of the failed attempt before
        assert same_node(output) == same_node(expected)


def same_node(text: str) -> list[str]:
    """Lines without what differed between the measured nodes: eth0's addresses, salts."""
    text = re.sub(r"172\.17\.0\.\d+/|02:42:ac:11:00:0\d|\$6\$[^ '\"]+", "x", text)
    return [line for line in text.split("\n") if line.strip()]


@pytest.mark.parametrize("name", sorted(NOT_HERE))
async def test_not_here(name: str) -> None:
    row = next(row for row in COMMITS if row["name"] == name)
    _, session = await prepared(row)
    replies = [(await session.line(line)).output for line in row["lines"]]
    assert any("not supported by the embedded engine" in reply for reply in replies)
