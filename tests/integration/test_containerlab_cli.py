"""The command line over SSH: who comes in, what a terminal sees, and what sessions do to each other."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from containerlab_lab import PASSWORD, Lab, Login, sh

pytestmark = pytest.mark.root
NUMBER = 71


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


@pytest.mark.parametrize(("user", "password"), [("vyos", "wrong"), ("nobody", PASSWORD), ("root", PASSWORD), ("vyos", "")])
async def test_wrong_logins_are_refused(lab: Lab, user: str, password: str) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        async with lab.login("leaf0", user=user, password=password):
            pytest.fail("logged in")


async def test_prompts_and_echo(lab: Lab) -> None:
    async with lab.login("leaf0") as cli:
        assert cli.greeting.endswith("vyos@leaf0:~$ ")
        assert await cli.send("set terminal length 0") == ""
        assert await cli.send("show host name") == "leaf0\n"
        cli.type("configure\r")
        assert (await cli.until_prompt()).endswith("[edit]\r\nvyos@leaf0# ")
        # 80 columns wide, and the echo of a longer line is not wrapped and not drawn again (send() compares the echo).
        long = "set interfaces ethernet eth1 description '" + "x" * 200 + "'"
        assert await cli.send(long) == ""
        assert "x" * 200 in await cli.send("compare")
        assert "Cannot exit: configuration modified." in await cli.send("exit")
        assert await cli.send("exit discard") == "exit\n"
        assert "Invalid command: [bogus]" in await cli.send("bogus")


async def test_editing_keys(lab: Lab) -> None:
    async with lab.login("leaf0") as cli:
        cli.type("shox\x7fw host nme\x1b[D\x1b[Da\r")
        assert "\r\nleaf0\r\n" in await cli.until_prompt()
        cli.type("\x1b[A\r")
        assert "\r\nleaf0\r\n" in await cli.until_prompt()
        cli.type("garbage\x03")
        assert "^C\r\n" in await cli.until_prompt()
        cli.type("show host name\rshow version\r")  # typed ahead
        text = await cli.until_prompt()
        while "Version:" not in text:
            text += await cli.until_prompt()
        assert text.index("leaf0\r\n") < text.index("Version:")


async def test_control_d_and_exit_end_the_login(lab: Lab) -> None:
    for keys in ("\x04", "exit\r"):
        async with lab.login("leaf0") as cli:
            cli.type(keys)
            with pytest.raises(EOFError, match="logout"):
                await cli.send("show version")


async def test_a_command_without_a_terminal_is_invalid(lab: Lab) -> None:
    async with asyncssh.connect(lab.addresses["leaf0"], username="vyos", password=PASSWORD, known_hosts=None, client_keys=None) as connection:
        done = await connection.run("show version")
        assert "Invalid command" in str(done.stdout)
        assert done.exit_status != 0


async def test_no_files_no_forwarding(lab: Lab) -> None:
    async with asyncssh.connect(lab.addresses["leaf0"], username="vyos", password=PASSWORD, known_hosts=None, client_keys=None) as connection:
        with pytest.raises((asyncssh.Error, OSError)):
            await connection.start_sftp_client()
        with pytest.raises((asyncssh.Error, OSError)):
            await connection.open_connection("127.0.0.1", 22)


async def test_ping_streams_and_control_c_ends_it(lab: Lab) -> None:
    host = f"172.29.{NUMBER}.3"
    async with lab.login("leaf0") as cli:
        output = await cli.send(f"ping {host} count 2 interval 0.2")
        assert "2 packets transmitted, 2 received, 0% packet loss" in output
        cli.type(f"ping {host} interval 0.2\r")
        await asyncio.sleep(0.8)
        begin = time.monotonic()
        cli.type("\x03")
        text = await cli.until_prompt()
        assert time.monotonic() - begin < 2
        assert text.count("icmp_seq=") >= 2
        assert await cli.send("show host name") == "leaf0\n"
        assert "ping: Unknown host: nosuch" in await cli.send("ping nosuch.invalid count 1")
        assert "Invalid command" in await cli.send("ping 10.0.0.1 bogus 1")
        assert "traceroute to" in await cli.send(f"traceroute {host}")
    wait = sh("ps", "-eo", "args")
    assert f"ping -i 0.2 -- {host}" not in wait


async def test_operational_commands(lab: Lab) -> None:
    async with lab.login("leaf0") as cli:
        assert re.search(r"eth0 +172.29.71.2/24 +aa:c1:ab:\S+ +default +1500  u/u", await cli.send("show interfaces"))
        assert "link/ether aa:c1:ab" in await cli.send("show interfaces ethernet eth1")
        assert f"C>* 172.29.{NUMBER}.0/24 is directly connected, eth0" in await cli.send("show ip route")
        assert '"172.29.71.0/24"' in await cli.send("show ip route json")
        await cli.send(f"ping 172.29.{NUMBER}.3 count 1")
        assert f"172.29.{NUMBER}.3" in await cli.send("show arp")
        assert "hostname leaf0" in await cli.send('vtysh -c "show running-config"')
        assert "not supported" in await cli.send('vtysh -c "configure terminal"')
        assert "not supported" in await cli.send('vtysh -c "clear bgp *"')
        assert "Interface" in await cli.send("show interfaces counters")
        assert "Rule" in await cli.send("show nat source statistics")
        assert "Uptime:" in await cli.send("show system uptime")
        assert "not supported by the embedded engine" in await cli.send("show system storage")


async def test_two_logins_and_the_commit_of_one(lab: Lab) -> None:
    async with lab.login("leaf0") as one, lab.login("leaf0") as two:
        for cli in (one, two):
            await cli.send("configure")
        await one.send("set interfaces ethernet eth1 description one")
        await two.send("set interfaces ethernet eth2 description two")
        assert await one.send("commit") == ""
        assert "one" in await two.send("show interfaces ethernet eth1")
        assert await two.send("commit comment 'by two'") == ""
        assert "one" in await one.send("run show configuration commands")
        assert "by two" in await one.send("run show system commit")
        await one.send("delete interfaces ethernet eth1")
        await one.send("delete interfaces ethernet eth2")
        assert await one.send("commit") == ""


@pytest.mark.parametrize("how", ["Control-C", "hang up"])
async def test_a_commit_is_not_torn_by_its_login(lab: Lab, how: str) -> None:
    async with lab.login("leaf0") as cli:
        await cli.send("configure")
        await cli.send(f"set interfaces ethernet eth2 description 'whole {how}'")
        if how == "Control-C":
            cli.type("commit\r\x03")
            await cli.until_prompt()
        else:
            cli.type("commit\r")
    await asyncio.sleep(1)
    alias = lab.within("leaf0", "ip", "-d", "link", "show", "eth2")
    async with lab.login("leaf0") as cli:
        configured = await cli.send("show configuration commands")
        assert (f"whole {how}" in alias) == (f"whole {how}" in configured)
        await cli.send("configure")
        await cli.send("delete interfaces ethernet eth2")
        await cli.send("commit")


async def test_reset_bgp(lab: Lab) -> None:
    async with lab.login("leaf0") as cli:
        await cli.send("configure")
        await cli.send("set protocols bgp system-as 65001")
        await cli.send("set protocols bgp neighbor 10.129.71.9 remote-as 9")
        await cli.send("commit")
        for command in ("reset bgp all", "reset ip bgp 10.129.71.9", "reset bgp 10.129.71.9 soft in"):
            assert await cli.send(f"run {command}") == ""
        assert "10.129.71.77" in await cli.send("run reset bgp 10.129.71.77")  # FRR says that it has no such neighbour
        await cli.send("delete protocols bgp")
        assert await cli.send("commit") == ""


async def test_host_name_takes_effect_for_the_next_login(lab: Lab) -> None:
    async with lab.login("spine0") as cli:
        await cli.send("configure")
        await cli.send("set system host-name spineX")
        assert await cli.send("commit") == ""
        async with lab.login("spine0") as other:
            assert other.greeting.endswith("vyos@spineX:~$ ")
        await cli.send("set system host-name spine0")
        assert await cli.send("commit") == ""


async def test_users_and_keys_take_effect(lab: Lab) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    kind, data = key.export_public_key().decode().split()[:2]
    async with lab.login("leaf0") as cli:
        await cli.send("configure")
        await cli.send("set system login user anna authentication plaintext-password a-new-secret")
        await cli.send(f"set system login user vyos authentication public-keys me key {data}")
        await cli.send(f"set system login user vyos authentication public-keys me type {kind}")
        assert await cli.send("commit", timeout=60) == ""
        shown = await cli.send("run show configuration commands")
        assert "a-new-secret" not in shown and "plaintext" not in shown
        async with lab.login("leaf0", client_keys=[key], password=None) as other:
            assert await other.send("show host name") == "leaf0\n"
        with pytest.raises(asyncssh.PermissionDenied):
            async with lab.login("leaf0", client_keys=[asyncssh.generate_private_key("ssh-ed25519")], password=None):
                pytest.fail("logged in with a strange key")
        async with asyncssh.connect(lab.addresses["leaf0"], username="anna", password="a-new-secret", known_hosts=None, client_keys=None):
            pass
        await cli.send("delete system login user anna")
        await cli.send("delete system login user vyos authentication public-keys")
        assert await cli.send("commit") == ""
        with pytest.raises(asyncssh.PermissionDenied):
            async with lab.login("leaf0", user="anna", password="a-new-secret"):
                pytest.fail("logged in")


async def test_ssh_port_takes_effect_and_logins_stay(lab: Lab) -> None:
    async with lab.login("spine0") as cli:
        await cli.send("configure")
        await cli.send("set service ssh port 2222")
        assert await cli.send("commit") == ""
        with pytest.raises(OSError):
            async with lab.login("spine0"):
                pytest.fail("still listening on port 22")
        async with lab.login("spine0", port=2222) as other:
            assert await other.send("show host name") == "spine0\n"
        await cli.send("delete service ssh port")
        assert await cli.send("commit") == ""
    async with lab.login("spine0") as cli:
        assert await cli.send("show host name") == "spine0\n"


async def test_a_reconcile_does_not_disturb_other_routers_logins(lab: Lab) -> None:
    async with lab.login("spine0") as cli:
        await cli.send("configure")
        await cli.send("set interfaces ethernet eth1 description kept")
        lab.env["leaf0"] = {"CHANGED": "1"}
        await asyncio.to_thread(lab.deploy)
        assert "kept" in await cli.send("compare")
        await cli.send("exit discard")
    async with lab.login("leaf0") as cli:
        assert await cli.send("show host name") == "leaf0\n"


async def test_many_logins_at_once(lab: Lab) -> None:
    async def one(name: str) -> str:
        async with lab.login(name) as cli:
            return await cli.send("show host name")

    begin = time.monotonic()
    found = await asyncio.gather(*(one(name) for name in ["leaf0", "spine0"] * 10))
    assert found == ["leaf0\n", "spine0\n"] * 10
    assert time.monotonic() - begin < 20


async def test_secrets_are_nobody_elses(lab: Lab) -> None:
    """What a login could reach with the service's rights: no file of root."""
    async with lab.login("leaf0") as cli:
        await cli.send("configure")
        for path in ("/etc/shadow", str(lab.run_root / "labs" / lab.name / "state.json"), str(lab.run_root / "labs" / lab.name / "ssh_host_ed25519_key")):
            assert "No such file" in await cli.send(f"load {path}")


def test_login_class_needs_the_right_address() -> None:
    with pytest.raises((OSError, asyncio.TimeoutError)):
        asyncio.run(Login(f"172.29.{NUMBER}.99").__aenter__())
