"""A session to talk to, for the tests."""

from __future__ import annotations

from leafspine_embedded.vyos.memory import MemoryRouter
from leafspine_embedded.vyos.session import Session

BOOT = """
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
