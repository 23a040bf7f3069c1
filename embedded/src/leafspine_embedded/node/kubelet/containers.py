"""One container of a pod over all its runs: image, start, adoption, probes, end, back-off."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from leafspine_embedded.common import process as processes
from leafspine_embedded.images import catalogue
from leafspine_embedded.kube.objects import Object, now, parse_time

from . import execute
from .agentrun import AgentRun
from .describe import Place, describe, environment, named_ports
from .env import ConfigError
from .host import Host
from .probes import Prober, Target
from .process import ContainerProcess, StartError, remove_old
from .status import Container

_LISTEN_TIMEOUT = 3.0  # seconds a catalogue program gets to open its port


class Runner:
    """Drives one container. `state` is what the pod's status shows; `changed` is called whenever it moves by itself."""

    def __init__(self, host: Host, pod: Object, container: Object, state: Container, place: Place, changed: Callable[[], None], *, init: bool) -> None:
        self.host, self.pod, self.container, self.state, self.place, self._changed = host, pod, container, state, place, changed
        self.init = init
        self.process: ContainerProcess | AgentRun | None = None
        self._exit_task: asyncio.Task[None] | None = None
        self._prober: Prober | None = None
        self._stopping = False

    # -- what is known

    @property
    def name(self) -> str:
        return str(self.container["name"])

    @property
    def running(self) -> bool:
        return self.state.running_since is not None

    @property
    def directory(self) -> Path:
        return self.place.directory / self.name

    def event(self, reason: str, message: str, kind: str = "Normal") -> None:
        path = f"spec.{'initContainers' if self.init else 'containers'}{{{self.name}}}"
        self.host.recorder(self.pod, reason, message, kind=kind, field_path=path)

    def _process(self, image: catalogue.Image) -> ContainerProcess | AgentRun:
        if image.kind == catalogue.AGENT:
            return AgentRun(self.directory, self.state.run, image.agent, self.host.store, self.host.cluster, self.host.node.name)
        return ContainerProcess(self.directory, self.state.run)

    # -- image

    def pull(self) -> catalogue.Image | None:
        """Find the image; None (and a waiting state) when the catalogue does not have it. Called again after the back-off."""
        text = self.container["image"]
        try:
            image = catalogue.find(text)
        except catalogue.InvalidImage as error:
            if self.state.waiting is None or self.state.waiting[0] != "InvalidImageName":
                self.event("InspectFailed", str(error), "Warning")
                self.event("Failed", "Error: InvalidImageName", "Warning")
            self.state.set_waiting("InvalidImageName", str(error))
            self._schedule()
            return None
        except catalogue.ImageNotFound as error:
            self._pull_failed(text, str(error))
            return None
        # Docker Hub's name is written out in the status, as containerd does.
        self.state.image, self.state.image_id = str(catalogue.parse(text)), catalogue.image_id(text)
        return image

    def _pull_failed(self, text: str, why: str) -> None:
        if self.container.get("imagePullPolicy") == "Never":
            message = f'Container image "{text}" is not present with pull policy of Never'
            if self.state.waiting != ("ErrImageNeverPull", message):
                self.event("ErrImageNeverPull", message, "Warning")
                self.event("Failed", "Error: ErrImageNeverPull", "Warning")
            self.state.set_waiting("ErrImageNeverPull", message)
        elif self.state.waiting is not None and self.state.waiting[0] == "ErrImagePull":
            # As a kubelet: the failure shows first, from the next look on the back-off.
            self.event("BackOff", f'Back-off pulling image "{text}"', "Normal")
            self.event("Failed", "Error: ImagePullBackOff", "Warning")
            self.state.set_waiting("ImagePullBackOff", f'Back-off pulling image "{text}": ErrImagePull: {why}')
            self._schedule()
            return
        else:
            self.event("Pulling", f'Pulling image "{text}"')
            self.event("Failed", f'Failed to pull image "{text}": {why}', "Warning")
            self.event("Failed", "Error: ErrImagePull", "Warning")
            self.state.set_waiting("ErrImagePull", why)
            self.state.retry_at = time.time() + 1
            return
        self._schedule()

    def _schedule(self) -> None:
        """Set the time of the next attempt, doubling the wait."""
        times = self.host.times
        self.state.backoff = min(self.state.backoff * 2 or times.backoff_first, times.backoff_last)
        self.state.retry_at = time.time() + self.state.backoff

    # -- start

    async def start(self) -> None:
        """Start the next run. What goes wrong ends up in the state (and is tried again later)."""
        image = self.pull()
        if image is None:
            return
        self.state.restarts = self.state.run
        self.event("Pulled", f'Container image "{self.container["image"]}" already present on machine')
        self.state.container_id = "containerd://" + hashlib.sha256(f"{self.pod['metadata']['uid']}/{self.name}/{self.state.run}".encode()).hexdigest()
        try:
            process = self._process(image)
            remove_old(self.directory, self.state.run - 1)
            if isinstance(process, AgentRun):
                variables = environment(self.host, self.pod, self.container, image)
                self.event("Created", f"Created container: {self.name}")
                await process.start(variables)
            else:
                description = describe(self.host, self.pod, self.container, image, self.place)
                self.event("Created", f"Created container: {self.name}")
                await process.start(description)
                if image.listens and not self.container.get("command") and not self.container.get("args"):
                    await process.listening(image.listens, _LISTEN_TIMEOUT)
        except ConfigError as error:
            self.event("Failed", f"Error: {error}", "Warning")
            self.state.set_waiting("CreateContainerConfigError", str(error))
            self.state.retry_at = time.time() + self.host.times.retry
            return
        except (StartError, OSError) as error:
            self._start_failed(str(error))
            return
        self.process = process
        self.state.set_running(now())
        self.event("Started", f"Started container {self.name}")
        self._follow()

    def _start_failed(self, text: str) -> None:
        message = (
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start "
            f"container process: error during container init: {text}"
        )
        self.event("Failed", f"Error: {message}", "Warning")
        self._end(128, "StartError", message, started="1970-01-01T00:00:00Z")

    def adopt(self) -> None:
        """After a restart of the engine: take up the present run where it still lives, else note how it ended."""
        if not self.running:
            # The engine may have died between starting a process and writing it down.
            processes.kill(processes.strays(self.directory), 0.0)
            return
        image = self.pull()
        if image is None:
            return
        process = self._process(image)
        self.process = process
        if isinstance(process, AgentRun):
            self.process = None
            return  # starts again in this process, see `resume_agent`
        if process.find():
            process.watch()
            self._follow()
        else:
            self._ended(process.exit_code())

    async def resume_agent(self) -> None:
        """An agent container that ran when the engine stopped goes on, without counting as a restart."""
        image = self.pull()
        if image is None or image.kind != catalogue.AGENT:
            return
        process = self._process(image)
        assert isinstance(process, AgentRun)
        try:
            await process.start(environment(self.host, self.pod, self.container, image))
        except (ConfigError, StartError) as error:
            self._start_failed(str(error))
            return
        self.process = process
        self._follow()

    def _follow(self) -> None:
        """Wait for the end, and probe meanwhile."""
        assert self.process is not None
        self._exit_task = asyncio.create_task(self._await_exit(self.process))
        has = {kind: bool(self.container.get(f"{kind}Probe")) for kind in ("startup", "readiness", "liveness")}
        self.state.started = self.state.started or not has["startup"]
        self.state.ready = self.init is False and self.state.started and not has["readiness"]
        if any(has.values()) and not self.init:
            address = self.place.sandbox.address or self.host.address()
            target = Target(self.host.node.namespace, address, named_ports(self.container), self._run_probe)
            self._prober = Prober(self.container, target, self._probe_changed, self._probe_failed, self._unhealthy)
            self._prober.start()

    # -- probes

    async def _run_probe(self, command: list[str]) -> tuple[int, str]:
        return await execute.collect(self.host, self.pod, self.container, self.place, self.process, command)

    def _probe_changed(self, kind: str, holds: bool) -> None:
        before = (self.state.started, self.state.ready)
        if kind == "startup":
            self.state.started = True
            self.state.ready = not self.container.get("readinessProbe")
        else:
            self.state.ready = holds
        if before != (self.state.started, self.state.ready):
            self._changed()

    def _probe_failed(self, kind: str, text: str) -> None:
        self.event("Unhealthy", f"{kind.capitalize()} probe failed: {text}", "Warning")

    def _unhealthy(self, kind: str, _text: str) -> None:
        self.event("Killing", f"Container {self.name} failed {kind} probe, will be restarted")
        grace = float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))
        task = asyncio.create_task(self._kill_unhealthy(grace))
        task.add_done_callback(lambda done: done.exception())

    async def _kill_unhealthy(self, grace: float) -> None:
        if self.process is not None:
            await self.process.stop(grace)

    # -- end

    async def _await_exit(self, process: ContainerProcess | AgentRun) -> None:
        code = await process.wait()
        if self._prober is not None:
            await self._prober.stop()
            self._prober = None
        if self.process is process:
            self._ended(code)
            self._changed()

    def _ended(self, code: int) -> None:
        self._end(code, "Completed" if code == 0 else "Error", "", started=self.state.running_since or now())

    def _end(self, code: int, reason: str, message: str, *, started: str) -> None:
        self.process = None
        how: Object = {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": now(), "containerID": self.state.container_id}
        if message:
            how["message"] = message
        self.state.set_terminated(how)

    def wants_restart(self, policy: str) -> bool:
        """Whether an ended container has to run again."""
        if self.state.terminated is None or self._stopping:
            return False
        if self.init:
            return not self.state.succeeded and policy != "Never"
        return policy == "Always" or (policy == "OnFailure" and not self.state.succeeded)

    def schedule_restart(self) -> None:
        """The first restart comes at once, later ones after 10 s, 20 s, ... (CrashLoopBackOff)."""
        ended = self.state.terminated
        assert ended is not None
        times, state = self.host.times, self.state
        if ended["startedAt"] > "1971" and (parse_time(ended["finishedAt"]) - parse_time(ended["startedAt"])).total_seconds() > times.backoff_reset:
            state.backoff = 0.0
        state.last, state.run = ended, state.run + 1
        if state.backoff == 0.0:
            state.retry_at = 0.0
            state.backoff = times.backoff_first / 2  # the next one waits the first full step
            state.set_waiting("ContainerCreating")
        else:
            state.backoff = min(state.backoff * 2 or times.backoff_first, times.backoff_last)
            state.retry_at = time.time() + state.backoff
            meta = self.pod["metadata"]
            full = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
            self.event("BackOff", f"Back-off restarting failed container {self.name} in pod {full}", "Warning")
            state.set_waiting("CrashLoopBackOff", f"back-off {_duration(state.backoff)} restarting failed container={self.name} pod={full}")

    async def kill(self) -> None:
        """End the present run at once; whether another follows is up to the restart policy."""
        if self.process is not None and self._exit_task is not None:
            await self.process.stop(0)
            await self._exit_task

    async def stop(self, grace: float) -> None:
        """End the container for good (its pod goes)."""
        self._stopping = True
        if self._prober is not None:
            await self._prober.stop()
            self._prober = None
        process = self.process
        if process is None:
            return
        self.event("Killing", f"Stopping container {self.name}")
        code = await process.stop(grace)
        if self._exit_task is not None:
            self._exit_task.cancel()
        if self.process is process:
            self._ended(code)

    async def let_go(self) -> None:
        """The engine's process ends: stop following, leave the container running."""
        if self._prober is not None:
            await self._prober.stop()
        if self._exit_task is not None:
            self._exit_task.cancel()
        if self.process is not None:
            self.process.unwatch()


def _duration(seconds: float) -> str:
    """As Go prints one: 10s, 1m20s, 5m0s."""
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:g}s" if seconds != whole else f"{whole}s"
    return f"{whole // 60}m{whole % 60}s"
