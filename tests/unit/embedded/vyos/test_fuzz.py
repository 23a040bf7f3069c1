"""Whatever is typed: no error of the program, no half commit, and nothing the renderers cannot take.

More of it: `LEAFSPINE_FUZZ_LINES=10000 .venv/bin/pytest tests/unit/embedded/vyos/test_fuzz.py`.
"""

from __future__ import annotations

import asyncio
import os
import random
import re

import pytest
from ansible_collections.leafspine.calico.tests.unit.embedded.vyos import random_lines
from leafspine_embedded.vyos import frrdiff, login, render, transport
from leafspine_embedded.vyos.memory import EXAMPLE, MemoryRouter
from leafspine_embedded.vyos.model import CommitError, Revision
from leafspine_embedded.vyos.session import Session
from leafspine_embedded.vyos.tree import Tree

LINES = int(os.environ.get("LEAFSPINE_FUZZ_LINES", "1500"))
PARTS = 10


class Router(MemoryRouter):
    """Renders what it is given, as the box would, and refuses some of it."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(EXAMPLE)
        self.rng = rng
        self.commits = [0, 0]

    async def commit(self, new: Tree, comment: str | None, user: str = "vyos", minutes: int | None = None) -> list[str]:
        assert transport.problems(new) == []
        frr = frrdiff.parse(render.frr_config(new))
        steps = frrdiff.steps(frrdiff.parse(render.frr_config(self.running)), frr)
        assert all(command == " ".join(command.split()) and not re.search(r"[\x00-\x1f\x7f-\x9f]", command) for step in steps for command in step.commands)
        assert transport.from_data(transport.to_data(new)) == new
        render.kernel_plan(new)
        render.nft_ruleset(new)
        if self.rng.random() < 0.1:
            self.commits[1] += 1
            raise CommitError("protocols bgp", "refused by the test")
        self.commits[0] += 1
        return await super().commit(new, comment, user, minutes)


@pytest.mark.parametrize("part", range(PARTS))
async def test_lines(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "hash_password", lambda password: "$6$x$" + "a" * 86)
    rng = random.Random(part)
    router = Router(rng)
    session = Session(router)
    other = Session(router)
    for number in range(LINES // PARTS):
        if not session.configuring and session.question is None and rng.random() < 0.8:
            await session.line("configure")
        text = random_lines.typed(rng) if rng.random() < 0.94 else "commit"
        before, candidate = router.running.copy(), session.candidate.copy()
        reply = await asyncio.wait_for(session.line(text), 10)
        where = f"part {part}, line {number}: {text!r}"
        assert "internal error" not in reply.output, f"{where}: {reply.output}"
        assert isinstance(session.prompt, str)
        if router.running != before:
            # Only a whole candidate, a revision or the saved configuration ever becomes the running one.
            whole = [candidate, *(revision.tree for revision in router.revisions), router.saved]
            assert router.running in whole or "plaintext-password" in text, where
        if "Commit failed" in reply.output:
            assert router.running == before, where
        if rng.random() < 0.01:  # somebody else commits in between
            other.candidate, other.base = router.running.copy(), router.running.copy()
            other.configuring = True
            await other.line(f"set system host-name o{number}")
            await other.line("commit")
            assert isinstance(router.revisions[0], Revision)
        if reply.close:
            session = Session(router)
    # (operational `save` and `commit` need a configuration mode that was entered: most are)
    assert router.commits[0] > 0


async def test_the_measure_can_fail() -> None:
    """A router that commits half of what it is given is noticed."""

    class Half(MemoryRouter):
        async def commit(self, new: Tree, comment: str | None, user: str = "vyos", minutes: int | None = None) -> list[str]:
            half = new.copy()
            half.delete(["protocols"])
            return await super().commit(half, comment, user, minutes)

    router = Half(EXAMPLE)
    session = Session(router)
    for text in ("configure", "set system host-name x", "set protocols bgp system-as 1"):
        await session.line(text)
    candidate = session.candidate.copy()
    await session.line("commit")
    assert router.running != candidate
