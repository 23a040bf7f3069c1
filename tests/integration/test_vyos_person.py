"""The command line as a person meets it over SSH, and what a person cannot do with it.

The first test starts a commit-confirm that nobody confirms; the last but two waits for it, the others fill the minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from ansible_collections.leafspine.calico.tests.integration.containerlab_lab import PASSWORD, Lab, Login, wait_until
from leafspine_embedded.common import netns

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


STARTED: list[float] = []


def test_confirmed_or_not(lab: Lab) -> None:
    """On spine0 nobody confirms, and the login is gone at once; on leaf0 somebody does. Then the engine's processes are killed and come again."""

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
    STARTED.append(time.monotonic())
    kill(lab)
    lab.deploy()
    assert (mtu(lab, "leaf0"), mtu(lab, "spine0")) == (1400, 1400)
    assert "mtu 1400" in cli_text(lab, "leaf0", "configure", "compare 1").replace('"', "")


def kill(lab: Lab) -> None:
    for name in ("helper", "cli"):
        os.kill(lab.pid(name), signal.SIGKILL)


POLICIES = """set policy prefix-list PL rule 10 action permit
set policy prefix-list PL rule 10 prefix 10.0.0.0/8
set policy community-list CL rule 10 action permit
set policy community-list CL rule 10 regex 65000:1
set policy as-path-list AP rule 10 action permit
set policy as-path-list AP rule 10 regex ^65000$
set policy route-map RM rule 10 action permit
set policy route-map RM rule 10 match ip address prefix-list PL
set protocols bgp system-as 65001
set protocols bgp neighbor 10.129.77.2 remote-as 65002
set protocols bgp neighbor 10.129.77.2 address-family ipv4-unicast
set protocols bfd peer 10.129.77.2
set interfaces ethernet eth1 address 10.129.77.1/30""".splitlines()


async def test_policies_and_protocols_are_shown(lab: Lab) -> None:
    async with lab.login("leaf0") as cli:
        assert await cli.send("show bfd peers") == "BFD Peers:\n"
        await cli.send("configure")
        for line in POLICIES:
            assert await cli.send(line) == ""
        assert await cli.send("commit") == ""
        await cli.send("exit")
        shown = {
            "show ip prefix-list": "seq 10 permit 10.0.0.0/8",
            "show ip prefix-list PL": "seq 10 permit 10.0.0.0/8",
            "show ip community-list": "65000:1",
            "show ip as-path-access-list": "^65000$",
            "show route-map RM": "ip address prefix-list PL",
            "show bfd peers": "peer 10.129.77.2",
            "show bfd peers brief": "Session count: 1",
            "show bgp summary": "10.129.77.2",
            "show log": "vyos-configd: Commit by vyos via cli",
            "show log tail 2": "leaf0 ",
            "show log protocol bgp | count": "",
            "show history": "show ip prefix-list",
        }
        for command, expected in shown.items():
            output = await cli.send(command)
            assert expected in output, f"{command}: {output}"
            assert "nvalid command" not in output, f"{command}: {output}"
            assert "nknown command" not in output, f"{command}: {output}"


async def test_monitor_log_until_control_c(lab: Lab) -> None:
    async with lab.login("leaf0") as cli:
        cli.type("monitor log | match eth2\r")
        await cli.read()
        await asyncio.sleep(0.5)  # until it follows, what is written is not shown
        lab.within("leaf0", "ip", "link", "set", "eth2", "down")
        lab.within("leaf0", "ip", "link", "set", "eth2", "up")
        await asyncio.to_thread(reset_bgp, lab)
        cli.type("\x03")
        assert await cli.until_prompt()
        assert await cli.send("show host name") == "leaf0\n"
    assert lab.within("leaf0", "pgrep", "-c", "-x", "bgpd").strip()  # the daemons are not what Control-C ended


def reset_bgp(lab: Lab) -> None:
    lab.show("leaf0", "reset bgp all")


async def test_tab_and_question_mark(lab: Lab) -> None:
    async with lab.login("leaf0") as cli:
        cli.type("sh\tho\tna\t\r")
        assert (await cli.until_prompt()).startswith("show host name \r\nleaf0\r\n")
        await cli.send("configure")
        cli.type("set protocols bgp neighbor 10.9.9.9 timers ?")
        text = ""
        while not text.endswith("vyos@leaf0# set protocols bgp neighbor 10.9.9.9 timers "):
            text += await cli.read()
        assert "Possible completions:\r\n" in text
        assert "   keepalive" in text
        cli.type("keep\t?")
        while "<1-65535>" not in text:
            text += await cli.read()
        cli.type("70000\r")
        while "Set failed" not in text:
            text += await cli.read()
        assert "Number is not in any of allowed ranges" in text


async def test_load_save_merge_rollback(lab: Lab) -> None:
    async with lab.login("leaf0") as cli:
        await cli.send("configure")
        assert await cli.send("save /config/before.boot") == ""
        await cli.send("set interfaces ethernet eth2 description one")
        assert await cli.send("commit comment first") == ""
        await cli.send("delete interfaces ethernet eth2 description")
        await cli.send("set interfaces ethernet eth3 description two")
        assert await cli.send("commit") == ""
        assert 'description "two"' in await cli.send("compare 1")
        assert '- description "one"' in await cli.send("compare 1")
        assert "first" in (await cli.send("run show system commit")).splitlines()[2]
        assert "Load complete" in await cli.send("load /config/before.boot")
        assert await cli.send("commit") == ""
        assert "description" not in await cli.send("show interfaces ethernet eth3")
        assert "Merge complete" in await cli.send("merge config.boot")
        cli.type("rollback 1\r")
        text = ""
        while not text.endswith("[Y/n] "):
            text += await cli.read()
        cli.type("y\r")
        await cli.until_prompt()
        assert 'description "two"' in (await cli.send("show interfaces ethernet eth3")).replace("two", '"two"')
    assert json.loads(lab.within("leaf0", "ip", "-j", "link", "show", "eth3"))[0]["ifalias"] == "two"


MARK = "/tmp/tb-vyos-escaped"
REFUSED = (asyncssh.Error, asyncssh.ChannelListenError, OSError)
ATTEMPTS = f"""
id
bash -i
/bin/sh
sudo -i
sudo su
sudo sh -c id
sudo cat /etc/shadow
cat /etc/passwd
less /etc/passwd
vi /etc/passwd
python3
touch {MARK}
show version; touch {MARK}
show version & touch {MARK}
show version && touch {MARK}
show version || touch {MARK}
show version | sh
show version | tee {MARK}
show version | touch {MARK}
show version | grep -f /etc/passwd x
show version | match x /etc/passwd
show version > {MARK}
show version >> {MARK}
show version < /etc/passwd
show version `touch {MARK}`
show version $(touch {MARK})
show version | match "$(touch {MARK})"
show version | less !sh
show version | more !sh
!sh
$SHELL
$(touch {MARK})
`touch {MARK}`
vtysh
vtysh -c
vtysh -c "start-shell sh"
vtysh -c "show version" -c "start-shell sh"
vtysh -c "configure terminal" -c "log file {MARK}"
vtysh -c "show version" -f /etc/passwd
vtysh -f /etc/passwd
vtysh --vty_socket /run -c "show version"
vtysh -c "show running-config" -c "write file"
vtysh -c "copy /etc/passwd running-config"
vtysh -c "sh version | redirect {MARK}"
ip netns exec x sh
ip -n x addr
ip -batch /etc/passwd
ip vrf exec x sh
tcpdump -w {MARK} -c 1 -i any
tcpdump -z sh -i any -c 1
tcpdump -r /etc/passwd
tcpdump -F /etc/passwd -i any -c 1
timeout 5 sh
timeout 5 tcpdump -i any -w {MARK}
monitor traffic interface any save {MARK}
monitor traffic interface "any -w {MARK}"
monitor log {MARK}
curl file:///etc/passwd
curl -o {MARK} http://127.0.0.1/
curl -K /etc/passwd http://127.0.0.1/
curl --unix-socket /run/x http://127.0.0.1/
ping -f 127.0.0.1
ping "127.0.0.1; touch {MARK}" count 1
ping 127.0.0.1 count "1; touch {MARK}"
ping 127.0.0.1 interface "-I{MARK}" count 1
traceroute "127.0.0.1 -F"
show log /etc/passwd
show log tail /etc/passwd
show log protocol ../../../etc/passwd
show configuration files /etc/passwd
generate tech-support archive {MARK}
add system image /etc/passwd
copy file /etc/passwd to {MARK}
delete file {MARK}
show file /etc/passwd
telnet 127.0.0.1
ssh 127.0.0.1
LD_PRELOAD={MARK} show version
env
export PATH=/tmp
source /etc/passwd
. /etc/passwd
exec sh
eval id
""".strip().splitlines()
CONFIGURATION = f"""
load /etc/passwd
load /etc/shadow
load ../../../../etc/passwd
load /config/../../../etc/passwd
load {MARK}/../../etc/passwd
load file:///etc/passwd
load http://127.0.0.1/x
merge /etc/passwd
merge /proc/self/environ
save /etc/{MARK}
save /root/x
save ../../x
save scp://vyos@127.0.0.1/x
save /proc/self/mem
set system host-name '$(touch {MARK})'
set system host-name `id`
set interfaces ethernet eth1 description '$(touch {MARK})'
set interfaces ethernet eth1 description "x\\\" up; link add"
set system login user x home-directory /root
set policy route-map RM rule 10 description "x\\nlog file {MARK}"
run sh
run cat /etc/passwd
run vtysh -c "conf t"
show | tee {MARK}
show > {MARK}
edit protocols bgp; sh
comment system "x"
commit comment "$(touch {MARK})"
discard
""".strip().splitlines()


def traces() -> list[str]:
    """What an attempt that worked would leave."""
    return [str(path) for path in Path("/tmp").glob("tb-vyos-escaped*")]


async def test_no_command_and_no_file_outside(lab: Lab) -> None:
    """Pipes, shell syntax, other programs' options, paths: none reads a file of the machine, writes one or runs anything."""
    secret = next(line for line in Path("/etc/passwd").read_text().splitlines() if line.startswith("root:"))
    within = lambda: set(netns.processes(lab.container("leaf0")))  # noqa: E731
    before = within()
    async with lab.login("leaf0") as cli:
        outputs = {line: await cli.send(line) for line in ATTEMPTS}
        await cli.send("configure")
        outputs |= {line: await cli.send(line) for line in CONFIGURATION}
        assert await cli.send("run show host name") == "leaf0\n"
    for line, output in outputs.items():
        assert secret not in output, line
        assert "uid=" not in output, line
        assert "internal error" not in output, f"{line}: {output}"
    assert traces() == []
    assert within() == before
    refused = [line for line in ATTEMPTS if "nvalid command" in outputs[line] or "not supported" in outputs[line]]
    unlike = sorted(set(ATTEMPTS) - set(refused))
    # The others are commands that do what they say and nothing more.
    assert [line for line in unlike if not line.startswith(("show version |", "show log tail", "ping", "traceroute", 'vtysh -c "sh', "!", "$"))] == []


async def test_ssh_gives_a_terminal_and_nothing_else(lab: Lab, tmp_path: Path) -> None:
    options = {"username": "vyos", "password": PASSWORD, "known_hosts": None, "client_keys": None}
    async with asyncssh.connect(lab.addresses["leaf0"], **options) as connection:
        with pytest.raises(REFUSED):
            await connection.start_sftp_client()
        for subsystem in ("sftp", "netconf", "sh"):
            with pytest.raises(asyncssh.Error):
                await connection.create_process(subsystem=subsystem)
        with pytest.raises(REFUSED):
            await connection.open_connection("127.0.0.1", 22)
        with pytest.raises(REFUSED):
            await connection.open_unix_connection(str(lab.run_root / "labs" / lab.name / "control.sock"))
        with pytest.raises(REFUSED):
            await connection.start_server(lambda *_: None, "", 9999)
        with pytest.raises(REFUSED):
            await connection.start_unix_server(lambda *_: None, str(tmp_path / "socket"))
        for command in ("sh", f"touch {MARK}", "scp -t /tmp", "scp -f /etc/passwd", "show version; id", "vtysh", "/usr/lib/openssh/sftp-server"):
            done = await connection.run(command)
            assert "Invalid command" in str(done.stdout), command
            assert done.exit_status != 0
            assert "uid=" not in str(done.stdout)
        async with connection.create_process(term_type="vt100", env={"LD_PRELOAD": MARK, "PATH": "/tmp", "VTYSH_PAGER": f"touch {MARK}"}) as process:
            process.stdin.write('vtysh -c "show version"\rexit\r')
            assert "FRRouting" in await process.stdout.read()
    assert traces() == []


async def test_ssh_options_take_effect(lab: Lab) -> None:
    """Algorithms, banners, who may enter and the idle timeout; and all of it gone again."""
    options = {"username": "vyos", "password": PASSWORD, "known_hosts": None, "client_keys": None}
    banners: list[str] = []

    class Client(asyncssh.SSHClient):
        def auth_banner_received(self, msg: str, lang: str) -> None:
            banners.append(msg)

    async def cipher(**more: object) -> str:
        async with asyncssh.connect(lab.addresses["leaf0"], client_factory=Client, **options, **more) as connection:
            return str(connection.get_extra_info("send_cipher"))

    lines = [
        *("service ssh ciphers aes256-ctr", "service ssh mac hmac-sha2-256", "service ssh rekey time 60"),
        *("system login banner pre-login 'keep out'", "system login banner post-login hello", "system login timeout 5"),
    ]
    assert await cipher(encryption_algs=["aes128-ctr"]) == "aes128-ctr"
    async with lab.login("leaf0") as cli:
        await cli.send("configure")
        for line in lines:
            assert await cli.send(f"set {line}") == ""
        assert await cli.send("commit") == ""
        assert await cipher() == "aes256-ctr"
        with pytest.raises((asyncssh.KeyExchangeFailed, asyncssh.ConnectionLost)):
            await cipher(encryption_algs=["aes128-ctr"])
        assert banners == ["keep out\n"]
        assert await cli.send("exit") == "Warning: configuration changes have not been saved.\nexit\n"
        with pytest.raises(EOFError, match="auto-logout"):
            await cli.until_prompt()
    async with lab.login("leaf0") as cli:
        assert cli.greeting.startswith("hello\r\n")
        await cli.send("configure")
        for line in [*lines[:3], "system login banner", "system login timeout"]:
            assert await cli.send(f"delete {line}") == ""
        await cli.send("set service ssh access-control deny user vyos")
        assert await cli.send("commit") == ""
        with pytest.raises(asyncssh.PermissionDenied):
            await cipher()
        await cli.send("delete service ssh access-control")
        assert await cli.send("commit") == ""
        assert await cipher(encryption_algs=["aes128-ctr"]) == "aes128-ctr"


async def test_a_flood_of_garbage_is_harmless(lab: Lab) -> None:
    """Bytes that are no SSH, half a greeting, a line that never ends: others log in all the same."""
    for data in (b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01" + bytes(500), b"SSH-2.0-x\r\n" + os.urandom(3000), b"SSH-" + b"x" * 5000):
        _, writer = await asyncio.open_connection(lab.addresses["leaf0"], 22)
        writer.write(data)
        await writer.drain()
        writer.close()
    async with lab.login("leaf0") as cli:
        await cli.send("configure")
        cli.type("set interfaces ethernet eth1 description " + "x" * 100_000 + "\r")
        await cli.until_prompt()
        assert "description" not in await cli.send("compare")
        await cli.send("discard")
        assert await cli.send("run show host name") == "leaf0\n"


def test_what_nobody_confirmed_came_back(lab: Lab) -> None:
    wait_until("spine0 goes back", lambda: mtu(lab, "spine0") == 1500, timeout=90)
    assert time.monotonic() - STARTED[0] > 50
    assert mtu(lab, "leaf0") == 1400
    assert "mtu" not in lab.show("spine0", "show configuration commands")
    assert "No confirm pending" in cli_text(lab, "spine0", "configure", "confirm")
    assert lab.show("spine0", "show system commit").splitlines()[0].endswith("by root  via vyos-boot-config-loader")


def test_the_time_was_over_while_no_process_ran(lab: Lab) -> None:
    async def begin() -> None:
        async with lab.login("spine0") as cli:
            await commit_confirm(cli, "set interfaces ethernet eth1 mtu 1300", minutes=5)

    asyncio.run(begin())
    kill(lab)
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
