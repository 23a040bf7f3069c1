"""The `kind` command: what modules and docs use of it, with the real tool's texts and exit codes (contracts/kind.md).

Supported: create cluster, delete cluster(s), get clusters | nodes | kubeconfig, export kubeconfig | logs, load docker-image |
image-archive (nothing to load: the engine's catalogue has the images), version. Progress and errors go to standard error.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from leafspine_embedded.common.errors import EngineError
from leafspine_embedded.kind.errors import KindError
from leafspine_embedded.kind.options import Parsed, duration, parse

if TYPE_CHECKING:
    from leafspine_embedded.kube.context import ClusterContext

VERSION = "v0.33.0"
_GO = "go1.25.5"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Progress:
    """Kind's progress lines (without a terminal it prints the start and the end of each)."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._current = ""

    def step(self, text: str) -> None:
        self.end(True)
        self._current = text
        if not self._quiet:
            say(f" • {text}  ...")

    def end(self, good: bool) -> None:
        if self._current and not self._quiet:
            say(f" {'✓' if good else '✗'} {self._current}")
        self._current = ""


def _cluster_name(options: Parsed) -> str:
    return options.flags.get("name") or os.environ.get("KIND_CLUSTER_NAME") or "kind"


def create_cluster(options: Parsed) -> int:
    from leafspine_embedded.kind.creation import create

    _no_words(options)
    wait = duration(options.flags.get("wait", "0s"))
    try:
        create(options, wait)
    except EngineError as error:
        raise KindError(f"failed to create cluster: {error}") from None
    return 0


def delete_cluster(options: Parsed) -> int:
    from leafspine_embedded.kind import cluster

    _no_words(options)
    name = _cluster_name(options)
    if not options.on("quiet"):
        say(f'Deleting cluster "{name}" ...')
    with cluster.locked():
        _delete(name, options)
        cluster.tidy()
    return 0


def delete_clusters(options: Parsed) -> int:
    from leafspine_embedded.kind import cluster

    with cluster.locked():
        wanted = cluster.names() if options.on("all") else options.words
        for name in wanted:
            _delete(name, options)
        cluster.tidy()
    if wanted and not options.on("quiet"):
        shown = " ".join(f'"{name}"' for name in wanted)
        say(f"Deleted clusters: [{shown}]")
    return 0


def _delete(name: str, options: Parsed) -> None:
    from leafspine_embedded.common import state
    from leafspine_embedded.kind import cluster, kubeconfig

    context = cluster.context_of(name)
    existed = state.cluster_dir(name).exists()
    for path in kubeconfig_paths(options):
        kubeconfig.remove(path, name)
    try:
        cluster.delete(name)
    except (EngineError, OSError) as error:
        raise KindError(f'failed to delete cluster "{name}": {error}') from None
    if existed and not options.on("quiet"):
        nodes = " ".join(f'"{node.name}"' for node in context.nodes) if context is not None else ""
        say(f"Deleted nodes: [{nodes}]")


def kubeconfig_paths(options: Parsed) -> list[Path]:
    from leafspine_embedded.kind import kubeconfig

    given = options.flags.get("kubeconfig")
    return [Path(given)] if given else kubeconfig.default_paths()


def get_clusters(options: Parsed) -> int:
    from leafspine_embedded.kind import cluster

    found = cluster.names()
    if not found:
        say("No kind clusters found.")
    for name in found:
        print(name)
    del options
    return 0


def get_nodes(options: Parsed) -> int:
    from leafspine_embedded.kind import cluster

    everywhere = options.on("all-clusters")
    names = cluster.names() if everywhere else [_cluster_name(options)]
    nodes = [node.name for name in names if (context := cluster.context_of(name)) is not None for node in context.nodes]
    if not nodes:
        say("No kind nodes found." if everywhere else f'No kind nodes found for cluster "{names[0]}".')
    for node in nodes:
        print(node)
    return 0


def get_kubeconfig(options: Parsed) -> int:
    from leafspine_embedded.kind import cluster, kubeconfig

    context = _existing(_cluster_name(options))
    sys.stdout.write(kubeconfig.dump(cluster.admin_kubeconfig(context, internal=options.on("internal"))))
    return 0


def export_kubeconfig(options: Parsed) -> int:
    from leafspine_embedded.kind import cluster, kubeconfig

    context = _existing(_cluster_name(options))
    with cluster.locked():
        kubeconfig.merge(kubeconfig_paths(options)[0], cluster.admin_kubeconfig(context, internal=options.on("internal")))
    say(f'Set kubectl context to "{kubeconfig.context_name(context.name)}"')
    return 0


def export_logs(options: Parsed) -> int:
    import shutil
    import tempfile

    name = _cluster_name(options)
    context = _existing(name, f'unknown cluster "{name}"')
    target = Path(options.words[0]) if options.words else Path(tempfile.mkdtemp())
    say(f'Exporting logs for cluster "{name}" to:')
    # The folder of the daemons' logs may be a link, which rglob does not follow.
    for log in sorted({*context.dir.rglob("*.log"), *(context.dir / "log").glob("*.log")}):
        copy = target / log.relative_to(context.dir)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, copy)
    print(target)
    return 0


def _existing(name: str, text: str = "") -> ClusterContext:
    from leafspine_embedded.kind import cluster

    context = cluster.context_of(name)
    if context is None:
        raise KindError(text or f"could not locate any control plane nodes for cluster named '{name}'. Use the --name option to select a different cluster")
    return context


def load(options: Parsed) -> int:
    name = _cluster_name(options)
    if not options.words:
        raise KindError("requires at least 1 arg(s), only received 0")
    _existing(name, f'no nodes found for cluster "{name}"')
    for image in options.words:
        say(f'Image: "{image}" is not loaded: in the embedded engine the catalogue provides the images')
    return 0


def version(options: Parsed) -> int:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    print(VERSION if options.on("quiet") else f"kind {VERSION} {_GO} linux/{machine} (leafspine embedded)")
    return 0


def _no_words(options: Parsed) -> None:
    if options.words:
        raise KindError(f'unknown command "{options.words[0]}" for "kind"')


_NAME = {"name": True}
_FILE = {"name": True, "kubeconfig": True}
_NODES = {"name": True, "nodes": True}
COMMANDS: dict[tuple[str, ...], tuple[dict[str, bool], Callable[[Parsed], int]]] = {
    ("create", "cluster"): ({**_FILE, "config": True, "image": True, "wait": True, "retain": False}, create_cluster),
    ("delete", "cluster"): (_FILE, delete_cluster),
    ("delete", "clusters"): ({"kubeconfig": True, "all": False}, delete_clusters),
    ("get", "clusters"): ({}, get_clusters),
    ("get", "nodes"): ({**_NAME, "all-clusters": False}, get_nodes),
    ("get", "kubeconfig"): ({**_NAME, "internal": False}, get_kubeconfig),
    ("export", "kubeconfig"): ({**_FILE, "internal": False}, export_kubeconfig),
    ("export", "logs"): (_NAME, export_logs),
    ("load", "docker-image"): (_NODES, load),
    ("load", "image-archive"): (_NODES, load),
    ("version",): ({}, version),
}


def run(arguments: list[str]) -> int:
    """One command line. Raises EngineError for what becomes `ERROR: ...`."""
    if arguments[:1] == ["--version"]:
        print(f"kind version {VERSION.removeprefix('v')}")
        return 0
    words = [word for word in arguments if not word.startswith("-")]
    for length in (2, 1):
        found = COMMANDS.get(tuple(words[:length]))
        if found is not None:
            known, command = found
            left = list(arguments)
            for word in words[:length]:
                left.remove(word)
            options = parse(left, known)
            if options.on("help"):
                print(_usage(tuple(words[:length]), known))
                return 0
            return command(options)
    if not words or words == ["help"] or "--help" in arguments:
        print("Usage:\n" + "\n".join(f"  kind {' '.join(path)}" for path in COMMANDS))
        return 0
    raise KindError(f'unknown command "{" ".join(words[:2])}" for "kind"; the embedded engine has: {", ".join(" ".join(path) for path in COMMANDS)}')


def _usage(path: tuple[str, ...], known: dict[str, bool]) -> str:
    flags = "\n".join(f"      --{name}{' string' if takes else ''}" for name, takes in sorted(known.items()))
    return f"Usage:\n  kind {' '.join(path)} [flags]\n\nFlags:\n{flags}"


def main() -> int:
    try:
        return run(sys.argv[1:])
    except EngineError as error:
        say(f"ERROR: {error}")
        return 1
    except PermissionError as error:
        say(f"ERROR: {error}; the embedded engine needs root")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
