from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator

import pytest
from leafspine_embedded.vyos import login
from leafspine_embedded.vyos.complete import complete, extension
from leafspine_embedded.vyos.memory import EXAMPLE, MemoryRouter, Shell
from leafspine_embedded.vyos.model import CommitError, CommitLocked
from leafspine_embedded.vyos.session import Session
from leafspine_embedded.vyos.tree import Tree

BGP = ("set protocols bgp system-as 65005", "set protocols bgp neighbor 10.1.10.2 remote-as 500")


async def test_prompts(shell: Shell) -> None:
    prompts = [shell.session.prompt]
    for line in ("configure", "edit protocols bgp", "edit neighbor 10.0.0.1", "up", "top", "exit"):
        await shell(line)
        prompts.append(shell.session.prompt)
    assert prompts == [
        "vyos@leaf0:~$ ",
        "[edit]\r\nvyos@leaf0# ",
        "[edit protocols bgp]\r\nvyos@leaf0# ",
        "[edit protocols bgp neighbor 10.0.0.1]\r\nvyos@leaf0# ",
        "[edit protocols bgp]\r\nvyos@leaf0# ",
        "[edit]\r\nvyos@leaf0# ",
        "vyos@leaf0:~$ ",
    ]


async def test_the_running_shell_keeps_its_name(config: Shell) -> None:
    await config("set system host-name other", "commit")
    assert config.session.prompt.endswith("vyos@leaf0# ")
    assert Session(config.router).hostname == "leaf0"  # the router decides the name of new shells


async def test_network_cli_sees_every_ending(config: Shell) -> None:
    """The regular expressions of vyos.vyos on what a terminal receives."""
    error = re.compile(r"\n\s+Set failed")
    assert error.search("\r\n" + await config("set bogus"))
    assert re.search(r"\n\s+Delete failed", await config("delete bogus"))
    assert re.search(r"\nCommit failed", await config("set protocols bgp neighbor 10.0.0.1 shutdown", "commit"))
    assert re.search(r"\n\s*Invalid command:", await config("bogus"))
    assert not error.search(await config("set system host-name ok1"))
    assert (
        (await config("discard", "compare saved") + config.session.prompt)
        .replace("\r", "")
        .startswith("No changes between working and saved configurations.\n\n[edit]")
    )


async def test_commit_and_save(config: Shell) -> None:
    assert await config(*BGP, "commit") == '\nWARNING: BGP neighbor "10.1.10.2" requires address-family!\n\n'
    assert await config("exit") == "Warning: configuration changes have not been saved.\nexit\n"
    assert await config("configure", "save", "exit") == "exit\n"
    assert config.router.saved == config.router.running


async def test_commit_comment_is_logged(config: Shell) -> None:
    await config("set system host-name b1", 'commit comment "two words"', "exit")
    lines = (await config("show system commit")).splitlines()
    assert re.search(r"(\d+)\s+(.+)by(.+)via(.+)", lines[0])
    assert lines[1] == "   two words"


async def test_a_failed_commit_keeps_the_candidate(config: Shell) -> None:
    before = config.router.running.copy()
    output = await config("set protocols bgp neighbor 10.1.10.2 remote-as 500", "commit")
    assert output == "\nBGP system-as number must be defined!\n\n[[protocols bgp]] failed\nCommit failed\n"
    assert config.router.running == before
    assert await config("exit") == "Cannot exit: configuration modified.\nUse 'exit discard' to discard the changes and exit.\n"
    assert "requires address-family" in await config("set protocols bgp system-as 65005", "commit")


async def test_the_box_refuses(config: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(new: Tree, comment: str | None, user: str, minutes: int | None) -> list[str]:
        raise CommitError("protocols bgp", "% what FRR said")

    async def locked(new: Tree, comment: str | None, user: str, minutes: int | None) -> list[str]:
        raise CommitLocked

    monkeypatch.setattr(config.router, "commit", refuse)
    assert await config(*BGP, "commit") == "\n% what FRR said\n\n[[protocols bgp]] failed\nCommit failed\n"
    monkeypatch.setattr(config.router, "commit", locked)
    assert "locked due to another commit" in await config("commit")
    assert config.session.modified


async def test_exit_discard(config: Shell) -> None:
    await config("set system host-name b1", "exit discard")
    assert not config.session.configuring
    await config("configure")
    assert await config("compare") == "No changes between working and active configurations.\n\n"


async def test_two_logins(router: MemoryRouter) -> None:
    one, two = Shell(router), Shell(router)
    await one("configure", "set system host-name b1")
    await two("configure", "set system domain-name lab.example", "commit")
    assert await one("compare") == '[system]\n- host-name "leaf0"\n+ host-name "b1"\n\n'
    await one("commit")
    assert router.running.value("system", "domain-name") == "lab.example"
    assert router.running.value("system", "host-name") == "b1"


async def test_show_marks_changes(config: Shell) -> None:
    await config("set system host-name b1", "set system name-server 1.1.1.1", "delete service ssh disable-host-validation")
    assert await config("show system") == ">host-name b1\n+name-server 1.1.1.1\n"
    assert await config("show service") == " ssh {\n-    disable-host-validation\n }\n"


async def test_edit_level(config: Shell) -> None:
    await config("edit protocols bgp", "set system-as 65005", "set neighbor 10.0.0.1 remote-as 500")
    assert await config("show neighbor 10.0.0.1") == "+remote-as 500\n"
    assert "[bogus] is not valid" in await config("set bogus 1")
    assert await config("exit") == ""
    assert config.session.configuring
    assert config.session.candidate.value("protocols", "bgp", "system-as") == "65005"
    assert "Edit failed" in await config("edit protocols bgp system-as")


async def test_copy_and_rename(config: Shell) -> None:
    await config(*BGP, "edit protocols bgp", "copy neighbor 10.1.10.2 to neighbor 10.1.12.2", "rename neighbor 10.1.10.2 to neighbor 10.1.13.2", "top")
    assert config.session.candidate.keys("protocols", "bgp", "neighbor") == ["10.1.12.2", "10.1.13.2"]
    assert "Copy failed" in await config("copy neighbor 1.1.1.1 to neighbor 2.2.2.2")


CONFIRM = ["set system host-name b1", "commit-confirm 3", "y"]


async def test_commit_confirm(config: Shell) -> None:
    assert await config(*CONFIRM) == "Initialized commit-confirm; 3 minutes to confirm before reboot\n"
    assert config.router.timer == 3
    assert len(config.router.revisions) == 1  # it counts once it is confirmed
    assert await config("confirm") == "Reboot timer stopped\n"
    assert [revision.tree.value("system", "host-name") for revision in config.router.revisions] == ["b1", "leaf0"]
    assert await config("confirm") == "No confirm pending\n"


async def test_commit_confirm_that_nobody_confirms(config: Shell) -> None:
    await config(*CONFIRM)
    config.router.expire()
    assert config.router.running.value("system", "host-name") == "leaf0"
    assert await config("compare") == "No changes between working and active configurations.\n\n"
    assert await config("confirm") == "No confirm pending\n"


async def test_commit_confirm_waits_for_one_at_a_time(config: Shell) -> None:
    assert await config(*CONFIRM, "set system host-name b2", "commit-confirm 1") == "Another confirm is pending\n"
    assert config.router.running.value("system", "host-name") == "b1"
    assert config.session.modified


async def test_commit_confirm_goes_back_to_what_is_saved(config: Shell) -> None:
    """As on a real router, which boots its saved configuration: a commit before it that was not saved is lost too."""
    await config("set system host-name b0", "commit", *CONFIRM)
    config.router.expire()
    assert config.router.running.value("system", "host-name") == "leaf0"


@pytest.mark.parametrize("words", ["0", "x", "-1", "1 2", "5 comment", "999999", "5 bogus x"])
async def test_commit_confirm_is_checked(config: Shell, words: str) -> None:
    assert "Invalid command: commit-confirm" in await config("set system host-name b1", f"commit-confirm {words}")
    assert config.router.timer is None
    assert config.router.running.value("system", "host-name") == "leaf0"


async def test_rollback(config: Shell) -> None:
    await config("set system host-name b1", "commit", "rollback 1", "y")
    assert config.router.running.value("system", "host-name") == "leaf0"
    assert config.router.saved == config.router.running


async def test_load_keeps_what_is_not_supported_and_drops_what_nobody_knows(config: Shell) -> None:
    config.router.files["config.x"] = "firewall {\n    y 1\n}\nbogus {\n}\nsystem {\n    host-name b1\n}\n"
    assert "Load complete" in await config("load x")
    assert "firewall" in config.session.candidate.root.children
    assert "bogus" not in config.session.candidate.root.children
    assert "Cannot load" in await config("load x")


async def test_plaintext_passwords_do_not_stay(config: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "hash_password", lambda password: f"$6$x${password}")
    await config("set system login user ops authentication plaintext-password s3cret", "commit")
    path = ["system", "login", "user", "ops", "authentication"]
    assert config.router.running.value(*path, "encrypted-password") == "$6$x$s3cret"
    assert not config.router.running.exists([*path, "plaintext-password"])


def test_check_password() -> None:
    from passlib.hash import sha512_crypt

    hashed = sha512_crypt.using(rounds=1000).hash("right")
    tree = Tree.parse(f'system {{\n login {{\n user vyos {{\n authentication {{\n encrypted-password "{hashed}"\n }}\n }}\n }}\n }}\n')
    assert login.check_password(tree, "vyos", "right")
    assert not login.check_password(tree, "vyos", "wrong")
    assert not login.check_password(tree, "other", "right")
    tree.insert([("system", "node"), ("login", "node"), ("user", "tag"), ("vyos", "node"), ("disable", "leaf")])
    assert not login.check_password(tree, "vyos", "right")


async def test_operational_commands_reach_the_router(shell: Shell) -> None:
    shell.router.answers = {"show ip route": "one\ntwo\n", "vtysh show bgp summary json": "{}\n"}
    assert await shell("sh ip ro | count") == "2\n"
    assert await shell('sudo vtysh -c "show bgp summary json"') == "{}\n"
    assert "only show commands" in await shell('vtysh -c "configure terminal"')
    assert "only show commands" in await shell('vtysh -c "show version" -c "clear bgp *"')
    assert "supported by the embedded engine" in await shell("vtysh")
    assert "show ip route bgp is not supported" in await shell("show ip route bgp")


async def piped(shell: Shell, line: str) -> str:
    reply = await shell.session.line(line)
    assert reply.stream is not None, reply.output
    return "".join([piece async for piece in reply.stream])


async def test_streams(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stream(words: list[str]) -> AsyncIterator[str]:
        yield "a\n"
        yield "b\n"

    monkeypatch.setattr(shell.router, "op", stream)
    reply = await shell.session.line("ping 10.0.0.1 count 2")
    assert reply.stream is not None
    assert [piece async for piece in reply.stream] == ["a\n", "b\n"]
    assert await piped(shell, "ping 10.0.0.1 | match b") == "b\n"


@pytest.mark.parametrize("line", ["", "   ", "# a remark"])
async def test_nothing_to_do(config: Shell, line: str) -> None:
    assert await config(line) == ""


@pytest.mark.parametrize("line", ["show 'x", 'show "x', "show version; show users", "show version > /tmp/x", "set x `id`", "set x $(id)"])
async def test_the_shell_is_not_a_shell(config: Shell, line: str) -> None:
    assert "Invalid command: " in await config(line)


async def test_pipes_without_blanks(shell: Shell) -> None:
    assert await shell("show configuration commands| grep interfaces") == (
        "set interfaces ethernet eth0 address '172.20.20.2/24'\nset interfaces loopback lo\n"
    )
    assert await shell("show configuration commands |  match 'HOST-NAME'") == "set system host-name 'leaf0'\n"
    assert await shell("show configuration commands | grep HOST-NAME") == ""
    assert await shell("show configuration commands | grep -E 'ssh|loopback' | count") == "2\n"
    assert await shell("show configuration commands | grep -c x") == "grep: option -c is not supported by the embedded engine\n"


async def test_completion(config: Shell) -> None:
    def names(text: str) -> list[str]:
        return [row.name for row in complete(config.session, text)]

    assert names("com") == ["commit", "commit-confirm", "compare"]
    assert "neighbor" in names("set protocols bgp ")
    assert names("set protocols bgp ne") == ["neighbor"]
    assert extension("set protocols bgp ne", complete(config.session, "set protocols bgp ne")) == "ighbor "
    assert names("set protocols bgp neighbor ") == ["eth0", "eth1", "eth2", "eth3", "<interface>", "<x.x.x.x>", "<h:h:h:h:h:h:h:h>"]
    assert names("delete interfaces ethernet ") == ["eth0"]
    assert names("delete protocols ") == []
    assert names("set system ip arp table-size 1") == ["1024", "16384"]
    assert "route" in names("run show ip ")
    assert names("show | mat") == ["match"]
    assert names("bogus ") == []
    await config("exit")
    assert "<Enter>" in names("show ip route ")
    assert names("conf") == ["configure"]


PATHS = """set delete show compare commit discard edit up top exit configure run load merge rollback copy rename save confirm
protocols bgp neighbor 10.0.0.1 remote-as 500 system host-name interfaces ethernet eth1 address 10.1.1.1/24 policy route-map RM rule 10
action permit nat source 100 translation commands saved 0 1 99 json y n to vtysh -c match count"""
ODD = ["x'y", 'a"b', "|", "||", ";", "$HOME", "$(", "`", "\\", "*", ".*", "'", '"', "{", "}", "[", "]", "!", "#", "é", "\x00", "\x1b[A", ""]
WORDS = [*PATHS.split(), *ODD]


@pytest.mark.parametrize("seed", range(40))
async def test_nothing_a_user_types_ends_the_login(seed: int) -> None:
    rng = random.Random(seed)
    session = Session(MemoryRouter(EXAMPLE))
    for _ in range(60):
        line = " ".join(rng.choices(WORDS, k=rng.randint(0, 8)))
        complete(session, line)
        reply = await asyncio.wait_for(session.line(line), 5)
        assert "internal error" not in reply.output, line
        assert isinstance(session.prompt, str)
    assert Tree.parse(session.router.running.text()) == session.router.running


async def test_pipes_of_what_never_ends(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    async def forever(words: list[str]) -> AsyncIterator[str]:
        try:
            for number in range(10**9):
                yield f"line {number}\nno"
                yield "thing\n"
                await asyncio.sleep(0)
        finally:
            ended.append(words)

    monkeypatch.setattr(shell.router, "op", forever)
    assert await piped(shell, "monitor log | head 3") == "line 0\nnothing\nline 1\n"
    assert await piped(shell, "monitor log | match line | head -n 2") == "line 0\nline 1\n"
    assert await piped(shell, "monitor log | no-match 0 | head 2 | count") == "2\n"
    reply = await shell.session.line("monitor log | bogus")
    assert reply.stream is None
    assert "Invalid command: [bogus]" in reply.output


async def test_history_of_the_login(shell: Shell) -> None:
    await shell("show host name", "", "bogus")
    assert (await shell("show history")).splitlines()[:2] == ["    1  show host name", "    2  bogus"]


@pytest.mark.parametrize("line", ["reboot", "show firewall", "show vpn ipsec sa", "monitor bandwidth interface eth0", "generate pki ca", "show log vpn"])
async def test_what_vyos_has_and_the_engine_has_not_is_refused_by_name(shell: Shell, line: str) -> None:
    assert "is not supported by the embedded engine" in await shell(line)


@pytest.mark.parametrize("line", ["show bogus", "rebooot", "monitor bogus", "show log bogus"])
async def test_what_vyos_has_not_either_is_invalid(shell: Shell, line: str) -> None:
    reply = await shell(line)
    assert "Invalid command: " in reply
    assert "not supported" not in reply


async def test_files_of_a_user(config: Shell) -> None:
    assert await config("set system host-name b1", "commit", "save one.boot") == ""
    assert await config("save /tmp/two.boot") == ""
    assert await config("save /home/vyos/three") == ""
    assert sorted(config.router.files) == ["config.one.boot", "home.three", "tmp.two.boot"]
    assert config.router.saved.value("system", "host-name") == "leaf0"
    await config("set system host-name b2", "commit")
    assert "Load complete" in await config("load /config/one.boot")
    assert "b1" in await config("compare")
    assert await config("discard", "save config.boot") == ""
    assert config.router.saved.value("system", "host-name") == "b2"
    await config("delete system host-name", "commit")
    assert "Load complete" in await config("load /opt/vyatta/etc/config/config.boot")


ELSEWHERE = ["/etc/passwd", "/etc/../etc/shadow", "../x", "/config/../../etc/passwd", "/tmp/a/b", "/home/root/x", "/proc/self/environ", "~/x"]


@pytest.mark.parametrize("path", [*ELSEWHERE, ".", "..", "-", "", "http://10.0.0.1/x", "scp://u@h/x", "/config/.hidden", "a" * 70])
async def test_no_other_file_is_read_or_written(config: Shell, path: str) -> None:
    async def never(key: str) -> str:
        raise AssertionError(key)

    config.router.read_file = never  # type: ignore[method-assign]
    config.router.write_file = never  # type: ignore[method-assign,assignment]
    before = config.router.saved.copy()
    assert f"No such file '{path}'" in await config(f"load '{path}'")
    assert "No such file or directory" in await config(f"merge '{path}'")
    assert "is not supported by the embedded engine" in await config(f"save '{path}'")
    assert config.router.saved == before


@pytest.mark.parametrize("character", ["\x00", "\n", "\r", "\x1b", "\x7f", "\x85"])
async def test_no_control_characters_in_a_value(config: Shell, character: str) -> None:
    """They would end a line of a file or a command of a daemon."""
    for path in ("interfaces ethernet eth1 description", "policy as-path-list AP rule 1 regex", "policy community-list"):
        assert "Set failed" in await config(f"set {path} 'a{character}b'")
    assert not config.session.modified
