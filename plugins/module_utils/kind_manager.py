"""What the module kind_cluster does: look, decide (in kind.py), create or delete, verify, and keep a record beside the kubeconfig."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.leafspine.calico.plugins.module_utils.files import read_text, write_atomic
from ansible_collections.leafspine.calico.plugins.module_utils.kind import (
    Access,
    Plan,
    Recipe,
    meaning,
    node_names,
    plan,
    read_access,
    traps,
)
from ansible_collections.leafspine.calico.plugins.module_utils.tool import Failure, Result, Tool
from ansible_collections.leafspine.calico.plugins.module_utils.yaml_text import to_yaml

SHORT_CALL = 60.0
NETWORK = "KIND_EXPERIMENTAL_DOCKER_NETWORK"


@dataclass
class Settings:
    """The module's arguments beside the recipe. Paths are absolute, times are seconds."""

    kubeconfig: str
    config_path: str
    record_path: str
    wait: str = ""
    retain: bool = False
    recreate: bool = False
    force: bool = False
    export_logs: str | None = None
    start_command: list[str] = field(default_factory=list)
    node_exec: list[str] = field(default_factory=list)
    load_images: list[str] = field(default_factory=list)
    load_archives: list[str] = field(default_factory=list)
    api_timeout: float = 10
    check_mode: bool = False


@dataclass
class Found:
    """What there is: the cluster's nodes, its record, its kubeconfig's text."""

    nodes: list[str] = field(default_factory=list)
    made: Recipe | None = None
    kubeconfig: str | None = None


class Cluster:
    """One kind cluster on this host."""

    def __init__(self, tool: Tool, name: str, settings: Settings) -> None:
        self.tool = tool
        self.name = name
        self.settings = settings
        self.warnings: list[str] = []

    # Looking

    def look(self, *, without_tool: bool = False) -> Found:
        """What there is. without_tool: a missing executable means that there is no cluster, instead of a failure."""
        found = Found(made=self._record(), kubeconfig=read_text(self.settings.kubeconfig))
        if without_tool and self.tool.find() is None:
            self.warnings.append(f"{(self.tool.executable or ['kind'])[0]} is not installed, so cluster {self.name} is taken to be absent")
            return found
        found.nodes = self.nodes()
        return found

    def nodes(self) -> list[str]:
        """The nodes that kind lists; none when there is no such cluster."""
        return self._must("get", "nodes", "--name", self.name, timeout=SHORT_CALL).stdout.split()

    def _record(self) -> Recipe | None:
        text = read_text(self.settings.record_path)
        if text is None:
            return None
        try:
            made = Recipe.from_record(json.loads(text))
        except ValueError:
            self.warnings.append(f"{self.settings.record_path} cannot be read and is not used")
            return None
        if made.name != self.name:
            raise Failure(
                f"{self.settings.record_path} is the record of cluster {made.name}, not of {self.name}",
                reason="foreign_record",
                hint="Give every cluster a folder of its own for its kubeconfig.",
            )
        return made

    def _own_kubeconfig_only(self, text: str | None) -> None:
        """Refuse to touch a kubeconfig that other clusters are in: the file is written and removed as a whole."""
        others = sorted(read_access(text or "").names - {f"kind-{self.name}"})
        if others:
            raise Failure(
                f"kubeconfig {self.settings.kubeconfig} also holds {', '.join(others)}",
                reason="foreign_kubeconfig",
                hint="Name a file that is only for this cluster.",
            )

    # Present

    def present(self, wanted: Recipe, text: str) -> dict[str, Any]:
        """Make the wanted cluster stand. `text` is the configuration as it is handed to kind."""
        self.warnings += traps(wanted.config)
        found = self.look(without_tool=self.settings.check_mode)
        self._own_kubeconfig_only(found.kubeconfig)
        todo = plan(wanted, found.made, found.nodes, recreate=self.settings.recreate, force=self.settings.force)
        if todo.refused:
            raise Failure(
                todo.refused,
                reason="config_differs",
                hint="Set recreate=true (of the role: kind_cluster_recreate=true) to delete and create it again (everything in it is lost), "
                "or give it the configuration it was made from.",
                differences=todo.reasons,
                nodes=found.nodes,
            )
        exported = False
        if todo.action == "none":
            exported = self._export(found)
            todo = self._start(found, todo)
        elif not self.settings.check_mode:
            if todo.action == "recreate":
                self._delete()
            self._create(wanted, text)
        loaded = self._load(todo)
        return self._report(wanted, found, todo, exported, loaded)

    def _create(self, wanted: Recipe, text: str) -> None:
        settings = self.settings
        write_atomic(settings.config_path, text)
        # Written first: a run that is killed half-way leaves a record which says so, and the next run starts over.
        write_atomic(settings.record_path, _dump(wanted))
        words = ["create", "cluster", "--name", self.name, "--config", settings.config_path, "--kubeconfig", settings.kubeconfig]
        words += ["--image", wanted.image] if wanted.image else []
        words += ["--wait", settings.wait] if settings.wait else []
        words += ["--retain"] if settings.retain or settings.export_logs else []
        done = self.tool.run(*words)
        if done.rc != 0:
            raise self._not_created(done)
        missing = sorted(set(node_names(self.name, wanted.config)) ^ set(self.nodes()))
        if missing:
            raise Failure(
                f"kind made cluster {self.name}, but not with the nodes of its configuration: {', '.join(missing)}", reason="wrong_nodes", differences=missing
            )
        if not read_access(read_text(settings.kubeconfig) or "").server:
            write_atomic(settings.kubeconfig, self._kubeconfig())
        os.chmod(settings.kubeconfig, 0o600)
        write_atomic(settings.record_path, _dump(wanted._replace(complete=True)))

    def _not_created(self, done: Result) -> Failure:
        failed = failure(done, "create cluster")
        if self.settings.export_logs:
            saved = self.tool.run("export", "logs", self.settings.export_logs, "--name", self.name, timeout=300)
            failed.details["logs"] = self.settings.export_logs if saved.rc == 0 else None
            if not self.settings.retain and failed.reason != "name_taken":
                self.tool.run("delete", "cluster", "--name", self.name, "--kubeconfig", self.settings.kubeconfig, timeout=300)
        with contextlib.suppress(Failure):
            failed.details["leftover_nodes"] = self.nodes()
        if failed.reason == "name_taken":
            # They were not ours, and must not look like a creation of ours that was interrupted.
            self._remove(self.settings.record_path)
        return failed

    def _kubeconfig(self) -> str:
        return self._must("get", "kubeconfig", "--name", self.name, timeout=SHORT_CALL).stdout

    def _export(self, found: Found) -> bool:
        """Write the kubeconfig again when it is missing, of an earlier cluster, or readable by others. True when it had to be."""
        path = self.settings.kubeconfig
        text = self._kubeconfig()
        current = found.kubeconfig is not None and read_access(found.kubeconfig) == read_access(text)
        private = current and os.stat(path).st_mode & 0o777 == 0o600
        if private:
            return False
        if not self.settings.check_mode:
            write_atomic(path, (found.kubeconfig if current else text) or text)
        if not current:
            found.kubeconfig = text
        return True

    def _start(self, found: Found, todo: Plan) -> Plan:
        """Run start_command when the cluster stands as wanted but a node does not run or its API server does not answer."""
        if not self.settings.start_command:
            return todo
        down = [node for node in found.nodes if self.settings.node_exec and not self._runs(node)]
        error = None if down else probe_api(read_access(found.kubeconfig or ""), 0)
        if not down and error is None:
            return todo
        reasons = [f"node {node} does not run" for node in down] or [f"the API server does not answer: {error}"]
        if not self.settings.check_mode:
            words = [part for word in self.settings.start_command for part in (found.nodes if word == "{nodes}" else [word.replace("{name}", self.name)])]
            done = Tool(words, environment=self.tool.env, timeout=self.tool.timeout).run()
            if done.rc != 0:
                raise Failure(
                    f"cluster {self.name}: {'; '.join(reasons)}, and start_command failed: {done.text or 'without a word'}",
                    reason="not_started",
                    hint="force_recreate=true builds the cluster anew.",
                    **done.as_details(),
                )
        return Plan("start", reasons)

    def _runs(self, node: str) -> bool:
        return Tool([word.replace("{node}", node) for word in self.settings.node_exec], environment=self.tool.env, timeout=SHORT_CALL).run("true").rc == 0

    def _load(self, todo: Plan) -> list[str]:
        """Give the nodes the images that no registry has; the ones that they did not have yet."""
        settings, loaded = self.settings, []
        if settings.check_mode:
            return []
        for image in settings.load_images:
            done = self._must("load", "docker-image", image, "--name", self.name)
            if "not yet present on node" in done.stderr:
                loaded.append(image)
        # An archive names no image to compare with: the file that was loaded is remembered.
        path = loaded_path(settings.record_path)
        kept = {} if todo.action in ("create", "recreate") else _read_json(path)
        for archive in settings.load_archives:
            try:
                seen = [os.stat(archive).st_mtime_ns, os.stat(archive).st_size]
            except OSError as error:
                raise Failure(f"image archive {archive}: {error.strerror}", reason="archive_missing", hint="See lab_image_archives.") from None
            if kept.get(archive) != seen:
                self._must("load", "image-archive", archive, "--name", self.name)
                kept[archive] = seen
                loaded.append(archive)
                write_atomic(path, json.dumps(kept))
        return loaded

    def _report(self, wanted: Recipe, found: Found, todo: Plan, exported: bool, loaded: list[str]) -> dict[str, Any]:
        rebuilt = todo.action in ("create", "recreate")
        built = not (rebuilt and self.settings.check_mode)
        access = read_access((read_text(self.settings.kubeconfig) if rebuilt else found.kubeconfig) or "") if built else read_access("")
        error = probe_api(access, self.settings.api_timeout if not self.settings.check_mode else 0) if built else "the cluster is not built"
        if built and error:
            self.warnings.append(f"the API server of cluster {self.name} does not answer: {error}; force_recreate=true builds the cluster anew")
        before = {"nodes": found.nodes, **(found.made.made_of() if found.made else {})} if found.nodes else {}
        after = {"nodes": node_names(self.name, wanted.config), **wanted.made_of()} if rebuilt else before
        changed = todo.action != "none"
        return {
            "changed": changed or exported or bool(loaded),
            "action": todo.action if changed or not exported else "kubeconfig",
            "loaded": loaded,
            "reasons": todo.reasons,
            "name": self.name,
            "nodes": node_names(self.name, wanted.config) if rebuilt else found.nodes,
            "kubeconfig": self.settings.kubeconfig,
            "server": access.server,
            "api_reachable": built and not error,
            "api_error": error or "",
            "diff": self._diff(before, after, exported),
            "warnings": self.warnings,
        }

    # Absent

    def absent(self) -> dict[str, Any]:
        """Delete the cluster and the files that were made for it."""
        settings = self.settings
        kept = (settings.kubeconfig, settings.record_path, settings.config_path, loaded_path(settings.record_path))
        files = [path for path in kept if os.path.exists(path)]
        found = self.look(without_tool=settings.check_mode or not files)
        self._own_kubeconfig_only(found.kubeconfig)
        changed = bool(found.nodes or files)
        if changed and not settings.check_mode:
            if found.nodes:
                self._delete()
            for path in files:
                self._remove(path)
        before = {"nodes": found.nodes, "files": files} if changed else {}
        return {
            "changed": changed,
            "action": "delete" if changed else "none",
            "loaded": [],
            "reasons": [],
            "name": self.name,
            "nodes": [],
            "kubeconfig": settings.kubeconfig,
            "server": "",
            "api_reachable": False,
            "api_error": "",
            "diff": self._diff(before, {}, False),
            "warnings": self.warnings,
        }

    def _delete(self) -> None:
        self._must("delete", "cluster", "--name", self.name, "--kubeconfig", self.settings.kubeconfig)
        if left := self.nodes():
            raise Failure(f"kind deleted cluster {self.name}, but these nodes are still there: {', '.join(left)}", reason="wrong_nodes", nodes=left)

    @staticmethod
    def _remove(path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    # Common

    def _must(self, *words: str, timeout: float | None = None) -> Result:
        limit = self.tool.timeout if timeout is None else min(timeout, self.tool.timeout)
        done = self.tool.run(*words, timeout=limit)
        if done.rc != 0:
            raise failure(done, " ".join(words[:2]))
        return done

    def _diff(self, before: dict[str, Any], after: dict[str, Any], exported: bool) -> dict[str, str]:
        texts = [to_yaml(value) if value else "" for value in (before, after)]
        note = f"kubeconfig: {self.settings.kubeconfig} is written again\n" if exported else ""
        return {"before_header": f"cluster {self.name}", "after_header": f"cluster {self.name}", "before": texts[0], "after": texts[1] + note}


def failure(done: Result, what: str) -> Failure:
    """The Failure of a call of kind that did not succeed."""
    if done.rc is None:
        last = done.text.splitlines()[-1:] or ["nothing"]
        return Failure(
            f"kind {what} did not end within {done.seconds:.0f} s and was stopped; the last it said: {last[0].strip()}",
            reason="timeout",
            hint="Raise the option timeout, or see what it waits for with export_logs; the next run clears up and starts over.",
            **done.as_details(),
        )
    reason, error, hint = meaning(done.stderr)
    return Failure(f"kind {what} failed: {error}", reason=reason, hint=hint, **done.as_details())


def loaded_path(record_path: str) -> str:
    """File that remembers which image archives the nodes were given, beside the cluster's record."""
    return os.path.join(os.path.dirname(record_path), "kind.loaded.json")


def _read_json(path: str) -> dict[str, Any]:
    try:
        return dict(json.loads(read_text(path) or "{}"))
    except (ValueError, TypeError):
        return {}


def _dump(recipe: Recipe) -> str:
    return json.dumps(recipe._asdict(), indent=1, sort_keys=True) + "\n"


def probe_api(access: Access, timeout: float) -> str | None:
    """Why the API server of a kubeconfig cannot be reached from here, or None: a TLS handshake with the cluster's own authority.

    It is tried again until `timeout` seconds have passed, at least once.
    """
    if not access.server:
        return "the kubeconfig names no server"
    deadline = time.monotonic() + timeout
    while True:
        error = _handshake(access, max(1.0, min(5.0, timeout)))
        if error is None or time.monotonic() > deadline:
            return error
        time.sleep(0.2)


def _handshake(access: Access, timeout: float) -> str | None:
    place = urlsplit(access.server)
    host, port = place.hostname or "", place.port or 443
    try:
        context = ssl.create_default_context(cadata=base64.b64decode(access.authority).decode())
        # Clusters' own authorities often lack the extensions that newer Pythons insist on.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        with socket.create_connection((host, port), timeout=timeout) as plain, context.wrap_socket(plain, server_hostname=host):
            return None
    except (OSError, ValueError) as error:
        return f"{host}:{port}: {error}"
