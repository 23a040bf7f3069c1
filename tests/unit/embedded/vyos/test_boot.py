"""A router alone in a container: which links it waits for, what it makes of its kernel, how it saves to a file that is a mount."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from leafspine_embedded.common.errors import EngineError
from leafspine_embedded.vyos import boot, machine
from leafspine_embedded.vyos.apply import Box
from leafspine_embedded.vyos.tree import Tree, TreeError

BOOT = "interfaces {\n    ethernet eth0 {\n        address 172.20.20.2/24\n    }\n    ethernet eth1 {\n    }\n    dummy dum0 {\n    }\n}\n"


def test_it_waits_for_the_ethernet_interfaces_of_its_configuration() -> None:
    assert boot.configured_interfaces(BOOT) == {"eth0", "eth1"}
    assert boot.configured_interfaces("system {\n    host-name leaf0\n}\n") == set()


def test_a_configuration_that_is_none_is_refused() -> None:
    with pytest.raises(TreeError):
        boot.configured_interfaces("interfaces {\n")


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc/sys of a container, and a /run of its own."""
    for name in boot.SYSCTLS:
        (tmp_path / "sys" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys" / name).write_text("9\n")
    monkeypatch.setattr(boot.netns, "DIRECTORY", tmp_path / "netns")
    monkeypatch.setattr(boot, "RUN", tmp_path / "run")
    monkeypatch.setattr(boot.subprocess, "run", lambda *_words, **_options: None)
    return tmp_path / "sys"


def test_its_kernel_becomes_a_router_s_and_its_namespace_has_a_name(kernel: Path) -> None:
    boot.prepare(kernel)
    boot.prepare(kernel)  # a restarted container
    assert {name: (kernel / name).read_text() for name in boot.SYSCTLS} == boot.SYSCTLS
    assert boot.netns.exists(boot.NAMESPACE)
    assert boot.netns.inode(boot.NAMESPACE) == Path("/proc/self/ns/net").stat().st_ino


def test_a_kernel_without_a_setting_is_no_error_and_one_that_cannot_be_set_is(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (kernel / "net/ipv6/conf/all/forwarding").unlink()
    boot.prepare(kernel)

    def refuse(_path: Path, _text: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    (kernel / "net/ipv4/ip_forward").write_text("0\n")
    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(EngineError, match="ip_forward cannot be set to 1: Read-only file system; the container needs the capability SYS_ADMIN"):
        boot.prepare(kernel)


def test_a_bound_file_that_cannot_be_replaced_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.boot"
    file.write_text("old\n")
    file.chmod(0o640)

    def busy(_path: Path, _text: str, **_options: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(machine, "write_atomic", busy)
    router = machine.Machine("leaf0", 1, file, Box("leaf0", "router", tmp_path, {}), running=Tree.parse("system {\n    host-name leaf0\n}\n"))
    router.save()
    assert "host-name leaf0" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o640


def test_any_other_failure_to_save_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _text: str, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(machine, "write_atomic", full)
    router = machine.Machine("leaf0", 1, tmp_path / "config.boot", Box("leaf0", "router", tmp_path, {}))
    with pytest.raises(OSError, match="No space left"):
        router.save()
