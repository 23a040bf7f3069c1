#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: calicoctl
short_description: Keep Calico resources as they should be, with calicoctl
version_added: 0.1.0
description:
  - Creates, updates, patches, deletes and reads C(projectcalico.org/v3) resources (BGPConfiguration, BGPPeer, IPPool, Node, ...) through
    the command C(calicoctl) on the lab host.
  - Whether something has changed is found by reading the live resources and comparing, since C(calicoctl apply) itself never tells.
    Values that the datastore spells differently or fills in by itself (AS numbers, durations, IPPool defaults, status, resource
    versions) count as equal.
  - Live resources are read with one C(get) per kind. All resources that differ are written with a single C(apply).
  - Needs nothing but Python on the lab host.
options:
  state:
    description:
      - V(present) makes the resources exist with the given values. A live resource keeps what the task does not mention, see O(replace).
      - V(absent) deletes the resources.
      - V(patched) merges O(patch) into resources that must exist already.
      - V(query) reads resources and changes nothing.
    type: str
    choices: [present, absent, patched, query]
    default: present
  resources:
    description:
      - The resources. With O(state=present) each is a complete C(projectcalico.org/v3) resource (C(kind), C(metadata.name), C(spec));
        C(apiVersion) may be left out. Metadata that only the datastore writes (C(uid), C(resourceVersion), C(creationTimestamp))
        is ignored, so the output of C(calicoctl get -o yaml) can be pasted.
      - With O(state=absent) and O(state=query) C(kind) and C(name) (or C(metadata.name)) of each, and C(namespace) where a kind has one;
        anything else in them is ignored. In a query C(name) may be left out, which reads all of the kind.
      - With O(state=patched) C(kind), C(name) and C(patch) of each.
      - A null value removes the key from the live resource. Lists are replaced as a whole.
    type: list
    elements: dict
  kind:
    description:
      - Kind of a single resource, instead of O(resources). Singular, plural and calicoctl's short forms are understood in any case.
    type: str
  name:
    description:
      - Name of the single resource of O(kind). Left out in a query, all resources of the kind are read.
    type: str
  namespace:
    description:
      - Namespace of the single resource of O(kind), for the few kinds that have one. Names in V(default) when left out.
    type: str
  patch:
    description:
      - What to merge into the single resource of O(kind), with O(state=patched).
    type: dict
  replace:
    description:
      - With O(state=present), make the resource exactly as given, as C(calicoctl apply) does by itself; everything that the task does not
        mention is dropped, for instance C(serviceClusterIPs) that somebody patched into a BGPConfiguration.
      - What Kubernetes owns of a Node is never touched.
    type: bool
    default: false
  executable:
    description:
      - The command, as a name on the PATH or a path. A list puts further words before every call, for instance to run it elsewhere.
    type: list
    elements: str
    default: [calicoctl]
  path:
    description:
      - Folders that are searched for O(executable) before the PATH.
    type: list
    elements: path
    default: []
  kubeconfig:
    description:
      - The kubeconfig for the Kubernetes datastore. Left out, calicoctl uses the environment's E(KUBECONFIG).
    type: path
  datastore_type:
    description:
      - Where Calico keeps its resources. The Node resources of V(kubernetes) come from Kubernetes and cannot be created or deleted here.
    type: str
    choices: [kubernetes, etcdv3]
    default: kubernetes
  datastore_exists:
    description:
      - Set this to V(false) in check mode while the cluster is not built yet. Every resource then counts as absent, the module reports
        what it would create and asks no datastore.
      - With O(state=absent) and O(state=query) V(false) means that there is nothing, outside check mode as well.
      - Writing with V(false) is refused.
    type: bool
    default: true
  validate:
    description:
      - In check mode, let C(calicoctl validate) judge the resources that would be written; it needs no datastore.
        Skipped when the executable is missing or too old to know it, see RV(validated).
    type: bool
    default: true
  allow_version_mismatch:
    description:
      - Work even though calicoctl and the cluster's Calico have different versions.
    type: bool
    default: false
  timeout:
    description:
      - Seconds that a single call of calicoctl may take. calicoctl has no limit of its own and waits for ever for an etcd that does not
        answer; it is killed with all its children.
    type: float
    default: 60
  environment:
    description:
      - Environment variables for calicoctl, for instance C(ETCD_ENDPOINTS).
    type: dict
    default: {}
attributes:
  check_mode:
    description: Reads and compares, writes nothing. See O(validate) and O(datastore_exists).
    support: full
  diff_mode:
    description: Shows each resource before and after as YAML, without what the datastore changes by itself; values of secrets are masked.
    support: full
  idempotent:
    description: A second run with the same arguments changes nothing.
    support: full
notes:
  - An update that meets a change by somebody else (C(update conflict)) is read, compared and tried once more.
  - calicoctl applies what it can and keeps it when a part fails. The failure then tells what has been applied and what has not; this is
    asked of the datastore afterwards, since calicoctl only gives a number.
  - Labels of a Node that come from Kubernetes cannot be changed here; wanting another value is an error.
author:
  - The leafspine.calico authors (@leafspine)
"""

EXAMPLES = r"""
- name: No mesh, and the leaf of rack0 as peer of its nodes
  leafspine.calico.calicoctl:
    kubeconfig: /var/lib/leafspine/calico-bgp-rr/kubeconfig
    resources:
      - kind: BGPConfiguration
        metadata: {name: default}
        spec: {logSeverityScreen: Info, nodeToNodeMeshEnabled: false}
      - kind: Node
        metadata: {name: clab-calico-bgp-rr-worker}
        spec: {bgp: {asNumber: 65005, ipv4Address: 10.1.5.11/24}}
      - kind: BGPPeer
        metadata: {name: rack0-to-leaf0}
        spec: {peerIP: 10.1.5.1, asNumber: 65005, nodeSelector: rack == 'rack0'}

- name: Announce the service range
  leafspine.calico.calicoctl:
    kubeconfig: /var/lib/leafspine/calico-bgp-rr/kubeconfig
    state: patched
    kind: BGPConfiguration
    name: default
    patch: {spec: {serviceClusterIPs: [{cidr: 10.96.0.0/16}]}}

- name: Stop announcing it
  leafspine.calico.calicoctl:
    kubeconfig: /var/lib/leafspine/calico-bgp-rr/kubeconfig
    state: patched
    kind: BGPConfiguration
    name: default
    patch: {spec: {serviceClusterIPs: null}}

- name: Read all peers
  leafspine.calico.calicoctl:
    kubeconfig: /var/lib/leafspine/calico-bgp-rr/kubeconfig
    state: query
    kind: BGPPeer
  register: peers

- name: Remove a peer
  leafspine.calico.calicoctl:
    kubeconfig: /var/lib/leafspine/calico-bgp-rr/kubeconfig
    state: absent
    kind: BGPPeer
    name: rack0-to-leaf0

- name: See in check mode what a cluster that is not built yet would get
  leafspine.calico.calicoctl:
    resources: "{{ wanted }}"
    datastore_exists: false
  check_mode: true

- name: With etcd as datastore
  leafspine.calico.calicoctl:
    datastore_type: etcdv3
    environment: {ETCD_ENDPOINTS: "http://127.0.0.1:2379"}
    resources: "{{ wanted }}"
"""

RETURN = r"""
created:
  description: Resources that were (or in check mode would be) created, as C(Kind(name)).
  returned: success, unless O(state=query)
  type: list
  elements: str
  sample: ["BGPPeer(rack0-to-leaf0)"]
updated:
  description: Resources that were updated.
  returned: success, unless O(state=query)
  type: list
  elements: str
deleted:
  description: Resources that were deleted.
  returned: success, unless O(state=query)
  type: list
  elements: str
unchanged:
  description: Resources that were as wanted already.
  returned: success, unless O(state=query)
  type: list
  elements: str
resources:
  description:
    - With O(state=query) the resources that were found; a name that does not exist is not an error, the list is then shorter.
    - Otherwise the named resources as they are afterwards; for those that changed, as they were written.
  returned: success
  type: list
  elements: dict
retried:
  description: Whether an update conflict made a second try necessary.
  returned: success, unless O(state=query)
  type: bool
validated:
  description: Whether calicoctl has validated what would be written.
  returned: in check mode, when something would change
  type: bool
reason:
  description:
    - What kind of failure it was. One of V(already_exists), V(bad_as_number), V(bad_call), V(bad_document), V(bad_output), V(bad_patch),
      V(bad_resource), V(client_failed), V(crds_missing), V(datastore_unreachable), V(executable_missing), V(forbidden),
      V(invalid_resource), V(kubeconfig_missing), V(mesh_not_default), V(no_datastore), V(no_input), V(node_missing), V(not_found),
      V(not_supported), V(not_trusted), V(timeout), V(unknown), V(unknown_field), V(unknown_kind), V(update_conflict),
      V(version_mismatch).
  returned: failure
  type: str
  sample: update_conflict
hint:
  description: What to do about it; also part of the message.
  returned: failure
  type: str
applied:
  description: Resources that are as wanted although the call failed.
  returned: when a write failed, or the arguments were refused
  type: list
  elements: str
not_applied:
  description: Resources that are not as wanted.
  returned: when a write failed, or the arguments were refused
  type: list
  elements: str
unknown:
  description: Resources of which nobody can tell, because the datastore does not answer any more.
  returned: when a write failed, or the arguments were refused
  type: list
  elements: str
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
  description: Its standard error.
  returned: when a call failed
  type: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.leafspine.calico.plugins.module_utils.calicoctl_client import Calicoctl
from ansible_collections.leafspine.calico.plugins.module_utils.calicoctl_manager import Manager
from ansible_collections.leafspine.calico.plugins.module_utils.tool import Failure, Tool

ARGUMENTS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent", "patched", "query"], "default": "present"},
    "resources": {"type": "list", "elements": "dict"},
    "kind": {"type": "str"},
    "name": {"type": "str"},
    "namespace": {"type": "str"},
    "patch": {"type": "dict"},
    "replace": {"type": "bool", "default": False},
    "executable": {"type": "list", "elements": "str", "default": ["calicoctl"]},
    "path": {"type": "list", "elements": "path", "default": []},
    "kubeconfig": {"type": "path"},
    "datastore_type": {"type": "str", "choices": ["kubernetes", "etcdv3"], "default": "kubernetes"},
    "datastore_exists": {"type": "bool", "default": True},
    "validate": {"type": "bool", "default": True},
    "allow_version_mismatch": {"type": "bool", "default": False},
    "timeout": {"type": "float", "default": 60},
    "environment": {"type": "dict", "default": {}},
}


def entries(params: dict[str, Any]) -> list[Any]:
    """The option resources, or the single one of kind, name, namespace and patch.

    Raises: Failure when the options do not go together.
    """
    single = {key: params[key] for key in ("kind", "name", "namespace", "patch") if params[key] is not None}
    if params["resources"] is not None:
        if single:
            raise Failure(f"resources and {', '.join(single)} exclude each other: give a list, or one resource", reason="bad_resource")
        return list(params["resources"])
    if params["state"] == "present":
        raise Failure("state=present needs resources, a list of complete resources", reason="bad_resource")
    if "kind" not in single:
        raise Failure(f"state={params['state']} needs resources or kind", reason="bad_resource")
    if "patch" in single and params["state"] != "patched":
        raise Failure(f"patch goes with state=patched, not with state={params['state']}", reason="bad_resource")
    return [single]


def calicoctl(params: dict[str, Any]) -> Calicoctl:
    """The client for these arguments. Raises: Failure for a time limit or a kubeconfig that cannot work."""
    if params["timeout"] <= 0:
        raise Failure(f"timeout is {params['timeout']:g}, it must be more than 0 seconds", reason="bad_resource")
    environment = {key: str(value) for key, value in params["environment"].items()}
    environment["DATASTORE_TYPE"] = params["datastore_type"]
    if params["kubeconfig"]:
        environment["KUBECONFIG"] = params["kubeconfig"]
        if params["datastore_exists"] and params["datastore_type"] == "kubernetes" and not os.path.isfile(params["kubeconfig"]):
            raise Failure(
                f"kubeconfig {params['kubeconfig']} does not exist on the lab host",
                reason="kubeconfig_missing",
                hint="Is the cluster built? In check mode on a host where it is not, set datastore_exists=false.",
            )
    tool = Tool(params["executable"], path=params["path"], environment=environment, timeout=params["timeout"])
    return Calicoctl(tool, allow_version_mismatch=params["allow_version_mismatch"])


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    try:
        wanted = entries(params)
        manager = Manager(
            calicoctl(params),
            kubernetes=params["datastore_type"] == "kubernetes",
            replace=params["replace"],
            datastore_exists=params["datastore_exists"],
            check_mode=module.check_mode,
            validate=params["validate"],
        )
        result = manager.run(params["state"], wanted)
    except Failure as failure:
        module.fail_json(**failure.as_result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
