#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: lab_host
short_description: Examine the lab host and what of the lab is already there
description:
  - Reads, in one call, whether the host can carry the lab (system, root, disk, subnets, packages, limits) and which parts of the lab answer already.
  - Changes nothing. All problems are reported together.
options:
  directory:
    description: Folder of the lab on this host.
    type: path
    required: true
  environment:
    description: Python environment on this host that the Kubernetes modules and the embedded engine run from.
    type: path
    required: true
  packages:
    description: Packages of the distribution that must be there.
    type: list
    elements: str
    default: []
  supported:
    description: Supported systems; C(ID) of os-release and the lowest version.
    type: dict
    default: {}
  disk_mb:
    description: Free space in MB that the file system of O(directory) must have.
    type: int
    default: 0
  limits:
    description: Kernel limits (sysctl names) and the least value each must have.
    type: dict
    default: {}
  subnets:
    description: Subnets that the lab puts on this host.
    type: list
    elements: dict
    default: []
    suboptions:
      subnet:
        description: The subnet in CIDR notation.
        type: str
        required: true
      purpose:
        description: Place in fabric.yml, for the message.
        type: str
        required: true
      link:
        description: The lab's own link that carries it.
        type: str
  tools:
    description:
      - Commands that the lab calls, by name, each with C(supported) (a range of versions such as C(>=0.77,<1)), C(pinned) (the version that is known
        to work), C(get) (how to get it, for the message), C(provided) (it comes with what the run
        installs anyway, so that it may be missing now) and C(optional) (no role calls it, so that it is only warned of).
      - They are searched on the PATH of this task. Nothing is installed or replaced.
    type: dict
    default: {}
  manifest:
    description: Path or URL of Calico's manifest. A path has to exist, unless it is below the folder of O(environment); a URL needs O(manifest_sha256).
    type: str
    default: ""
  manifest_sha256:
    description: SHA-256 of the manifest behind a URL.
    type: str
    default: ""
  install_tools:
    description:
      - The run installs tools that are missing or do not fit; they are listed in RV(state.install_tools) then and count as
        no problem, if the module toolchain has a source for them.
      - V(release) and V(go) say where they come from, empty that nothing is installed.
    type: str
    choices: ["", release, go]
    default: ""
  routers:
    description: C(address:port) of each router's SSH service.
    type: dict
    default: {}
  kubeconfig:
    description: Path of the lab's kubeconfig on this host.
    type: path
    required: true
  on_link:
    description:
      - Whether routers and the Kubernetes API are on links of this host, as in a lab. What a gateway would have to reach then does not exist yet;
        it is not asked, so that nothing is sent to a stranger who happens to have the address.
    type: bool
    default: true
  connect_timeout:
    description: Seconds to wait for an answer of a router or of the Kubernetes API.
    type: float
    default: 1.0
attributes:
  check_mode:
    description: Reads only, in check mode as well.
    support: full
  diff_mode:
    description: There is nothing to show, the module changes nothing.
    support: none
author:
  - The leafspine.calico authors (@leafspine)
"""

EXAMPLES = r"""
- name: Find out what exists
  leafspine.calico.lab_host:
    directory: /var/lib/leafspine/calico-bgp-rr
    environment: /opt/leafspine/venv
    kubeconfig: /var/lib/leafspine/calico-bgp-rr/kubeconfig
    routers: {leaf0: "172.20.20.4:22"}
    tools:
      containerlab: {supported: ">=0.77,<1", pinned: 0.79.0, get: see containerlab.dev}
  register: found
"""

RETURN = r"""
problems:
  description: What keeps this host from carrying the lab, each with what is allowed; empty when nothing does.
  returned: always
  type: list
  elements: str
state:
  description: What was found.
  returned: always
  type: dict
  contains:
    routers: {description: Which routers accept SSH connections., type: dict}
    cluster: {description: Whether the kubeconfig is there and its server accepts connections., type: bool}
    tools: {description: 'The tools asked for: C(path) and C(version), null where not found, and C(error).', type: dict}
    install_tools: {description: 'Names of the tools to install, with O(install_tools).', type: list}
    kernel_modules: {description: Whether the host has a folder of kernel modules that routers can be given., type: bool}
    environment: {description: "What the environment was made from (the content of its stamp), null without one.", type: str}
    missing_packages: {description: Packages that are not installed., type: list}
    limits: {description: Present value of every limit asked for., type: dict}
    raise_limits: {description: The limits that are too low and the value wanted., type: dict}
"""

import concurrent.futures
import ipaddress
import json
import os
import re
import shutil
import socket
import subprocess
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.leafspine.calico.plugins.module_utils.files import read_text
from ansible_collections.leafspine.calico.plugins.module_utils.host import limit_gaps, parse_os_release, subnet_problems, system_problem
from ansible_collections.leafspine.calico.plugins.module_utils.versions import VERSION_WORDS, source_of, tool_problem, version_in

TOOL_SECONDS = 20


def is_on_link(address: str) -> bool:
    """Whether the kernel reaches the address without a gateway."""
    done = subprocess.run(["ip", "-j", "route", "get", address], capture_output=True, text=True, check=False)
    return done.returncode == 0 and all("gateway" not in route for route in json.loads(done.stdout))


def answers(module: AnsibleModule, address: str, port: int) -> bool:
    """Whether something accepts a TCP connection there."""
    timeout = module.params["connect_timeout"]
    if module.params["on_link"] and not is_on_link(address):
        return False
    try:
        socket.create_connection((address, port), timeout=timeout).close()
    except OSError:
        return False
    return True


def missing_packages(module: AnsibleModule, names: list[str]) -> list[str]:
    """Those of ``names`` that dpkg does not list as installed."""
    if not names:
        return []
    query = shutil.which("dpkg-query")
    if query is None:
        return names
    _rc, out, _err = module.run_command([query, "-W", "-f", "${Package} ${db:Status-Status}\n", *names])
    installed = {line.split()[0] for line in out.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def read_limit(name: str) -> int | None:
    """Value of a numeric sysctl, or None where the kernel has none."""
    text = read_text("/proc/sys/" + name.replace(".", "/"))
    return int(text.split()[0]) if text and text.split()[0].isdigit() else None


def kubernetes_endpoint(kubeconfig: str) -> tuple[str, int] | None:
    """Address and port of the first server in a kubeconfig, without a YAML parser (which the host's Python may lack)."""
    text = read_text(kubeconfig)
    match = re.search(r"""["']?server["']?:\s*["']?(https?://[^\s"',}]+)""", text or "")
    if match is None:
        return None
    url = urlsplit(match.group(1))
    return (url.hostname or "", url.port or 443)


def examine_tool(name: str) -> dict[str, str | None]:
    """Where a tool is and which version it says it has."""
    path = shutil.which(name)
    if path is None:
        return {"path": None, "version": None, "error": None}
    try:
        words = VERSION_WORDS.get(name, ["--version"])
        done = subprocess.run([path, *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=TOOL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"path": path, "version": None, "error": str(error)}
    told = [line.strip() for line in (*done.stderr.splitlines(), *done.stdout.splitlines()) if line.strip()]
    said = None if done.returncode == 0 else (told or [f"exit code {done.returncode}"])[0]
    return {"path": path, "version": version_in(done.stdout), "error": said}


def address_and_port(name: str, place: Any) -> tuple[str, int]:
    """Of C(address:port). Raises ValueError."""
    address, _colon, port = str(place).rpartition(":")
    if not address or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"routers: {name}: {place!r} is no address:port")
    return address, int(port)


def checked_options(params: dict[str, Any]) -> None:
    """Raises ValueError for what the argument specification lets pass and nothing below can use."""
    for entry in params["subnets"]:
        try:
            ipaddress.ip_network(entry["subnet"])
        except ValueError as error:
            raise ValueError(f"subnets: {entry['purpose']}: {error}") from None
    for name, value in params["limits"].items():
        if not isinstance(value, (int, str)) or isinstance(value, bool) or not str(value).isdigit() or not re.fullmatch(r"[a-z0-9_.-]+[a-z0-9_]", str(name)):
            raise ValueError(f"limits: {name!r}: {value!r}: a sysctl's name and a whole number are needed")
    if not 0 < params["connect_timeout"] <= 600:
        raise ValueError(f"connect_timeout: {params['connect_timeout']} is not between 0 and 600 seconds")


def existing_parent(path: str) -> str:
    path = os.path.abspath(path)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def manifest_problems(manifest: str, sha256: str, environment: str) -> list[str]:
    """What is wrong with Calico's manifest as it is named."""
    if re.match(r"https?://", manifest):
        if re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
            return []
        found = f"{sha256!r} is no SHA-256" if sha256 else "a URL without its SHA-256"
        return [f"lab_calico_manifest: {found}; read {manifest} and set lab_calico_manifest_sha256 (sha256sum calico.yaml), or give the path of a copy"]
    if manifest and not manifest.startswith(environment + os.sep) and not os.path.isfile(manifest):
        return [f"lab_calico_manifest: there is no file {manifest} on this host; give a path that is there, or a URL with lab_calico_manifest_sha256"]
    return []


def host_problems(module: AnsibleModule) -> list[str]:
    """Everything about the host itself that is in the way."""
    params = module.params
    problems = []
    if os.geteuid() != 0:
        problems.append(f"user: runs as uid {os.geteuid()}, namespaces and bridges need root; use root or a user with sudo (become: true)")
    if params["supported"]:
        unsupported = system_problem(parse_os_release(read_text("/etc/os-release") or ""), params["supported"])
        problems += [unsupported] if unsupported else []
    free = shutil.disk_usage(existing_parent(params["directory"])).free // 1_000_000
    if free < params["disk_mb"]:
        problems.append(f"disk: {free} MB free for {params['directory']}, {params['disk_mb']} MB are needed; free some space or set another lab_dir")
    problems += manifest_problems(params["manifest"], params["manifest_sha256"], os.path.dirname(params["environment"]))
    if params["subnets"]:
        ip = shutil.which("ip", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if ip:
            _rc, out, _err = module.run_command([ip, "-j", "-4", "route", "show"], check_rc=True)
            problems += subnet_problems(params["subnets"], json.loads(out or "[]"))
    return problems


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "environment": {"type": "path", "required": True},
            "packages": {"type": "list", "elements": "str", "default": []},
            "supported": {"type": "dict", "default": {}},
            "disk_mb": {"type": "int", "default": 0},
            "limits": {"type": "dict", "default": {}},
            "subnets": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"subnet": {"type": "str", "required": True}, "purpose": {"type": "str", "required": True}, "link": {"type": "str"}},
            },
            "tools": {"type": "dict", "default": {}},
            "manifest": {"type": "str", "default": ""},
            "manifest_sha256": {"type": "str", "default": ""},
            "install_tools": {"type": "str", "choices": ["", "release", "go"], "default": ""},
            "routers": {"type": "dict", "default": {}},
            "kubeconfig": {"type": "path", "required": True},
            "on_link": {"type": "bool", "default": True},
            "connect_timeout": {"type": "float", "default": 1.0},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        places = {name: address_and_port(name, place) for name, place in params["routers"].items()}
        checked_options(params)
    except ValueError as error:
        module.fail_json(msg=str(error))
    endpoint = kubernetes_endpoint(params["kubeconfig"])
    with concurrent.futures.ThreadPoolExecutor(max_workers=32) as pool:
        cluster = pool.submit(answers, module, *endpoint) if endpoint else None
        routers = dict(zip(places, pool.map(lambda place: answers(module, *place), places.values()), strict=True))
        tools = dict(zip(params["tools"], pool.map(examine_tool, params["tools"]), strict=True))
    try:
        wrong = {name: tool_problem(name, wanted, tools[name]) for name, wanted in params["tools"].items() if not wanted.get("provided")}
    except ValueError as error:
        module.fail_json(msg=f"tools: {error}")
    unfit = {name: problem for name, problem in wrong.items() if problem}
    install = [name for name in unfit if params["install_tools"] and source_of(params["tools"][name], params["install_tools"])]
    optional = [name for name in unfit if params["tools"][name].get("optional") and name not in install]
    for name in optional:
        module.warn(f"{unfit[name]} (optional)")
    limits = {name: read_limit(name) for name in params["limits"]}
    module.exit_json(
        changed=False,
        problems=[*host_problems(module), *(problem for name, problem in unfit.items() if name not in {*install, *optional})],
        state={
            "routers": routers,
            "cluster": cluster.result() if cluster else False,
            "kernel_modules": os.path.isdir("/lib/modules"),
            "tools": tools,
            "install_tools": install,
            "environment": read_text(os.path.join(params["environment"], "leafspine.stamp")),
            "missing_packages": missing_packages(module, params["packages"]),
            "limits": limits,
            "raise_limits": limit_gaps(params["limits"], limits),
        },
    )


if __name__ == "__main__":
    main()
