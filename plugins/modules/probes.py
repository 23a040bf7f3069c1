#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: probes
short_description: Run many commands in pods and on nodes at once and return what each of them saw
description:
  - Reaches pods through the Kubernetes API's exec and nodes through a command prefix, all in one call.
  - A command that fails is a result like any other, the module itself fails only when a place cannot be reached at all.
  - In check mode nothing is run, every result has C(run=false).
options:
  probes:
    description: The commands to run.
    type: list
    elements: dict
    required: true
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
    description: Runs nothing.
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
- name: Does every pod see the service
  leafspine.calico.probes:
    kubeconfig: /var/lib/leafspine/calico-bgp-rr/kubeconfig
    probes:
      - {name: app-x, pod: app-x, command: [curl, -s, -m3, "http://app/"]}
"""

RETURN = r"""
results:
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
import subprocess
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from kubernetes import client, config
    from kubernetes.stream import stream
    from kubernetes.stream.ws_client import ERROR_CHANNEL
    from yaml import safe_load

    HAS_KUBERNETES = True
except ImportError:
    HAS_KUBERNETES = False

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


def in_pod(probe: dict[str, Any], kubeconfig: str) -> Result:
    """Run a command through the API's exec; each call has a client of its own, a stream takes its client over."""
    api = client.CoreV1Api(config.new_client_from_config(kubeconfig))
    arguments = {"command": probe["command"], "stdout": True, "stderr": True, "stdin": False, "tty": False, "_preload_content": False}
    if probe["container"]:
        arguments["container"] = probe["container"]
    channel = stream(api.connect_get_namespaced_pod_exec, probe["pod"], probe["namespace"], **arguments)
    try:
        channel.run_forever(timeout=probe["timeout"])
        stdout, stderr = channel.read_stdout(timeout=0) or "", channel.read_stderr(timeout=0) or ""
        if channel.is_open():
            return {"rc": 124, "stdout": stdout, "stderr": stderr + f"no end within {probe['timeout']} s"}
        return {"rc": exit_code(channel.read_channel(ERROR_CHANNEL)), "stdout": stdout, "stderr": stderr}
    finally:
        channel.close()


def exit_code(status_text: str) -> int:
    """Exit code in the Status object that ends an exec stream (Kubernetes API, v4.channel.k8s.io)."""
    status = safe_load(status_text or "") or {}
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise OSError(status.get("message") or "the API ended the exec without a result")


def run_one(probe: dict[str, Any], module: AnsibleModule) -> Result:
    begin = time.monotonic()
    result = on_node(probe, module.params["node_exec"]) if probe["node"] else in_pod(probe, module.params["kubeconfig"])
    return {**result, "run": True, "seconds": round(time.monotonic() - begin, 3)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "probes": {
                "type": "list",
                "elements": "dict",
                "required": True,
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
            "kubeconfig": {"type": "path", "required": True},
            "node_exec": {"type": "list", "elements": "str", "default": []},
            "parallel": {"type": "int", "default": 16},
        },
        supports_check_mode=True,
    )
    probes = module.params["probes"]
    names = [probe["name"] for probe in probes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        module.fail_json(msg=f"probes: {', '.join(twice)} named twice; every probe needs a name of its own")
    if module.check_mode:
        module.exit_json(changed=False, results={name: {"run": False} for name in names})
    if not HAS_KUBERNETES and any(probe["pod"] for probe in probes):
        module.fail_json(msg=missing_required_lib("kubernetes"))
    if not module.params["node_exec"] and any(probe["node"] for probe in probes):
        module.fail_json(msg="probes: there is no way to run commands on nodes here (node_exec is empty)")
    results: dict[str, Result] = {}
    unreachable: dict[str, str] = {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=module.params["parallel"]) as pool:
        futures = {pool.submit(run_one, probe, module): probe["name"] for probe in probes}
        for future in concurrent.futures.as_completed(futures):
            try:
                results[futures[future]] = future.result()
            except Exception as error:  # the client raises a dozen kinds; each is reported with its place
                unreachable[futures[future]] = f"{type(error).__name__}: {str(error).strip()[:500]}"
    if unreachable:
        module.fail_json(msg="; ".join(f"{name}: {text}" for name, text in sorted(unreachable.items())), results=results)
    module.exit_json(changed=False, results=results)


if __name__ == "__main__":
    main()
