from __future__ import annotations

import pytest
from leafspine_embedded.vyos.memory import EXAMPLE, MemoryRouter, Shell


@pytest.fixture
def router() -> MemoryRouter:
    return MemoryRouter(EXAMPLE)


@pytest.fixture
def shell(router: MemoryRouter) -> Shell:
    return Shell(router)


@pytest.fixture
async def config(shell: Shell) -> Shell:
    await shell("configure")
    return shell
