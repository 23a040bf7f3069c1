from __future__ import annotations

import pytest
from leafspine_embedded.vyos.memory import MemoryRouter
from vyos_shell import BOOT, Shell


@pytest.fixture
def router() -> MemoryRouter:
    return MemoryRouter(BOOT)


@pytest.fixture
def shell(router: MemoryRouter) -> Shell:
    return Shell(router)


@pytest.fixture
async def config(shell: Shell) -> Shell:
    await shell("configure")
    return shell
