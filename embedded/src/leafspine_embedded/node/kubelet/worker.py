"""One pod on its node, from assignment to removal. One asyncio task a pod; it sleeps until something about the pod changes.

State is written to <kubelet>/<node>/pods/<uid>/state.json at every step, so that the next process of the engine goes on where this one ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import time
from collections.abc import Awaitable

from leafspine_embedded.common.state import ensure_dir, write_atomic
from leafspine_embedded.kube.errors import ApiError
from leafspine_embedded.kube.objects import Object, now
from leafspine_embedded.kube.resources import PODS
from leafspine_embedded.node import waiting

from . import sandbox as sandboxes
from . import settings
from .containers import Runner
from .describe import Place
from .env import ConfigError
from .host import Host
from .sandbox import Sandbox, SandboxError
from .status import Container, Runtime, compute, initialized, phase
from .volumes import prepare

log = logging.getLogger(__name__)

_DRAIN = 0.25  # seconds between the end of the containers and that of the address


class PodWorker:
    """Brings one pod to the state its object asks for. `update` gives it the newest object, `gone` says that the object was removed."""

    def __init__(self, host: Host, pod: Object, after: Awaitable[object] | None = None) -> None:
        self.host, self.pod = host, pod
        self.uid: str = pod["metadata"]["uid"]
        self.directory = host.pod_directory(self.uid)
        self.runtime = Runtime(start_time=now())
        self.sandbox: Sandbox | None = None
        self.init: list[Runner] = []
        self.main: list[Runner] = []
        self._after = after  # an earlier pod of the same name, whose link has to be gone first
        self._wake = asyncio.Event()
        self._removed = False
        self._retry_at = 0.0
        self._saved = ""
        self._task: asyncio.Task[None] | None = None

    # -- from outside

    @property
    def label(self) -> str:
        meta = self.pod["metadata"]
        return f"{meta['namespace']}/{meta['name']}"

    def begin(self) -> asyncio.Task[None]:
        self._task = asyncio.create_task(self._run(), name=f"pod {self.label}")
        return self._task

    def update(self, pod: Object) -> None:
        self.pod = pod
        for runner in (*self.init, *self.main):
            runner.pod = pod
        self._wake.set()

    def gone(self) -> None:
        self._removed = True
        self._wake.set()

    def nudge(self) -> None:
        """Something outside the pod changed (node, link, network): look again."""
        self._wake.set()

    def runner(self, container: str) -> Runner | None:
        return next((runner for runner in (*self.main, *self.init) if runner.name == container), None)

    # -- the loop

    async def _run(self) -> None:
        try:
            if self._after is not None:
                with contextlib.suppress(Exception):
                    await self._after
            self._load()
            while not await self._step():
                self._save()
                await self._sleep()
        except asyncio.CancelledError:
            self._save()
            for runner in (*self.init, *self.main):
                await runner.let_go()
            raise

    async def _step(self) -> bool:
        """One look; True when the pod is done with. A fault in here must not end the pod: it is logged, and tried again."""
        self._wake.clear()
        try:
            return await self._synchronise()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("pod %s", self.label)
            self._retry_at = time.time() + self.host.times.retry
            return False

    async def _sleep(self) -> None:
        """Until something changes, the next back-off ends, or it is time for an unasked look at the namespaces."""
        due = [self._retry_at, *(runner.state.retry_at for runner in (*self.init, *self.main) if runner.state.waiting is not None)]
        present = time.time()
        waits = [moment - present for moment in due if moment > present]
        await waiting.event(self._wake, min([self.host.times.check, *waits]))

    async def _synchronise(self) -> bool:
        meta = self.pod["metadata"]
        if self._removed or meta.get("deletionTimestamp"):
            await self._terminate()
            return True
        self._refresh_host()
        if phase(self._policy, self.runtime) in ("Succeeded", "Failed"):
            await self._release_sandbox()
        elif not self._refused() and await self._ensure_sandbox():
            await self._run_containers()
        self._publish()
        return False

    @property
    def _policy(self) -> str:
        return str(self.pod["spec"].get("restartPolicy") or "Always")

    def _refresh_host(self) -> None:
        self.runtime.host_ip = self.host.address() or self.runtime.host_ip
        if self.sandbox is not None and self.sandbox.on_host:
            self.runtime.pod_ip = self.runtime.host_ip

    def _refused(self) -> bool:
        """Refuse, with the reason in every container's status, what the engine does not have."""
        why = settings.unsupported(self.pod)
        if not why:
            return False
        for container in (*self.runtime.init, *self.runtime.main):
            if container.waiting != ("CreateContainerConfigError", why):
                container.set_waiting("CreateContainerConfigError", why)
                self.host.recorder(self.pod, "Failed", f"Error: {why}", kind="Warning")
        return True

    # -- sandbox

    async def _ensure_sandbox(self) -> bool:
        if self.sandbox is not None and self.runtime.sandbox:
            if sandboxes.healthy(self.host, self.sandbox):
                return True
            member = next((runner.process.pid for runner in self.main if runner.process is not None and runner.process.pid), None)
            if await sandboxes.repair(self.host, self.sandbox, member):
                log.info("pod %s: network repaired", self.label)
                return True
            await self._replace_sandbox()
        if time.time() < self._retry_at and not self.host.ready_for_pods:
            return False
        if self.sandbox is None:
            self.sandbox = sandboxes.fresh(self.host, self.pod)
            self._save()
        try:
            prepare(self.pod, self.directory / "volumes", self.host.node_root, self.host.lookup(self.pod["metadata"]["namespace"]))
            await sandboxes.create(self.host, self.pod, self.sandbox)
        except ConfigError as error:
            self._sandbox_failed("FailedMount", str(error))
            return False
        except SandboxError as error:
            self._sandbox_failed("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            return False
        self.runtime.sandbox = True
        self.runtime.pod_ip = self.runtime.host_ip if self.sandbox.on_host else self.sandbox.address
        self._make_runners()
        self._annotate()
        self._publish()  # env from status.podIP reads the pod's own object
        return True

    def _sandbox_failed(self, reason: str, message: str) -> None:
        self.host.recorder(self.pod, reason, message, kind="Warning")
        self._retry_at = time.time() + self.host.times.retry

    async def _replace_sandbox(self) -> None:
        """Namespace or node are gone for good: everything in there ends and starts again in a new sandbox."""
        self.host.recorder(self.pod, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        assert self.sandbox is not None
        for runner in (*self.init, *self.main):
            await runner.kill()
        await sandboxes.remove(self.host, self.sandbox)
        self.sandbox, self.runtime.sandbox, self.runtime.pod_ip = None, False, ""
        self._publish()

    def _annotate(self) -> None:
        """What Calico's plugin writes onto the pod."""
        if self.sandbox is None or self.sandbox.on_host:
            return
        pod = self.host.store.find(PODS, self.pod["metadata"]["namespace"], self.pod["metadata"]["name"])
        if pod is None or pod["metadata"]["uid"] != self.uid:
            return
        cidr = f"{self.sandbox.address}/32"
        pod["metadata"].setdefault("annotations", {}).update(
            {
                "cni.projectcalico.org/containerID": self.sandbox.identity,
                "cni.projectcalico.org/podIP": cidr,
                "cni.projectcalico.org/podIPs": cidr,
            }
        )
        self.update_quietly(self.host.store.update(PODS, pod))

    async def _release_sandbox(self) -> None:
        if self.sandbox is not None:
            await sandboxes.remove(self.host, self.sandbox)
            self.sandbox = None
        self.runtime.sandbox = False

    # -- containers

    def _make_runners(self) -> None:
        """One runner a container, all on the present sandbox."""
        assert self.sandbox is not None
        place = Place(self.directory, self.sandbox)
        spec = self.pod["spec"]
        if self.main:
            for runner in (*self.init, *self.main):
                runner.place = place
            return
        for key, states, runners in (("initContainers", self.runtime.init, self.init), ("containers", self.runtime.main, self.main)):
            for container, state in zip(spec.get(key) or [], states, strict=True):
                runners.append(Runner(self.host, self.pod, container, state, place, self.nudge, init=key == "initContainers"))

    async def _run_containers(self) -> None:
        for runner in self.init:
            await self._advance(runner)
            if not runner.state.succeeded:
                break
        if not initialized(self.runtime):
            for state in self.runtime.main:
                if state.waiting is not None:
                    state.set_waiting("PodInitializing")
            return
        for runner in self.main:
            await self._advance(runner)

    async def _advance(self, runner: Runner) -> None:
        """Start what has to run and may run now."""
        state = runner.state
        if runner.running and runner.process is None:
            await runner.resume_agent()
        if runner.wants_restart(self._policy):
            runner.schedule_restart()
        if state.waiting is not None and time.time() >= state.retry_at:
            await runner.start()
            self._save()
            if state.terminated is not None:
                self._wake.set()

    # -- the end

    async def _terminate(self) -> None:
        """End everything within the grace period, take the sandbox apart, remove the object."""
        meta = self.pod["metadata"]
        grace = 0.0 if self._removed else float(meta.get("deletionGracePeriodSeconds") or 0)
        stops = asyncio.gather(*(runner.stop(grace) for runner in (*self.init, *self.main)))
        while not stops.done():
            # A second delete may shorten the grace period.
            waker = asyncio.ensure_future(self._wake.wait())
            await asyncio.wait([stops, waker], return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]
            waker.cancel()
            self._wake.clear()
            shorter = 0.0 if self._removed else float(self.pod["metadata"].get("deletionGracePeriodSeconds") or 0)
            if shorter < grace and not stops.done():
                grace = shorter
                for runner in (*self.init, *self.main):
                    if runner.process is not None:
                        runner.process.signal(9)
        await stops
        if not self._removed:
            self._publish()
            if self.sandbox is not None and not self.sandbox.on_host:
                # Services learn from that status that the pod is gone. Until they have, its kernel still refuses connections, which a
                # client notices at once; packets to an address that nobody has are lost in silence.
                await asyncio.sleep(_DRAIN)
        await self._release_sandbox()
        if not self._removed:
            with contextlib.suppress(ApiError):
                self.host.store.delete(PODS, meta["namespace"], meta["name"], uid=self.uid, grace_period=0)
        await asyncio.to_thread(shutil.rmtree, self.directory, True)

    # -- status and state

    def _publish(self) -> None:
        """Write the pod's status when it changed."""
        meta = self.pod["metadata"]
        stored = self.host.store.find(PODS, meta["namespace"], meta["name"])
        if stored is None or stored["metadata"]["uid"] != self.uid:
            return
        status = compute(stored, self.runtime, now())
        if stored.get("status") == status:
            return
        stored["status"] = status
        try:
            self.update_quietly(self.host.store.update(PODS, stored, subresource="status"))
        except ApiError as error:
            log.warning("pod %s: status not stored: %s", self.label, error)

    def update_quietly(self, pod: Object) -> None:
        """Take over our own write without waking up for it."""
        self.pod = pod
        for runner in (*self.init, *self.main):
            runner.pod = pod

    def _fresh_states(self) -> None:
        spec = self.pod["spec"]
        self.runtime.init = [Container(item["name"], image=item.get("image", "")) for item in spec.get("initContainers") or []]
        first = "PodInitializing" if self.runtime.init else "ContainerCreating"
        self.runtime.main = [Container(item["name"], image=item.get("image", ""), waiting=(first, "")) for item in spec["containers"]]

    def _save(self) -> None:
        runtime, meta = self.runtime, self.pod["metadata"]
        text = json.dumps(
            {
                "sandbox": vars(self.sandbox) if self.sandbox is not None else None,
                "made": runtime.sandbox,
                "pod_ip": runtime.pod_ip,
                "host_ip": runtime.host_ip,
                "start_time": runtime.start_time,
                "init": [state.as_json() for state in runtime.init],
                "main": [state.as_json() for state in runtime.main],
                "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {key: meta[key] for key in ("name", "namespace", "uid")}, "spec": self.pod["spec"]},
            }
        )
        if text != self._saved and (self.directory.exists() or not self._removed):
            ensure_dir(self.directory, 0o700)
            write_atomic(self.directory / "state.json", text)
            self._saved = text

    def _load(self) -> None:
        """Take up what an earlier process of the engine left."""
        try:
            saved = json.loads((self.directory / "state.json").read_text())
        except (FileNotFoundError, ValueError):
            self._fresh_states()
            return
        runtime = self.runtime
        runtime.sandbox, runtime.pod_ip, runtime.host_ip, runtime.start_time = saved["made"], saved["pod_ip"], saved["host_ip"], saved["start_time"]
        runtime.init = [Container.from_json(values) for values in saved["init"]]
        runtime.main = [Container.from_json(values) for values in saved["main"]]
        self.sandbox = Sandbox(**saved["sandbox"]) if saved["sandbox"] else None
        if self.sandbox is not None and runtime.sandbox:
            self._make_runners()
            for runner in (*self.init, *self.main):
                runner.adopt()
