"""`kubectl exec` and `kubectl logs`: the API server's way into the pods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from leafspine_embedded.kube.errors import ApiError, BadRequest, NotFound
from leafspine_embedded.kube.objects import Object
from leafspine_embedded.kube.resources import PODS
from leafspine_embedded.kube.store import Store

from . import execute
from .env import ConfigError
from .status import Container
from .worker import PodWorker

_BLOCK = 65536
_FOLLOW = 0.2  # seconds between looks at a log that is followed


class FailedExec:
    """A command that never ran."""

    stderr: asyncio.StreamReader | None = None

    def __init__(self, why: str) -> None:
        self.stdout = asyncio.StreamReader()
        self.stdout.feed_eof()
        self._why = why

    async def wait(self) -> int:
        """Raises ApiError with the reason."""
        raise ApiError(f"Internal error occurred: {self._why}", details={"causes": [{"message": self._why}]})

    def kill(self) -> None:
        """Nothing runs."""

    def resize(self, columns: int, rows: int) -> None:
        """There is no terminal."""


class Runtime:
    """Implements kube.context.PodRuntime over the kubelets' workers (uid -> worker)."""

    def __init__(self, store: Store, workers: Mapping[str, PodWorker]) -> None:
        self._store, self._workers = store, workers

    def _worker(self, namespace: str, name: str) -> PodWorker:
        pod = self._store.find(PODS, namespace, name)
        if pod is None:
            raise NotFound(PODS, name)
        node = (pod.get("spec") or {}).get("nodeName")
        if not node:
            raise BadRequest(f"pod {name} does not have a host assigned")
        worker = self._workers.get(pod["metadata"]["uid"])
        if worker is None:
            raise ApiError(f'the kubelet of node "{node}" does not know pod {namespace}/{name} yet')
        return worker

    @staticmethod
    def _container(pod: Object, wanted: str) -> Object:
        """The container that is meant: the only one, or the named one."""
        spec, name = pod["spec"], pod["metadata"]["name"]
        every = [*(spec.get("initContainers") or []), *spec["containers"]]
        if not wanted:
            default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
            if default:
                wanted = default
            elif len(spec["containers"]) == 1:
                return dict(spec["containers"][0])
            else:
                choices = " ".join(item["name"] for item in spec["containers"])
                raise BadRequest(f"a container name must be specified for pod {name}, choose one of: [{choices}]")
        for container in every:
            if container["name"] == wanted:
                return dict(container)
        raise BadRequest(f"container {wanted} is not valid for pod {name}")

    async def exec(
        self, namespace: str, pod: str, container: str, command: Sequence[str], stdin: asyncio.StreamReader | None, tty: bool
    ) -> execute.Exec | FailedExec:
        """Run a command. Raises ApiError (BadRequest, NotFound) for a container that is not there; a command that cannot be started comes
        back as a process without output whose `wait` raises: the real API, too, tells it only after the connection is up."""
        worker = self._worker(namespace, pod)
        chosen = self._container(worker.pod, container)
        if not command:
            raise BadRequest("you must specify at least 1 command for the container")
        runner = worker.runner(chosen["name"])
        if runner is None or runner.process is None or runner.process.ended:
            return FailedExec(f'unable to upgrade connection: container not found ("{chosen["name"]}")')
        try:
            running = await execute.start(worker.host, worker.pod, chosen, runner.place, runner.process, command, stdin=stdin is not None, tty=tty)
        except (execute.ExecError, ConfigError, OSError) as error:
            identity = runner.state.container_id.removeprefix("containerd://")
            return FailedExec(
                f'Internal error occurred: error executing command in container: failed to exec in container: failed to start exec "{identity}": '
                f"OCI runtime exec failed: exec failed: unable to start container process: {error}: unknown"
            )
        if stdin is not None:
            running.feed(stdin)
        return running

    async def logs(self, namespace: str, pod: str, container: str, follow: bool, tail: int | None, previous: bool = False) -> AsyncIterator[bytes]:
        """What a container wrote, in blocks. follow: go on until it ends. tail: only so many lines. previous: of the run before."""
        worker = self._worker(namespace, pod)
        chosen = self._container(worker.pod, container)
        name = chosen["name"]
        state = next((item for item in (*worker.runtime.main, *worker.runtime.init) if item.name == name), None)
        if state is None:
            raise BadRequest(f'container "{name}" in pod "{pod}" is not available')
        run = _run_of(state, previous, pod)
        file = worker.directory / name / f"{run}.log"
        if not file.exists():
            raise BadRequest(f'container "{name}" in pod "{pod}" is waiting to start: {(state.waiting or ("no logs yet", ""))[0]}')
        position = _tail_position(file, tail) if tail is not None and tail >= 0 else 0
        async for block in _read(file, position, follow and not previous, lambda: state.run == run and state.running_since is not None):
            yield block


def _run_of(state: Container, previous: bool, pod: str) -> int:
    """The number of the run whose log is meant."""
    current = state.run - 1 if state.waiting is not None and state.run > 0 else state.run
    if previous:
        # While a container waits for its restart, the run that is shown without --previous is already the last one.
        before = current - 1 if state.waiting is None else current
        if before < 0 or state.last is None:
            raise BadRequest(f'previous terminated container "{state.name}" in pod "{pod}" not found')
        return before
    if state.waiting is not None and state.run == 0:
        raise BadRequest(f'container "{state.name}" in pod "{pod}" is waiting to start: {state.waiting[1] or state.waiting[0]}')
    return current


def _tail_position(file: Path, lines: int) -> int:
    """Where the last `lines` lines begin; reads backwards."""
    size = file.stat().st_size
    if lines == 0:
        return size
    position, found = size, 0
    with file.open("rb") as source:
        while position > 0:
            start = max(0, position - _BLOCK)
            source.seek(start)
            block = source.read(position - start)
            end = len(block) - (1 if position == size and block.endswith(b"\n") else 0)
            while (newline := block.rfind(b"\n", 0, end)) >= 0:
                found += 1
                if found == lines:
                    return start + newline + 1
                end = newline
            position = start
    return 0


async def _read(file: Path, position: int, follow: bool, running: object) -> AsyncIterator[bytes]:
    alive = running if callable(running) else lambda: False
    with file.open("rb") as source:
        source.seek(position)
        while True:
            last = not follow or not alive()
            while block := source.read(_BLOCK):
                yield block
            if last:
                return
            if source.tell() > file.stat().st_size:
                source.seek(0)  # it was cut
            await asyncio.sleep(_FOLLOW)
