#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: toolchain
short_description: Put command line tools of known versions into a folder of their own
description:
  - Gets tools as single executables, from a release (a file or a member of a tar archive, verified with a SHA-256), with C(go install), or as a
    copy of a given path. Only O(directory) is written to; what is installed elsewhere is never touched.
  - A tool that O(directory) has already in its pinned version is left alone.
options:
  directory:
    description: Folder for the executables.
    type: path
    required: true
  tools:
    description:
      - Tools by name. C(path) is an executable to copy and wins over everything else. C(url) is a release's file (C(.tar.gz) or C(.tgz) for an
        archive with C(member)), C(checksum) its SHA-256 or the address of a file of checksums, C(go) the package for C(go install).
      - C({machine}) in C(url) and C(checksum) becomes V(amd64) or V(arm64), as this host is. C(pinned) is the version that the executable must
        say it is.
    type: dict
    required: true
  source:
    description: Where tools without a C(path) come from.
    type: str
    choices: [release, go]
    default: release
  timeout:
    description: Seconds for one download, and ten times as many for one build.
    type: int
    default: 120
attributes:
  check_mode:
    description: Says what would be installed.
    support: full
  diff_mode:
    description: Shows the versions before and after.
    support: full
author:
  - The leafspine.calico authors (@leafspine)
"""

EXAMPLES = r"""
- name: kind from its release
  leafspine.calico.toolchain:
    directory: /opt/leafspine/tools
    tools:
      kind:
        pinned: 0.33.0
        url: "https://github.com/kubernetes-sigs/kind/releases/download/v0.33.0/kind-linux-{machine}"
        checksum: "https://github.com/kubernetes-sigs/kind/releases/download/v0.33.0/kind-linux-{machine}.sha256sum"
"""

RETURN = r"""
installed:
  description: What was (in check mode, would be) installed, with where it came from.
  returned: success
  type: dict
  sample: {kind: "https://github.com/kubernetes-sigs/kind/releases/download/v0.33.0/kind-linux-amd64"}
"""

import hashlib
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.leafspine.calico.plugins.module_utils.tool import Failure
from ansible_collections.leafspine.calico.plugins.module_utils.versions import VERSION_WORDS, checksum_for, machine_name, source_of, version_in

CHUNK = 1 << 20


def version_of(name: str, path: str) -> str | None:
    """The version an executable says it has; None when it cannot say."""
    try:
        words = VERSION_WORDS.get(name, ["--version"])
        done = subprocess.run([path, *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return version_in(done.stdout) if done.returncode == 0 else None


class Toolchain:
    """The folder of tools on this host."""

    def __init__(self, module: AnsibleModule) -> None:
        self.directory: str = module.params["directory"]
        self.source: str = module.params["source"]
        self.timeout: int = module.params["timeout"]
        self.machine = machine_name(platform.machine())

    def fetch(self, name: str, url: str, target: str) -> str:
        """Download to a file. Returns the SHA-256. Raises: Failure."""
        digest = hashlib.sha256()
        try:
            with open_url(url, timeout=self.timeout, follow_redirects="all") as answer, open(target, "wb") as out:
                while chunk := answer.read(CHUNK):
                    digest.update(chunk)
                    out.write(chunk)
        except (OSError, ValueError) as error:
            hint = "Is the lab host allowed out? Otherwise get the file elsewhere and name it in lab_tools_paths, or set lab_tools_install: go."
            raise Failure(f"{name}: {url} cannot be fetched: {error}", reason="download", hint=hint) from error
        return digest.hexdigest()

    def release(self, name: str, wanted: dict[str, Any], folder: str) -> str:
        """A release's executable in a folder, verified. Returns its path."""
        url, checksum = (str(wanted.get(key) or "").replace("{machine}", self.machine) for key in ("url", "checksum"))
        if not checksum:
            raise Failure(f"{name}: {url} has no checksum", reason="checksum", hint="Give its SHA-256, or the address of a file of checksums, in checksum.")
        loaded = os.path.join(folder, "release")
        found = self.fetch(name, url, loaded)
        if "://" in checksum:
            listing = os.path.join(folder, "checksums")
            self.fetch(name, checksum, listing)
            with open(listing, encoding="utf-8") as handle:
                expected = checksum_for(handle.read(), url.rpartition("/")[2])
        else:
            expected = checksum.removeprefix("sha256:").lower()
        if found != expected:
            what = f"SHA-256 {found}, expected {expected or 'one that ' + checksum + ' does not name'}"
            raise Failure(
                f"{name}: {url}: {what}", reason="checksum", hint="Somebody changed the file or the checksum is of another one; nothing was installed."
            )
        if not url.endswith((".tar.gz", ".tgz")):
            return loaded
        member = str(wanted.get("member") or name)
        with tarfile.open(loaded) as archive:
            try:
                content = archive.extractfile(member)
            except KeyError:
                content = None
            if content is None:
                raise Failure(f"{name}: {url} has no file {member}", reason="archive", hint="Name the file in the archive with member.")
            unpacked = os.path.join(folder, "member")
            with open(unpacked, "wb") as out:
                shutil.copyfileobj(content, out)
        return unpacked

    def build(self, name: str, package: str, folder: str) -> str:
        """The executable that go install makes."""
        go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
        if go is None:
            raise Failure(f"{name}: there is no go on this host", reason="go_missing", hint="Install Go, or set lab_tools_install: release.")
        try:
            environment = {**os.environ, "GOBIN": folder, "GOFLAGS": "-trimpath"}
            done = subprocess.run(
                [go, "install", package], capture_output=True, text=True, check=False, env=environment, stdin=subprocess.DEVNULL, timeout=10 * self.timeout
            )
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{name}: go install {package} did not end within {10 * self.timeout} s", reason="timeout", hint="Raise timeout.") from error
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no output"])[-1]
            hint = "Is a Go module proxy reachable (go env GOPROXY)? Otherwise set lab_tools_install: release, or lab_tools_paths."
            raise Failure(f"{name}: go install {package}: {last}", reason="go_failed", hint=hint, stderr=done.stderr)
        return os.path.join(folder, os.path.basename(package.partition("@")[0]))

    def install(self, name: str, wanted: dict[str, Any]) -> None:
        os.makedirs(self.directory, mode=0o755, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.directory, prefix=".new-") as folder:
            if wanted.get("path"):
                made = os.path.join(folder, "copy")
                shutil.copyfile(wanted["path"], made)
            elif self.source == "go":
                made = self.build(name, wanted["go"], folder)
            else:
                made = self.release(name, wanted, folder)
            os.chmod(made, 0o755)
            says = version_of(name, made)
            if wanted.get("pinned") and not wanted.get("path") and says != str(wanted["pinned"]):
                found = f"version {says}" if says else "does not run here"
                raise Failure(f"{name}: what was installed is {found}, expected {wanted['pinned']}", reason="version", hint="See url, go and pinned.")
            os.replace(made, os.path.join(self.directory, name))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "tools": {"type": "dict", "required": True},
            "source": {"type": "str", "choices": ["release", "go"], "default": "release"},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    chain = Toolchain(module)
    before: dict[str, str | None] = {}
    installed: dict[str, str] = {}
    try:
        for name, wanted in module.params["tools"].items():
            origin = source_of(wanted, chain.source)
            if origin is None:
                hint = f"Install it yourself, or name its executable in lab_tools_paths.{name}."
                raise Failure(f"{name}: cannot be installed from {chain.source}", reason="no_source", hint=hint)
            before[name] = version_of(name, os.path.join(chain.directory, name))
            if before[name] and before[name] == str(wanted.get("pinned")) and not wanted.get("path"):
                continue
            installed[name] = origin.replace("{machine}", chain.machine)
        if not module.check_mode:
            for name in installed:
                chain.install(name, module.params["tools"][name])
    except Failure as failure:
        module.fail_json(**failure.as_result())
    except (OSError, tarfile.TarError) as error:
        module.fail_json(msg=f"{chain.directory}: {error}")
    texts = ["".join(f"{name} {version or 'absent'}\n" for name, version in before.items())]
    texts.append("".join(f"{name} {before[name] if name not in installed else 'from ' + installed[name]}\n" for name in before))
    module.exit_json(changed=bool(installed), installed=installed, diff={"before": texts[0], "after": texts[1], "before_header": chain.directory})


if __name__ == "__main__":
    main()
