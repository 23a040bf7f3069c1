"""A router's NAT rules that somebody changed behind its configuration are loaded again, and only then."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from leafspine_embedded.vyos import apply, kernel, render, watch
from leafspine_embedded.vyos.apply import Box
from leafspine_embedded.vyos.kernel import KernelError
from leafspine_embedded.vyos.tree import Tree
from leafspine_embedded.vyos.watch import Watch

RULE = "nat {\n source {\n rule 100 {\n outbound-interface {\n name eth0\n }\n translation {\n address masquerade\n }\n }\n }\n}\n"


class Nft:
    """Stands for nft in a namespace: the table is the text that was loaded last, or None."""

    def __init__(self) -> None:
        self.table: str | None = None
        self.loads = 0
        self.broken = False

    def run(self, _namespace: str, *argv: str, text: str | None = None) -> str:
        if argv == ("nft", "-f", "-"):
            if self.broken:
                raise KernelError("no memory")
            self.table, self.loads = text, self.loads + 1
            return ""
        assert argv == ("nft", "-s", "list", "table", "ip", "vyos_nat")
        if self.table is None:
            raise KernelError("No such file or directory")
        return self.table


@pytest.fixture
def nft(monkeypatch: pytest.MonkeyPatch) -> Nft:
    stand_in = Nft()
    monkeypatch.setattr(kernel, "run", stand_in.run)
    return stand_in


def box(tmp_path: Path, text: str = RULE) -> Box:
    made = Box("leaf0", "clab-x-leaf0", tmp_path, {})
    made._nat(render.nft_ruleset(Tree.parse(text)))
    return made


def test_rules_as_they_were_loaded_are_left_alone(nft: Nft, tmp_path: Path) -> None:
    assert not box(tmp_path).mend_nat()
    assert nft.loads == 1


@pytest.mark.parametrize("after", [None, "", "table ip vyos_nat { another }"], ids=["table deleted", "chain flushed", "rule changed"])
def test_changed_rules_are_loaded_again(nft: Nft, tmp_path: Path, after: str | None) -> None:
    made = box(tmp_path)
    right, nft.table = nft.table, after
    assert made.mend_nat()
    assert (nft.table, nft.loads) == (right, 2)
    assert not made.mend_nat()


def test_a_router_without_nat_has_nothing_to_lose(nft: Nft, tmp_path: Path) -> None:
    made = box(tmp_path, "system {\n host-name a\n}\n")
    nft.table = "somebody else's"
    assert not made.mend_nat()
    assert nft.loads == 0


def test_what_cannot_be_loaded_is_tried_again_the_next_time(nft: Nft, tmp_path: Path) -> None:
    made = box(tmp_path)
    nft.table, nft.broken = None, True
    with pytest.raises(KernelError):
        made.mend_nat()
    nft.broken = False
    assert made.mend_nat()


@pytest.mark.parametrize(("inode", "busy", "looks"), [(7, False, 1), (8, False, 0), (7, True, 0)], ids=["its own", "made anew", "commit under way"])
async def test_only_a_router_that_is_at_rest_and_still_the_same_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inode: int, busy: bool, looks: int
) -> None:
    seen = []
    machine: Any = SimpleNamespace(name="leaf0", inode=7, box=SimpleNamespace(namespace="clab-x-leaf0", mend_nat=lambda: seen.append(1)))
    monkeypatch.setattr(watch.netns, "inode", lambda _name: inode)
    lock = asyncio.Lock()
    if busy:
        await lock.acquire()
    await Watch(tmp_path)._mend_rules(machine, lock, {"leaf0": machine})
    assert len(seen) == looks


def test_no_rules_is_what_is_known_of_a_new_router(tmp_path: Path) -> None:
    assert Box("leaf0", "clab-x-leaf0", tmp_path, {}).nat == apply.NO_NAT
