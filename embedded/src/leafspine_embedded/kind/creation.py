"""`kind create cluster`: the steps, their progress lines, and what happens when one fails."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from leafspine_embedded.common import state
from leafspine_embedded.kind import cluster, config, kubeconfig
from leafspine_embedded.kind.cli import Progress, kubeconfig_paths, say
from leafspine_embedded.kind.errors import KindError
from leafspine_embedded.kind.options import Parsed
from leafspine_embedded.kube.context import ClusterContext


def create(options: Parsed, wait: float) -> None:
    """Build the cluster that the options describe. Raises EngineError; unless --retain is given nothing is left then."""
    wanted = _config(options)
    quiet = options.on("quiet")
    target = kubeconfig_paths(options)[0]
    with cluster.locked():
        if state.cluster_dir(wanted.name).exists():
            raise KindError(f'node(s) already exist for a cluster with the name "{wanted.name}"')
        if not quiet:
            say(f'Creating cluster "{wanted.name}" ...')
            for note in wanted.notes:
                say(f"WARNING: {note}")
        progress = Progress(quiet)
        progress.step(f"Ensuring node image ({wanted.image}) 🖼")
        try:
            context = _build(wanted, progress)
            kubeconfig.merge(target, cluster.admin_kubeconfig(context))
            progress.end(True)
        except BaseException:
            progress.end(False)
            if not options.on("retain"):
                cluster.delete(wanted.name)
                cluster.tidy()
            raise
    if wait > 0:
        _wait(context, wait, progress)
    if not quiet:
        _farewell(wanted.name, options.flags.get("kubeconfig"))


def _config(options: Parsed) -> config.Config:
    path = options.flags.get("config")
    text = ""
    if path == "-":
        text = sys.stdin.read()
    elif path:
        try:
            text = Path(path).read_text()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
            raise KindError(f"error reading file: open {path}: {why}") from None
    # The name on the command line wins, then the file's, then the environment's.
    parsed = config.parse(text, name=options.flags.get("name", ""), image=options.flags.get("image", ""))
    fallback = os.environ.get("KIND_CLUSTER_NAME", "")
    if parsed.name == "kind" and fallback and "name" not in options.flags:
        parsed = config.parse(text, name=fallback, image=options.flags.get("image", ""))
    return parsed


def _build(wanted: config.Config, progress: Progress) -> ClusterContext:
    progress.step("Preparing nodes " + "📦 " * len(wanted.nodes))
    context, wiring = cluster.plan(wanted)
    cluster.record(context, wiring)
    progress.step("Writing configuration 📜")
    cluster.write_certificates(context)
    progress.step("Starting control-plane 🕹️")
    cluster.repair(context, wiring)
    if len(wanted.nodes) > 1:
        progress.step("Joining worker nodes 🚜")
    return context


def _wait(context: ClusterContext, seconds: float, progress: Progress) -> None:
    """--wait: until the control plane is Ready; running out of time is a warning, as in the real tool."""
    progress.step(f"Waiting ≤ {seconds:g}s for control-plane = Ready ⏳")
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if cluster.control_plane_ready(context):
            progress.end(True)
            say(f" • Ready after {time.monotonic() - began:.0f}s 💚")
            return
        time.sleep(0.2)
    progress.end(False)
    say(" • WARNING: Timed out waiting for Ready ⚠️")


def _farewell(name: str, path: str | None) -> None:
    context = kubeconfig.context_name(name)
    suffix = f" --kubeconfig {path}" if path else ""
    say(f'Set kubectl context to "{context}"\nYou can now use your cluster with:\n\nkubectl cluster-info --context {context}{suffix}\n\nHave a nice day! 👋')
