"""The archive for bug reports: everything is in it, and no secret. The search that finds none can find one."""

from __future__ import annotations

import base64
import tarfile
from pathlib import Path

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import archive

SECRET = "Xk3mmPq9Xk3mmPq9Xk3mmPq9"
MARK = "EC PRIVATE" + " KEY"  # in two parts: no key stands in this file
KEY = f"-----BEGIN {MARK}-----\nMHcCAQEEabcdef\n-----END {MARK}-----\n"


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A folder like a lab's, full of secrets."""
    folder = tmp_path / "lab"
    for name, text in {
        "secrets/router_password": SECRET,
        "secrets/short": "ab",
        "routers/leaf0/config.boot": f'neighbor {{ password "{SECRET}" }}\nencrypted-password "$6$salt$abcdefghijkl"\nabsolutely fine\n',
        "kubeconfig": "client-key-data: LS0tLS1CRUdJTiBFQyBQUklWQVRF\nserver: https://10.1.5.10:6443\n",
        "bgpd.log": f"authentication with {SECRET} failed, in base64 {base64.b64encode(SECRET.encode()).decode()}\n{KEY}",
        "pki/ca.key": KEY,
        "store/journal.jsonl": "{}",
        "ssh_host_ed25519_key": KEY,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "eth1.pcap").write_bytes(b"\xd4\xc3\xb2\xa1\0\0\0\0packets")
    (folder / "leaky.pcap").write_bytes(b"\0\0" + SECRET.encode())
    (folder / "link").symlink_to("/etc/shadow")
    return folder


def made(lab: Path, texts: dict[str, str] | None = None) -> Path:
    target = lab.parent / "out" / "collect.tar.gz"
    archive.write(str(target), "th", texts or {}, [str(lab), str(lab / "nothing")], archive.known_secrets(str(lab / "secrets")))
    return target


def leaks(
    path: Path, secrets: tuple[str, ...] = (SECRET, base64.b64encode(SECRET.encode()).decode(), "MHcCAQEE", "LS0tLS1CRUdJTiBFQyBQUklWQVRF", "abcdefghijkl")
) -> list[str]:
    """Files of an archive in which a secret stands."""
    with tarfile.open(path) as tar:
        return sorted({entry.name for entry in tar for secret in secrets if secret.encode() in tar.extractfile(entry).read()})  # type: ignore[union-attr]


def test_no_secret_is_in_it_and_the_rest_is(lab: Path) -> None:
    target = made(lab, {"leaf0/show configuration commands": f"set protocols bgp neighbor 10.1.1.1 password '{SECRET}'\nset system host-name leaf0\n"})
    assert leaks(target) == []
    with tarfile.open(target) as tar:
        names = {name.removeprefix("th/").removeprefix(f"files{lab}/") for name in tar.getnames()}
        boot = tar.extractfile(f"th/files{lab}/routers/leaf0/config.boot").read().decode()  # type: ignore[union-attr]
        contents = tar.extractfile("th/CONTENTS").read().decode()  # type: ignore[union-attr]
    assert names == {"leaf0/show configuration commands", "routers/leaf0/config.boot", "kubeconfig", "bgpd.log", "eth1.pcap", "leaky.pcap", "CONTENTS"}
    assert "absolutely fine" in boot
    assert "leaky.pcap: left out: a secret stands in it" in contents
    assert target.stat().st_mode & 0o777 == 0o600


def test_the_search_finds_what_was_not_masked(lab: Path) -> None:
    """The negative twin: the same files, packed by hand."""
    plain = lab.parent / "plain.tar.gz"
    with tarfile.open(plain, "w:gz") as tar:
        for name in ("bgpd.log", "kubeconfig", "routers/leaf0/config.boot", "pki/ca.key"):
            tar.add(lab / name, arcname=name)
    assert leaks(plain) == ["bgpd.log", "kubeconfig", "pki/ca.key", "routers/leaf0/config.boot"]


def test_a_folder_that_is_a_link_is_followed_when_it_is_meant_and_nothing_comes_twice(lab: Path) -> None:
    (lab.parent / "logs").mkdir()
    (lab.parent / "logs" / "x.log").write_text("x")
    (lab / "log").symlink_to(lab.parent / "logs")
    assert [one for one in archive.files([str(lab)]) if one.endswith("x.log")] == []
    assert [one for one in archive.files([str(lab), f"{lab}/log/", f"{lab}/log/"]) if one.endswith("x.log")] == [f"{lab}/log/x.log"]


def test_of_a_long_log_the_end_is_taken(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST", 10)
    (lab / "bgpd.log").write_text("0123456789ABCDEFGHIJ")
    assert archive.content(str(lab / "bgpd.log"), []) == (b"ABCDEFGHIJ", "the last 10 of 20 bytes")
