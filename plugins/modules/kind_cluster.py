#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: kind_cluster
short_description: Keep a Kubernetes cluster that kind makes
version_added: 0.1.0
description:
  - Creates and deletes a cluster with the command C(kind) on the lab host, and keeps its kubeconfig.
  - kind cannot change a cluster. The configuration that the cluster was made from is remembered in C(kind.applied.json) beside the
    kubeconfig; a cluster that was made from another one is refused, with the differences named, unless O(recreate) is set.
  - A cluster whose creation was interrupted, or that has lost a node, is deleted and created again.
  - The nodes are verified after creation, since kind's exit code says nothing about them. Labels and addresses are not looked at here.
options:
  state:
    description:
      - V(present) makes the cluster stand, V(absent) deletes it together with its kubeconfig, its record and O(config_path).
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - Name of the cluster. Its nodes are called C(<name>-control-plane), C(<name>-worker), C(<name>-worker2) and so on.
    type: str
    required: true
  config:
    description:
      - The kind configuration (C(kind.x-k8s.io/v1alpha4)), as a dictionary or as text. Text is read with PyYAML, which the Python on the
        lab host must have; a template piped through C(from_yaml) becomes a dictionary and needs nothing there.
      - Required with O(state=present).
    type: raw
  kubeconfig:
    description:
      - File on the lab host for the cluster's kubeconfig, mode V(0600). It is written again when it is missing or of an earlier cluster.
      - The file is for this cluster alone; one that holds others is refused.
    type: path
    required: true
  config_path:
    description:
      - Where the configuration is written for kind to read. C(kind.yml) beside O(kubeconfig) when left out.
    type: path
  image:
    description:
      - Node image for all nodes that name none in O(config). When left out or empty, kind's own default.
    type: str
    default: ""
  wait:
    description:
      - Let kind wait so long for the control plane to be ready, for instance V(60s). Without a network plugin it never is, so kind does not
        wait when this is left out or empty.
    type: str
    default: ""
  recreate:
    description:
      - When the cluster was made from another configuration (or there is no record of it), delete it and create it again.
        Everything in it is lost.
    type: bool
    default: false
  force_recreate:
    description:
      - Delete and create the cluster in any case. Changes something at every run.
    type: bool
    default: false
  retain:
    description:
      - Keep the nodes of a failed creation, for a look at them. The next run deletes them.
    type: bool
    default: false
  export_logs:
    description:
      - Folder on the lab host for the nodes' logs (C(kind export logs)) when the creation fails.
    type: path
  start_command:
    description:
      - Command that starts a cluster which stands as wanted but whose API server does not answer, for instance after a reboot of the lab
        host. C({name}) stands for the cluster's name, C({nodes}) as a word of its own for the names of its nodes.
      - Without it such a cluster is only warned of.
    type: list
    elements: str
    default: []
  node_exec:
    description:
      - Words of a command that runs another command on a node, C({node}) stands for its name. With it, O(start_command) is also run when one of the
        nodes does not answer, for instance after that node alone was stopped.
    type: list
    elements: str
    default: []
  load_images:
    description:
      - Images of the lab host that the nodes get a copy of (C(kind load docker-image)), because no registry has them.
    type: list
    elements: str
    default: []
  load_archives:
    description:
      - Archives on the lab host, as C(docker save) writes them, that the nodes get (C(kind load image-archive)). Loaded again when the file differs.
    type: list
    elements: path
    default: []
  executable:
    description:
      - The command, as a name on the PATH or a path. A list puts further words before every call.
    type: list
    elements: str
    default: [kind]
  path:
    description:
      - Folders that are searched for O(executable) before the PATH.
    type: list
    elements: path
    default: []
  environment:
    description:
      - Environment variables for kind, for instance C(KIND_EXPERIMENTAL_DOCKER_NETWORK), whose value counts as part of the configuration.
    type: dict
    default: {}
  timeout:
    description:
      - Seconds that creation or deletion may take; kind and all its children are stopped then.
    type: float
    default: 900
  api_timeout:
    description:
      - Seconds to wait for the API server to answer from the lab host. That it does not is a warning, see RV(api_reachable).
        In check mode it is tried once.
    type: float
    default: 10
attributes:
  check_mode:
    description: Looks and decides, changes nothing. A missing executable then means that there is no cluster yet.
    support: full
  diff_mode:
    description: Shows nodes and configuration before and after.
    support: full
  idempotent:
    description: A second run with the same arguments changes nothing, unless O(force_recreate) is set.
    support: full
notes:
  - Two clusters need two folders for their kubeconfigs.
author:
  - The leafspine.calico authors (@leafspine)
"""

EXAMPLES = r"""
- name: Two nodes, the network left to Calico
  leafspine.calico.kind_cluster:
    name: clab-calico-bgp-rr
    kubeconfig: /var/lib/leafspine/calico-bgp-rr/kubeconfig
    config:
      kind: Cluster
      apiVersion: kind.x-k8s.io/v1alpha4
      networking: {disableDefaultCNI: true, podSubnet: 10.244.0.0/16}
      nodes:
        - role: control-plane
        - role: worker
    environment: {KIND_EXPERIMENTAL_DOCKER_NETWORK: kind-calico-bgp}

- name: From a template, built anew when the template has changed
  leafspine.calico.kind_cluster:
    name: clab-calico-bgp-rr
    kubeconfig: /var/lib/leafspine/calico-bgp-rr/kubeconfig
    config: "{{ lookup('ansible.builtin.template', 'kind.yml.j2') | from_yaml }}"
    image: kindest/node:v1.34.4
    recreate: true
    export_logs: /var/lib/leafspine/calico-bgp-rr/kind-logs

- name: Start the nodes again when the API server does not answer
  leafspine.calico.kind_cluster:
    name: clab-calico-bgp-rr
    kubeconfig: /var/lib/leafspine/calico-bgp-rr/kubeconfig
    config: "{{ wanted }}"
    start_command: [docker, start, "{nodes}"]

- name: Delete the cluster
  leafspine.calico.kind_cluster:
    name: clab-calico-bgp-rr
    kubeconfig: /var/lib/leafspine/calico-bgp-rr/kubeconfig
    state: absent
"""

RETURN = r"""
action:
  description: What was (or in check mode would be) done. One of V(none), V(create), V(recreate), V(start), V(kubeconfig), V(delete).
  returned: success
  type: str
  sample: create
reasons:
  description: Why it had to be done.
  returned: success
  type: list
  elements: str
  sample: ["node lab-worker2 is missing"]
loaded:
  description: Images and archives that nodes were given in this run.
  returned: success
  type: list
  elements: str
name:
  description: Name of the cluster.
  returned: success
  type: str
nodes:
  description: Names of the nodes, in the order of the configuration after a creation, else as kind lists them.
  returned: success
  type: list
  elements: str
  sample: [lab-control-plane, lab-worker]
kubeconfig:
  description: Path of the kubeconfig.
  returned: success
  type: str
server:
  description: Address of the API server in the kubeconfig; empty when the cluster is not built.
  returned: success
  type: str
  sample: "https://172.18.0.2:6443"
api_reachable:
  description: Whether something with a certificate of this cluster answers at RV(server), seen from the lab host.
  returned: success
  type: bool
api_error:
  description: Why not.
  returned: success
  type: str
reason:
  description:
    - What kind of failure it was. One of V(bad_arguments), V(bad_config), V(bad_name), V(bad_patch), V(config_differs), V(disk_full),
      V(archive_missing), V(executable_missing), V(foreign_kubeconfig), V(foreign_record), V(image_missing), V(image_not_local), V(inotify), V(name_taken),
      V(no_container_runtime), V(no_such_cluster), V(not_privileged), V(not_started), V(timeout), V(unknown), V(wrong_nodes).
  returned: failure
  type: str
hint:
  description: What to do about it; also part of the message.
  returned: failure
  type: str
differences:
  description: Where the cluster is not as wanted, a line each.
  returned: when an existing cluster was refused, or a new one has the wrong nodes
  type: list
  elements: str
  sample: ["networking.podSubnet: '10.244.0.0/16' -> '10.245.0.0/16'"]
leftover_nodes:
  description: Nodes that a failed creation has left behind.
  returned: when the creation failed
  type: list
  elements: str
logs:
  description: Folder with the nodes' logs; null when they could not be saved.
  returned: when the creation failed and O(export_logs) is set
  type: str
cmd:
  description: The call that failed.
  returned: when a call failed
  type: list
  elements: str
rc:
  description: Its exit code; null when it was stopped at its time limit.
  returned: when a call failed
  type: int
stdout:
  description: Its standard output.
  returned: when a call failed
  type: str
stderr:
  description: Its standard error, with kind's progress lines.
  returned: when a call failed
  type: str
"""

import json
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.leafspine.calico.plugins.module_utils.kind import BadConfig, Recipe, check_config, check_name
from ansible_collections.leafspine.calico.plugins.module_utils.kind_manager import NETWORK, Cluster, Settings
from ansible_collections.leafspine.calico.plugins.module_utils.tool import Failure, Tool
from ansible_collections.leafspine.calico.plugins.module_utils.yaml_text import to_yaml

ARGUMENTS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "name": {"type": "str", "required": True},
    "config": {"type": "raw"},
    "kubeconfig": {"type": "path", "required": True},
    "config_path": {"type": "path"},
    "image": {"type": "str", "default": ""},
    "wait": {"type": "str", "default": ""},
    "recreate": {"type": "bool", "default": False},
    "force_recreate": {"type": "bool", "default": False},
    "retain": {"type": "bool", "default": False},
    "export_logs": {"type": "path"},
    "start_command": {"type": "list", "elements": "str", "default": []},
    "node_exec": {"type": "list", "elements": "str", "default": []},
    "load_images": {"type": "list", "elements": "str", "default": []},
    "load_archives": {"type": "list", "elements": "path", "default": []},
    "executable": {"type": "list", "elements": "str", "default": ["kind"]},
    "path": {"type": "list", "elements": "path", "default": []},
    "environment": {"type": "dict", "default": {}},
    "timeout": {"type": "float", "default": 900},
    "api_timeout": {"type": "float", "default": 10},
}


def read_config(config: Any) -> Any:
    """The configuration as a value. Raises: BadConfig for text that cannot be read here."""
    if not isinstance(config, str):
        return config
    try:
        return json.loads(config)
    except ValueError:
        pass
    try:
        import yaml
    except ImportError:
        raise BadConfig("config is YAML text, and this Python has no PyYAML to read it: pass a dictionary, for instance a template with | from_yaml") from None
    try:
        return yaml.safe_load(config)
    except yaml.YAMLError as error:
        raise BadConfig(f"config is not valid YAML: {error}") from None


def settings(params: dict[str, Any], check_mode: bool) -> Settings:
    """The arguments beside the recipe. Raises: BadConfig for times and durations that cannot be."""
    for option in ("timeout", "api_timeout"):
        if params[option] < 0 or (option == "timeout" and not params[option]):
            raise BadConfig(f"{option} is {params[option]:g}, it must be more than 0 seconds")
    kubeconfig = os.path.abspath(params["kubeconfig"])
    folder = os.path.dirname(kubeconfig)
    return Settings(
        kubeconfig=kubeconfig,
        config_path=os.path.abspath(params["config_path"] or os.path.join(folder, "kind.yml")),
        record_path=os.path.join(folder, "kind.applied.json"),
        # A bare number means seconds, which kind itself would refuse.
        wait=f"{params['wait']}s" if params["wait"].isdigit() else params["wait"],
        retain=params["retain"],
        recreate=params["recreate"],
        force=params["force_recreate"],
        export_logs=params["export_logs"],
        start_command=params["start_command"],
        node_exec=params["node_exec"],
        load_images=params["load_images"],
        load_archives=params["load_archives"],
        api_timeout=params["api_timeout"],
        check_mode=check_mode,
    )


def run(module: AnsibleModule) -> dict[str, Any]:
    """Do what the arguments say. Raises: Failure, BadConfig."""
    params = module.params
    check_name(params["name"])
    environment = {key: str(value) for key, value in params["environment"].items()}
    # A creation that is stopped has to take its nodes away before it ends.
    tool = Tool(params["executable"], path=params["path"], environment=environment, timeout=params["timeout"], grace=20)
    cluster = Cluster(tool, params["name"], settings(params, module.check_mode))
    if params["state"] == "absent":
        return cluster.absent()
    if params["config"] is None:
        raise BadConfig("state=present needs config, the kind configuration")
    config = check_config(read_config(params["config"]), params["name"])
    recipe = Recipe(params["name"], config, params["image"], environment.get(NETWORK, ""))
    return cluster.present(recipe, params["config"] if isinstance(params["config"], str) else to_yaml(config))


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = run(module)
    except BadConfig as error:
        module.fail_json(msg=str(error), reason="bad_arguments", hint="")
    except Failure as failure:
        module.fail_json(**failure.as_result())
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'the lab host'}: {error.strerror}", reason="unknown", hint="")
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
