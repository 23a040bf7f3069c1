"""Module toolchain: tools from a release, from Go and from a path, into a folder of their own, and nothing else."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.modules import toolchain
from ansible_collections.leafspine.calico.tests.unit.plugins.modules.module_runner import run_module

TOOL = b"#!/bin/sh\necho 'kind v0.33.0 go1.25 linux/amd64'\n"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_words: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address under which its files are served."""
    folder = tmp_path / "site"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def released(site: tuple[Path, str], content: bytes = TOOL, name: str = "kind-linux-amd64") -> dict[str, Any]:
    folder, address = site
    (folder / name).write_bytes(content)
    (folder / f"{name}.sha256sum").write_text(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
    return {"pinned": "0.33.0", "url": f"{address}/{name}", "checksum": f"{address}/{name}.sha256sum"}


def run(tmp_path: Path, wanted: dict[str, Any], *, check: bool = False, **options: Any) -> dict[str, Any]:
    return run_module(toolchain.main, {"directory": str(tmp_path / "tools"), "tools": {"kind": wanted}, **options}, check=check)


def installed(tmp_path: Path) -> dict[str, bytes]:
    folder = tmp_path / "tools"
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def test_a_release_is_verified_and_installed_once(tmp_path: Path, site: tuple[Path, str]) -> None:
    wanted = released(site)
    ahead = run(tmp_path, wanted, check=True)
    assert (ahead["changed"], ahead["installed"], installed(tmp_path)) == (True, {"kind": wanted["url"]}, {})
    assert run(tmp_path, wanted)["changed"] is True
    assert installed(tmp_path) == {"kind": TOOL}
    assert (tmp_path / "tools" / "kind").stat().st_mode & 0o777 == 0o755
    second = run(tmp_path, wanted)
    assert (second["changed"], second["installed"]) == (False, {})


def test_a_checksum_may_be_given_itself(tmp_path: Path, site: tuple[Path, str]) -> None:
    wanted = {**released(site), "checksum": hashlib.sha256(TOOL).hexdigest().upper()}
    assert run(tmp_path, wanted)["changed"] is True


@pytest.mark.parametrize("checksum", ["0" * 64, "", "{address}/nothing-for-it"], ids=["another", "none", "not in the list"])
def test_what_is_not_verified_is_not_installed(tmp_path: Path, site: tuple[Path, str], checksum: str) -> None:
    wanted = released(site)
    (site[0] / "nothing-for-it").write_text(f"{'0' * 64}  kind-linux-arm64\n")
    result = run(tmp_path, {**wanted, "checksum": checksum.format(address=site[1])})
    assert result["failed"]
    assert (result["reason"], installed(tmp_path)) == ("checksum", {})
    assert wanted["url"] in result["msg"]


def test_an_address_that_does_not_answer_is_named_with_what_to_do(tmp_path: Path, site: tuple[Path, str]) -> None:
    wanted = {**released(site), "url": f"{site[1]}/gone"}
    result = run(tmp_path, wanted)
    assert (result["reason"], installed(tmp_path)) == ("download", {})
    assert f"{site[1]}/gone" in result["msg"]
    assert "lab_tools_paths" in result["msg"]


def archive(member: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo(member)
        entry.size = len(TOOL)
        tar.addfile(entry, io.BytesIO(TOOL))
    return buffer.getvalue()


@pytest.mark.parametrize(("member", "fits"), [("bin/kind", True), ("README", False)])
def test_a_member_of_an_archive(tmp_path: Path, site: tuple[Path, str], member: str, fits: bool) -> None:
    wanted = {**released(site, archive(member), "kind.tar.gz"), "member": "bin/kind"}
    result = run(tmp_path, wanted)
    assert installed(tmp_path) == ({"kind": TOOL} if fits else {})
    assert fits or (result["reason"] == "archive" and "bin/kind" in result["msg"])


def test_another_version_than_the_pinned_one_is_not_installed(tmp_path: Path, site: tuple[Path, str]) -> None:
    wanted = {**released(site), "pinned": "0.34.0"}
    result = run(tmp_path, wanted)
    assert (result["reason"], installed(tmp_path)) == ("version", {})
    assert "version 0.33.0, expected 0.34.0" in result["msg"]


def test_a_path_wins_and_its_owner_s_file_stays(tmp_path: Path, site: tuple[Path, str]) -> None:
    own = tmp_path / "my-kind"
    own.write_bytes(TOOL)
    own.chmod(0o700)
    result = run(tmp_path, {**released(site), "url": "http://127.0.0.1:1/x", "path": str(own), "pinned": "0.99"})
    assert result["installed"] == {"kind": str(own)}
    assert installed(tmp_path) == {"kind": TOOL}
    assert own.stat().st_mode & 0o777 == 0o700


GO = """#!/bin/sh
[ "$1 $2" = "install example.org/kind@v0.33.0" ] || { echo "go: $2: 403 Forbidden" >&2; exit 1; }
printf '#!/bin/sh\\necho kind v0.33.0\\n' > "$GOBIN/kind"
"""


def test_go_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "go").write_text(GO)
    (tmp_path / "bin" / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    refused = run(tmp_path, {"go": "example.org/kind@v9"}, source="go")
    assert refused["reason"] == "go_failed"
    assert "403 Forbidden" in refused["msg"]
    assert installed(tmp_path) == {}
    assert run(tmp_path, {"go": "example.org/kind@v0.33.0", "pinned": "0.33.0"}, source="go")["changed"] is True
    assert list(installed(tmp_path)) == ["kind"]


def test_a_tool_without_a_source_is_refused_before_anything_is_made(tmp_path: Path, site: tuple[Path, str]) -> None:
    tools = {"kind": released(site), "calicoctl": {"url": f"{site[1]}/calicoctl"}}
    result = run_module(toolchain.main, {"directory": str(tmp_path / "tools"), "tools": tools, "source": "go"})
    assert result["reason"] == "no_source"
    assert installed(tmp_path) == {}
