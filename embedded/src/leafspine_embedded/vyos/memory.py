"""A router that exists only in memory: for tests, and to try a configuration without a box."""

from __future__ import annotations

from leafspine_embedded.vyos.model import OpUnsupported, Revision
from leafspine_embedded.vyos.session import Session
from leafspine_embedded.vyos.tree import Tree

EXAMPLE = """
interfaces {
    ethernet eth0 {
        address 172.20.20.2/24
    }
    loopback lo {
    }
}
service {
    ssh {
        disable-host-validation
    }
}
system {
    host-name leaf0
}
"""


class MemoryRouter:
    """Implements model.Router; `commit` always succeeds, `op` knows the answers it was given."""

    def __init__(self, text: str, *, interfaces: set[str] | None = None, now: str = "2026-01-01 00:00:00") -> None:
        self.running = Tree.parse(text)
        self.saved = self.running.copy()
        self.hostname = self.running.value("system", "host-name") or "vyos"
        self.revisions: list[Revision] = [Revision(now, "root", "vyos-boot-config-loader", None, self.running.copy())]
        self.interfaces = interfaces if interfaces is not None else {"eth0", "eth1", "eth2", "eth3"}
        self.answers: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.timer: int | None = None
        self._unconfirmed: Revision | None = None
        self.now = now

    @property
    def confirming(self) -> bool:
        return self.timer is not None

    async def commit(self, new: Tree, comment: str | None, user: str = "vyos", minutes: int | None = None) -> list[str]:
        self.running = new.copy()
        revision = Revision(self.now, user, "cli", comment, new.copy())
        if minutes is None:
            self.revisions.insert(0, revision)
        else:
            self.timer, self._unconfirmed = minutes, revision
        return []

    async def save(self) -> None:
        self.saved = self.running.copy()

    async def op(self, words: list[str]) -> str:
        try:
            return self.answers[" ".join(words)]
        except KeyError:
            raise OpUnsupported(" ".join(words)) from None

    async def read_file(self, key: str) -> str:
        if key not in self.files:
            raise FileNotFoundError(key)
        return self.files[key]

    async def write_file(self, key: str) -> None:
        self.files[key] = self.running.text()

    def expire(self) -> None:
        """The time of a commit-confirm is over."""
        assert self.timer is not None
        self.timer, self._unconfirmed, self.running = None, None, self.saved.copy()

    async def confirm(self) -> bool:
        running, self.timer = self.timer is not None, None
        if self._unconfirmed is not None:
            self.revisions.insert(0, self._unconfirmed)
            self._unconfirmed = None
        return running


class Shell:
    """A session to talk to line by line."""

    def __init__(self, router: MemoryRouter) -> None:
        self.router = router
        self.session = Session(router)

    async def __call__(self, *lines: str) -> str:
        """The output of the last line."""
        output = ""
        for line in lines:
            output = (await self.session.line(line)).output
        return output
