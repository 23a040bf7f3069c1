"""commit-confirm over SSH: what nobody confirms comes back by itself, whatever happened to the login or to the engine's processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator

import pytest
from ansible_collections.leafspine.calico.tests.integration.containerlab_lab import Lab, Login, wait_until

pytestmark = pytest.mark.root
NUMBER = 77


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"), NUMBER)
    with contextlib.suppress(AssertionError):
        lab.clean_host()
    lab.prepare_host()
    try:
        lab.deploy()
        yield lab
    finally:
        lab.run("destroy", "--name", lab.name)
        lab.clean_host()


async def commit_confirm(cli: Login, *lines: str, minutes: int = 1) -> str:
    """Configure and commit-confirm, answering its question."""
    await cli.send("configure")
    for line in lines:
        assert "failed" not in await cli.send(line)
    cli.type(f"commit-confirm {minutes}\r")
    asked = ""
    while not asked.endswith("Proceed ? [Y/n] "):
        asked += await cli.read()
    cli.type("y\r")
    return (await cli.until_prompt()).replace("\r\n", "\n")


def mtu(lab: Lab, name: str) -> int:
    return int(json.loads(lab.within(name, "ip", "-j", "link", "show", "eth1"))[0]["mtu"])


def cli_text(lab: Lab, name: str, *lines: str) -> str:
    async def work() -> str:
        async with lab.login(name) as cli:
            return [await cli.send(line) for line in lines][-1]

    return asyncio.run(work())


def test_confirmed_or_not(lab: Lab) -> None:
    """On spine0 nobody confirms, and the login is gone at once; on leaf0 somebody does. A minute later that is what is there."""

    async def begin() -> None:
        for name in ("leaf0", "spine0"):
            async with lab.login(name) as cli:
                text = await commit_confirm(cli, "set interfaces ethernet eth1 mtu 1400")
                assert "Initialized commit-confirm; 1 minutes to confirm before reboot" in text
        async with lab.login("leaf0") as cli:  # another login may confirm
            await cli.send("configure")
            assert await cli.send("confirm") == "Reboot timer stopped\n"
            assert await cli.send("confirm") == "No confirm pending\n"

    asyncio.run(begin())
    started = time.monotonic()
    assert (mtu(lab, "leaf0"), mtu(lab, "spine0")) == (1400, 1400)
    the_process_ends_in_between(lab)
    wait_until("spine0 goes back", lambda: mtu(lab, "spine0") == 1500, timeout=90)
    assert time.monotonic() - started > 50
    assert mtu(lab, "leaf0") == 1400
    assert "mtu" not in lab.show("spine0", "show configuration commands")
    assert "No confirm pending" in cli_text(lab, "spine0", "configure", "confirm")
    assert "vyos-boot-config-loader" in lab.show("spine0", "show system commit").splitlines()[0]
    assert lab.show("leaf0", "show system commit").splitlines()[0].endswith("by vyos  via cli")
    assert "mtu 1400" in cli_text(lab, "leaf0", "configure", "compare 1").replace('"', "")


def the_process_ends_in_between(lab: Lab) -> None:
    """Killed and started again by the next deploy: what waits still waits, the rest of it is what it was."""
    for name in ("helper", "cli"):
        os.kill(lab.pid(name), signal.SIGKILL)
    lab.deploy()
    assert (mtu(lab, "leaf0"), mtu(lab, "spine0")) == (1400, 1400)
    assert "mtu 1400" in cli_text(lab, "leaf0", "configure", "compare 1").replace('"', "")


def test_the_time_was_over_while_no_process_ran(lab: Lab) -> None:
    async def begin() -> None:
        async with lab.login("spine0") as cli:
            await commit_confirm(cli, "set interfaces ethernet eth1 mtu 1300", minutes=5)

    asyncio.run(begin())
    for name in ("helper", "cli"):
        os.kill(lab.pid(name), signal.SIGKILL)
    path = lab.run_root / "labs" / lab.name / "routers" / "spine0" / "confirm.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "deadline": data["deadline"] - 300}))
    assert mtu(lab, "spine0") == 1300
    lab.deploy()
    wait_until("it goes back at once", lambda: mtu(lab, "spine0") == 1500)
    assert not path.exists()


def test_saved_is_kept(lab: Lab) -> None:
    """Saving what waits keeps it, as on a real router: that is what it would boot."""

    async def work() -> str:
        async with lab.login("spine0") as cli:
            await commit_confirm(cli, "set interfaces ethernet eth1 description kept", minutes=5)
            await cli.send("save")
            return await cli.send("confirm")

    assert asyncio.run(work()) == "Reboot timer stopped\n"
    assert "kept" in lab.show("spine0", "show configuration commands")
