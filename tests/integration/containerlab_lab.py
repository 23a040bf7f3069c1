"""A lab for the tests: topology and boot files, the drop-in as a command, and a router's command line over SSH."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import asyncssh
from leafspine_embedded.common import netns

PASSWORD = "secret-of-the-test"
# sha512-crypt of PASSWORD with 1000 rounds, so that logins cost nothing.
HASH = "$6$rounds=1000$leafspine$NM0Lz6vrNku7SZ1F2jDoC.nBNqwQmd.Zz7VdmiJkVEwJUbH7tgv.hIQrRVG0djeJ6X5kjTZmDVLW43egQl9yY0"
SOURCE = Path(__file__).resolve().parents[2] / "embedded" / "src"
PROMPT = re.compile(r"(?:\[edit[^\]]*\]\r\n)?vyos@[\w.-]+(?::~\$|#) $")

BOOT = """interfaces {{
    ethernet eth0 {{
        address {address}
    }}
}}
service {{
    ssh {{
    }}
}}
system {{
    host-name {name}
    login {{
        user vyos {{
            authentication {{
                encrypted-password {hash}
            }}
        }}
    }}
}}
"""


class Lab:
    """Two routers joined by two links, a bridge, an external container. `number` keeps the subnets of two labs apart."""

    def __init__(self, directory: Path, number: int) -> None:
        self.directory = directory
        self.name = f"tb-lab{number}"
        self.bridge = f"tb-br{number}"
        self.external = f"tb-ext{number}"
        self.addresses = {"leaf0": f"172.29.{number}.2", "spine0": f"172.29.{number}.3"}
        self.file = directory / "clab.yml"
        self.run_root = Path(f"/run/leafspine-{self.name}")  # daemons run as frr: every directory above must let them pass
        self.subnet = f"172.29.{number}.0/24"
        self.env: dict[str, dict[str, str]] = {name: {} for name in self.addresses}
        self.links = [
            (["leaf0:eth1", "spine0:eth1"], 1500),
            (["leaf0:eth2", "spine0:eth2"], 1500),
            (["leaf0:eth3", f"{self.bridge}:tbb{number}-r"], 1500),
            ([f"{self.bridge}:tbb{number}-x", f"{self.external}:net0"], 1500),
        ]
        for name, address in self.addresses.items():
            (directory / name).mkdir()
            (directory / name / "config.boot").write_text(BOOT.format(name=name, address=f"{address}/24", hash=HASH))

    def container(self, name: str) -> str:
        return f"clab-{self.name}-{name}"

    def write(self) -> None:
        nodes: dict[str, Any] = {
            name: {
                "kind": "linux",
                "image": "vyos:1.4",
                "mgmt-ipv4": address,
                "binds": ["/lib/modules:/lib/modules", f"{name}/config.boot:/opt/vyatta/etc/config/config.boot"],
                "env": self.env[name],
            }
            for name, address in self.addresses.items()
        }
        nodes |= {self.bridge: {"kind": "bridge"}, self.external: {"kind": "ext-container"}}
        topology = {"nodes": nodes, "links": [{"endpoints": ends, "mtu": mtu} for ends, mtu in self.links]}
        mgmt = {"network": self.name, "bridge": self.name, "ipv4-subnet": self.subnet}
        self.file.write_text(json.dumps({"name": self.name, "mgmt": mgmt, "topology": topology}))

    def run(self, *arguments: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run the drop-in."""
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=timeout, env=self.environment())
        if check and done.returncode != 0:
            raise AssertionError(f"containerlab {arguments}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "leafspine_embedded.containerlab.cli", *arguments]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(SOURCE), "LEAFSPINE_RUN": str(self.run_root)}

    def deploy(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        self.write()
        return self.run("deploy", "-t", str(self.file), "-f", "json", *arguments)

    def plan(self) -> dict[str, Any]:
        """The dry run's plan without its empty lists."""
        self.write()
        done = self.run("deploy", "-t", str(self.file), "--dry-run", "-f", "json")
        return {key: value for key, value in json.loads(done.stdout).items() if value and key != "dry-run"}

    def prepare_host(self) -> None:
        sh("ip", "link", "add", self.bridge, "type", "bridge")
        sh("ip", "link", "set", self.bridge, "up")
        netns.create(self.external)

    def clean_host(self) -> None:
        subprocess.run(["ip", "link", "delete", self.bridge], capture_output=True)
        netns.delete(self.external)

    def pid(self, path: str) -> int:
        return int((self.run_root / "labs" / self.name / f"{path}.pid").read_text().split()[0])

    def within(self, name: str, *argv: str) -> str:
        """Output of a command in a router's namespace."""
        return sh(*netns.prefix(self.container(name)), *argv)

    def login(self, name: str, **options: Any) -> Login:
        return Login(self.addresses[name], **options)

    def configure(self, name: str, *lines: str) -> str:
        """Configure and commit; what `commit` printed."""

        async def work() -> str:
            async with self.login(name) as cli:
                await cli.send("configure")
                for line in lines:
                    output = await cli.send(line)
                    assert "failed" not in output, f"{line}: {output}"
                output = await cli.send("commit")
                await cli.send("exit discard")
                return output

        return asyncio.run(work())

    def show(self, name: str, command: str) -> str:
        async def work() -> str:
            async with self.login(name) as cli:
                return await cli.send(command)

        return asyncio.run(work())


class Login:
    """A login on a terminal, as network_cli drives it."""

    def __init__(self, address: str, user: str = "vyos", password: str = PASSWORD, port: int = 22, **options: Any) -> None:
        self._options = {"host": address, "port": port, "username": user, "password": password, **options}
        self._connection: asyncssh.SSHClientConnection
        self._process: asyncssh.SSHClientProcess[str]

    async def __aenter__(self) -> Login:
        self._connection = await asyncio.wait_for(asyncssh.connect(known_hosts=None, client_keys=self._options.pop("client_keys", None), **self._options), 10)
        self._process = await self._connection.create_process(term_type="vt100", term_size=(80, 24))
        self.greeting = await self._until_prompt()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._connection.close()
        await self._connection.wait_closed()

    async def _until_prompt(self, timeout: float = 20) -> str:
        text = ""
        while not PROMPT.search(text):
            piece = await asyncio.wait_for(self._process.stdout.read(65536), timeout)
            if not piece:
                raise EOFError(text)
            text += piece
        return text

    async def send(self, line: str, timeout: float = 20) -> str:
        """What a line printed, without its echo and the next prompt."""
        self._process.stdin.write(f"{line}\r")
        text = await self._until_prompt(timeout)
        assert text.startswith(f"{line}\r\n"), text
        return PROMPT.sub("", text[len(line) + 2 :]).replace("\r\n", "\n")

    async def read(self, timeout: float = 20) -> str:
        """Whatever comes next."""
        return str(await asyncio.wait_for(self._process.stdout.read(65536), timeout))

    def type(self, keys: str) -> None:
        self._process.stdin.write(keys)

    async def until_prompt(self, timeout: float = 20) -> str:
        return await self._until_prompt(timeout)


def sh(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise AssertionError(f"{argv}: {done.stderr}")
    return done.stdout


def wait_until(what: str, test: Callable[[], Any], timeout: float = 15, every: float = 0.1) -> Any:
    """The first true result of `test`; fails with `what` after the timeout."""
    deadline = time.monotonic() + timeout
    while not (result := test()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout} s"
        time.sleep(every)
    return result


def bgp_lines(number: int) -> dict[str, Sequence[str]]:
    """Two eBGP sessions over the two links; leaf0 has a rack, spine0 a loopback network, both announced."""
    net = f"10.129.{number}"
    common = ["set protocols bgp parameters bestpath as-path multipath-relax"]
    leaf = [
        f"set interfaces ethernet eth1 address {net}.1/30",
        f"set interfaces ethernet eth2 address {net}.5/30",
        f"set interfaces ethernet eth3 address {net}.129/26",
        "set protocols bgp system-as 65005",
        f"set protocols bgp parameters router-id {net}.129",
        f"set protocols bgp address-family ipv4-unicast network {net}.128/26",
    ]
    spine = [
        f"set interfaces ethernet eth1 address {net}.2/30",
        f"set interfaces ethernet eth2 address {net}.6/30",
        f"set interfaces dummy dum0 address {net}.193/26",
        "set protocols bgp system-as 500",
        f"set protocols bgp parameters router-id {net}.193",
        f"set protocols bgp address-family ipv4-unicast network {net}.192/26",
    ]
    for lines, peers, asn in ((leaf, (2, 6), 500), (spine, (1, 5), 65005)):
        for last in peers:
            peer = f"set protocols bgp neighbor {net}.{last}"
            lines += [f"{peer} remote-as {asn}", f"{peer} address-family ipv4-unicast", f"{peer} timers keepalive 1", f"{peer} timers holdtime 3"]
            lines += [f"{peer} timers connect 1"]
    return {"leaf0": [*leaf, *common], "spine0": [*spine, *common]}
