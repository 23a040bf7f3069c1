#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: probes
short_description: Run many commands in pods and on nodes at once, read many lists of the API, and return what each of them saw
description:
  - Reaches pods through the Kubernetes API's exec and nodes through a command prefix, all in one call.
  - A command that fails is a result like any other, the module itself fails only when a place cannot be reached at all.
  - In check mode no command is run, every result has C(run=false).
options:
  probes:
    description: The commands to run.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Key of the result.
        type: str
        required: true
      command:
        description: The command in words; no shell is involved.
        type: list
        elements: str
        required: true
      pod:
        description: Pod to run it in. Either this or O(probes[].node).
        type: str
      namespace:
        description: Namespace of the pod.
        type: str
        default: default
      container:
        description: Container of the pod, by default its first.
        type: str
      node:
        description: Node to run it on.
        type: str
      timeout:
        description: Seconds after which the command counts as failed with C(rc=124).
        type: int
        default: 20
  together:
    description:
      - Whether commands of one pod share one exec. They run at the same time and their standard error is part of C(stdout).
      - The pod needs a shell with C(mktemp), C(timeout), C(wc) and C(cat).
    type: bool
    default: false
  objects:
    description: Lists to read from the API, path by name. A path that the API does not know (Calico's before Calico is there) is an empty list.
    type: dict
    default: {}
  kubeconfig:
    description: Path of the kubeconfig on this host.
    type: path
    required: true
  node_exec:
    description: Words of a command that runs another command on a node; C({node}) stands for the node's name. Empty where there is no such way.
    type: list
    elements: str
    default: []
  parallel:
    description: How many commands run at once.
    type: int
    default: 16
attributes:
  check_mode:
    description: Runs no command; lists are read.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
requirements:
  - kubernetes (Python)
author:
  - The leafspine.calico authors (@leafspine)
"""

EXAMPLES = r"""
- name: Does a pod see the service, and which nodes are there
  leafspine.calico.probes:
    kubeconfig: /var/lib/leafspine/calico-bgp-rr/kubeconfig
    probes:
      - {name: app-x, pod: app-x, command: [curl, -s, -m3, "http://app/"]}
    objects:
      nodes: /api/v1/nodes
"""

RETURN = r"""
objects:
  description: Items of every list by its name.
  returned: always
  type: dict
  sample: {nodes: []}
answers:
  description: Result of every probe by its name.
  returned: always
  type: dict
  contains:
    run: {description: Whether the command was run., type: bool}
    rc: {description: Exit code; 124 after a timeout., type: int}
    stdout: {description: Standard output., type: str}
    stderr: {description: Standard error., type: str}
    seconds: {description: How long it took., type: float}
"""

import concurrent.futures
import functools
import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.leafspine.calico.plugins.module_utils import probe_script

Result = dict[str, Any]


def on_node(probe: dict[str, Any], prefix: list[str]) -> Result:
    """Run a command through the node prefix."""
    argv = [word.replace("{node}", probe["node"]) for word in prefix] + probe["command"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=probe["timeout"], check=False)
    except subprocess.TimeoutExpired as error:
        stdout = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else error.stdout or ""
        return {"rc": 124, "stdout": stdout, "stderr": f"no end within {probe['timeout']} s"}
    return {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


class Api:
    """The API server as a kubeconfig describes it. Raises ImportError without the client, OSError for a kubeconfig that is not one."""

    def __init__(self, kubeconfig: str) -> None:
        # Not at the top: the client takes a second to load, and commands on nodes do not need it.
        from kubernetes import config
        from kubernetes.stream import ws_client

        self.ws_client = ws_client
        try:
            self.client = config.new_client_from_config(kubeconfig)
        except config.ConfigException as error:
            raise OSError(str(error)) from error
        self.configuration = self.client.configuration
        token = self.configuration.auth_settings().get("BearerToken")
        self.headers = {token["key"]: token["value"]} if token else {}

    def read_list(self, path: str) -> list[dict[str, Any]]:
        """Items of a list; empty when the API does not know the path. Raises OSError."""
        headers = {"Accept": "application/json"} | self.headers
        answer = self.client.rest_client.pool_manager.request("GET", self.configuration.host + path, headers=headers, timeout=20.0, retries=False)
        if answer.status == 404:
            return []
        if answer.status != 200:
            raise OSError(f"GET {path}: {answer.status} {answer.data.decode(errors='replace')[:300]}")
        return list(json.loads(answer.data)["items"])

    def execute(self, probe: dict[str, Any]) -> Result:
        """Run a command in a pod."""
        url = f"{self.configuration.host}/api/v1/namespaces/{probe['namespace']}/pods/{probe['pod']}/exec"
        query = [("command", word) for word in probe["command"]] + [("stdout", "true"), ("stderr", "true")]
        query += [("container", probe["container"])] if probe["container"] else []
        channel = self.ws_client.websocket_call(self.configuration, "GET", url, query_params=query, headers=self.headers, _preload_content=False)
        try:
            channel.run_forever(timeout=probe["timeout"])
            stdout, stderr = channel.read_stdout(timeout=0) or "", channel.read_stderr(timeout=0) or ""
            if channel.is_open():
                return {"rc": 124, "stdout": stdout, "stderr": stderr + f"no end within {probe['timeout']} s"}
            return {"rc": exit_code(channel.read_channel(self.ws_client.ERROR_CHANNEL)), "stdout": stdout, "stderr": stderr}
        finally:
            channel.close()


def exit_code(status_text: str) -> int:
    """Exit code in the Status object that ends an exec stream (Kubernetes API, v4.channel.k8s.io)."""
    status = json.loads(status_text or "{}")
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise OSError(status.get("message") or "the API ended the exec without a result")


def run_one(probe: dict[str, Any], prefix: list[str], api: Api | None) -> Result:
    """Run one command where it belongs."""
    begin = time.monotonic()
    if probe["node"]:
        result = on_node(probe, prefix)
    elif api is not None:
        result = api.execute(probe)
    else:
        raise ValueError(f"a command for pod {probe['pod']}, and there is no API to reach it by")
    return {**result, "run": True, "seconds": round(time.monotonic() - begin, 3)}


def run_together(probes: list[dict[str, Any]], prefix: list[str], api: Api | None) -> dict[str, Result]:
    """Run all commands of one pod by one exec."""
    if len(probes) == 1:
        return {probes[0]["name"]: run_one(probes[0], prefix, api)}
    text = probe_script.script([(probe["command"], probe["timeout"]) for probe in probes])
    whole = run_one({**probes[0], "command": ["sh", "-c", text], "timeout": max(probe["timeout"] for probe in probes) + 5}, prefix, api)
    if whole["rc"] != 0:
        raise OSError(f"the script of {len(probes)} commands ended with {whole['rc']}: {whole['stderr'] or whole['stdout']}")
    results = probe_script.parse(whole["stdout"], len(probes))
    return {probe["name"]: {**result, "run": True, "seconds": whole["seconds"]} for probe, result in zip(probes, results, strict=True)}


def groups(probes: list[dict[str, Any]], together: bool) -> list[list[dict[str, Any]]]:
    """Probes that one exec runs."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for number, probe in enumerate(probes):
        key = (probe["namespace"], probe["pod"], probe["container"]) if together and probe["pod"] else (number,)
        found.setdefault(key, []).append(probe)
    return list(found.values())


def gather(jobs: dict[str, Callable[[], Any]], parallel: int) -> tuple[dict[str, Any], dict[str, str]]:
    """What each job returned and, for those that could not be done, why. ``jobs``: functions without arguments."""
    done: dict[str, Any] = {}
    unreachable: dict[str, str] = {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=parallel) as pool:
        futures = {pool.submit(job): name for name, job in jobs.items()}
        for future in concurrent.futures.as_completed(futures):
            try:
                done[futures[future]] = future.result()
            except Exception as error:  # the client raises a dozen kinds; each is reported with its place
                unreachable[futures[future]] = f"{type(error).__name__}: {str(error).strip()[:500]}"
    return done, unreachable


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "probes": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "command": {"type": "list", "elements": "str", "required": True},
                    "pod": {"type": "str"},
                    "namespace": {"type": "str", "default": "default"},
                    "container": {"type": "str"},
                    "node": {"type": "str"},
                    "timeout": {"type": "int", "default": 20},
                },
                "mutually_exclusive": [("pod", "node")],
                "required_one_of": [("pod", "node")],
            },
            "together": {"type": "bool", "default": False},
            "objects": {"type": "dict", "default": {}},
            "kubeconfig": {"type": "path", "required": True},
            "node_exec": {"type": "list", "elements": "str", "default": []},
            "parallel": {"type": "int", "default": 16},
        },
        supports_check_mode=True,
    )
    probes, prefix = module.params["probes"], module.params["node_exec"]
    names = [probe["name"] for probe in probes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        module.fail_json(msg=f"probes: {', '.join(twice)} named twice; every probe needs a name of its own")
    if not prefix and any(probe["node"] for probe in probes):
        module.fail_json(msg="probes: there is no way to run commands on nodes here (node_exec is empty)")
    api: Api | None = None
    if module.params["objects"] or any(probe["pod"] for probe in probes):
        try:
            api = Api(module.params["kubeconfig"])
        except ImportError:
            module.fail_json(msg=missing_required_lib("kubernetes"))
        except OSError as error:
            module.fail_json(msg=f"kubeconfig {module.params['kubeconfig']}: {error}")
    jobs: dict[str, Callable[[], Any]] = {}
    if api is not None:
        jobs = {f"list {name}": functools.partial(api.read_list, path) for name, path in module.params["objects"].items()}
    if not module.check_mode:
        for group in groups(probes, module.params["together"]):
            jobs[" ".join(probe["name"] for probe in group)] = functools.partial(run_together, group, prefix, api)
    done, unreachable = gather(jobs, module.params["parallel"])
    answers: dict[str, Result] = {name: {"run": False} for name in names}
    for name, value in done.items():
        if not name.startswith("list "):
            answers.update(value)
    objects = {name: done.get(f"list {name}", []) for name in module.params["objects"]}
    if unreachable:
        module.fail_json(msg="; ".join(f"{name}: {text}" for name, text in sorted(unreachable.items())), answers=answers, objects=objects)
    module.exit_json(changed=False, answers=answers, objects=objects)


if __name__ == "__main__":
    main()
