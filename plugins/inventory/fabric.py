# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Inventory of a fabric: hosts, groups and the complete intent from one file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fabric
short_description: Racks, leaves, spines and servers from one file, with the complete intent
version_added: 0.1.0
author:
  - The leafspine.calico authors (@leafspine)
description:
  - Reads a fabric file, whose name ends in C(fabric.yml) or C(fabric.yaml), and computes everything that follows from it,
    addresses, AS numbers, interfaces, links and BGP sessions, as variables of its hosts.
  - A file with mistakes is refused as a whole. The error lists every mistake with its place, the value found and what is allowed.
  - Runs on the controller only and connects to nothing.
  - What is not given is chosen from a device's own name, C(leaf7) uses slot 7 of a range, so that a device that is added or
    removed moves no other. Devices without a number in their name take free slots in the order of the file.
notes:
  - Groups are C(lab_hosts) (the lab host), C(routers) with the children C(spines) and C(leaves), C(servers), and
    C(rack_<name>) with a rack's leaves and servers.
  - "Variable C(fabric), on all hosts, is a mapping of C(lab_name), C(lab_host), C(mtu);
    C(cluster) (name, pod_subnet, service_subnet, node_network, naming, node_names, control_plane_names);
    C(management) (subnet, gateway, prefix_length, bridge, network);
    C(racks) (name, asn, subnet, gateway, leaves, servers, nodes); C(bridges) (name, rack, leaf, mtu);
    C(routers) and C(servers), as below, servers in the order in which kind numbers its nodes;
    C(links) (a, b, subnet, mtu, kind V(uplink), V(rack) or V(server); an end has device, node, interface and address or null,
    a server's end also clab_node; node is the end's name in a containerlab topology);
    C(bgp_peers) (name, peer_ip, asn, rack, leaf, selector); C(autonomous_systems) (asn, rack or null, routers, servers);
    C(calico) (nat_outgoing)."
  - "Variable C(router), on each router, is a mapping of C(name), C(role) (V(leaf) or V(spine)), C(rack) (null for a spine),
    C(asn), C(router_id), C(container); C(management) (interface, address, prefix_length);
    C(interfaces) (name, address with prefix length, mtu, kind V(uplink), V(downlink) or V(rack), description,
    peer with device and interface), by port number; C(networks), the prefixes to announce;
    C(neighbors) (address, asn, type V(ebgp) or V(ibgp), device, peer_interface, interface, session, route_reflector_client,
    nexthop_self, bfd, md5, timers with keepalive, holdtime and connect in seconds or null, filtered); C(multipath_relax),
    C(layer4_hashing); C(bfd) (profile, interval in milliseconds, multiplier) or null; C(import_filter) (name, accepted with prefix, ge
    and le, maximum_prefix) or null;
    C(nat) (rule, source, interface), empty for a spine. Routers also have C(ansible_host), the management address."
  - "Variable C(server), on each server, is a mapping of C(name), C(node), C(role) (V(control-plane) or V(worker)), C(rack),
    C(asn), C(address), C(prefix_length), C(gateway), C(leaf), C(bridge), C(bridge_port), C(interface), C(mtu), C(clab_node) and
    C(labels)."
requirements:
  - jsonschema (Python package, on the controller)
options:
  plugin:
    description: Names this plugin.
    required: true
    type: str
    choices: [leafspine.calico.fabric]
  lab_name:
    description: Names everything on the lab host, the management bridge too; a label of at most 15 characters.
    required: true
    type: str
  lab_host:
    description: Inventory name of the lab host.
    type: str
    default: labhost
  cluster:
    description:
      - The Kubernetes cluster, a mapping of C(name) (default C(clab-<lab_name>)), C(pod_subnet) (default 10.244.0.0/16),
        C(service_subnet) (default 10.96.0.0/16), C(node_network) (the network of the nodes' own eth0, only kept free of
        overlaps, default 172.18.0.0/16), C(naming) (V(kind), the default, puts the cluster's name before the servers' names,
        which are C(control-plane), C(control-plane2), C(worker), C(worker2) and so on; V(verbatim) takes the servers' names
        as node names), C(control_planes) (with V(verbatim), the servers that are control planes).
    type: dict
    default: {}
  management_subnet:
    description: Prefix of the management bridge. The lab host has its first address, spines are in the lower half, leaves in the upper.
    type: str
    default: 172.20.20.0/24
  link_pool:
    description: Links without a prefix of their own are drawn from it, one block of 16 links a leaf.
    type: str
    default: 10.255.0.0/16
  link_prefix_length:
    description: Length of the prefixes drawn from O(link_pool).
    type: int
    choices: [30, 31]
    default: 31
  mtu:
    description: MTU of every link, bridge and fabric interface, 1280 to 9216.
    type: int
    default: 1500
  bridge_prefix:
    description: What a rack's bridge is called before the leaf's name.
    type: str
    default: br-
  bgp:
    description:
      - BGP sessions. C(timers), of those between leaves and spines, has C(keepalive) (default 3), C(holdtime) (default 9) and C(connect)
        (default 5) in seconds. C(bfd) has C(enabled) (default V(true)), C(interval) in milliseconds (default 50), C(multiplier) (default 3).
      - C(md5) (default V(true)) says whether leaves and spines authenticate each other. Passwords are variables of the roles, never in
        this file.
      - C(import_filter) is what leaves believe their nodes. It has C(enabled) (default V(true)), C(service_ranges) (prefixes of external
        and load balancer addresses that are accepted beside pod blocks and the service prefix) and C(maximum_prefix) (default 1000).
    type: dict
    default: {}
  ecmp:
    description: How routers spread flows over equal paths. C(layer4) (default V(true)) hashes ports as well as addresses.
    type: dict
    default: {}
  nat:
    description:
      - What leaves masquerade out of their management interface. C(source) is a prefix that holds every rack; without it each
        leaf masquerades its own rack. C(rule) is the number of the NAT rule (default 100).
    type: dict
    default: {}
  calico:
    description: Calico's own settings. C(nat_outgoing) (default V(true)) is the IP pool's natOutgoing.
    type: dict
    default: {}
  spines:
    description:
      - Spines by name, each a mapping of C(asn), optionally C(management) (address) and C(leaf_port) (number of the port that
        every leaf uses towards it). Give C(leaf_port) to a spine that is added later, otherwise the leaves' rack ports move.
    type: dict
    required: true
  racks:
    description:
      - Racks by name, each a mapping of C(asn), C(subnet), C(leaves), C(servers) and optionally C(uplinks).
      - C(leaves) is a list of one leaf, a name or a mapping of C(name), C(management) and C(spine_port) (number of the port that
        every spine uses towards it, by default one more than the number in its name).
      - C(servers) are addresses by name.
      - C(uplinks) has for each leaf the links' prefixes by spine, whose first address is the leaf's and second the spine's.
        Every leaf has a link to every spine; one that is left out is drawn from O(link_pool), V(false) means no link.
    type: dict
    required: true
"""

EXAMPLES = r"""
# The reference lab: fabric.yml
plugin: leafspine.calico.fabric
lab_name: calico-bgp-rr
nat: {source: 10.1.0.0/16}
spines:
  spine0: {asn: 500}
  spine1: {asn: 800}
racks:
  rack0:
    asn: 65005
    subnet: 10.1.5.0/24
    leaves: [leaf0]
    servers: {control-plane: 10.1.5.10, worker: 10.1.5.11}
    uplinks: {leaf0: {spine0: 10.1.10.0/24, spine1: 10.1.12.0/24}}
  rack1:
    asn: 65008
    subnet: 10.1.8.0/24
    leaves: [leaf1]
    servers: {worker2: 10.1.8.10, worker3: 10.1.8.11}
    uplinks: {leaf1: {spine0: 10.1.34.0/24, spine1: 10.1.11.0/24}}
"""

from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible_collections.leafspine.calico.plugins.module_utils.fabric_names import GROUPS, group_name
from ansible_collections.leafspine.calico.plugins.module_utils.intent import Intent, load

FILE_NAMES = ("fabric.yml", "fabric.yaml")


class InventoryModule(BaseInventoryPlugin):
    """Adapter between Ansible's inventory and the intent, which module_utils.intent computes."""

    NAME = "leafspine.calico.fabric"
    # Every text of an intent is a checked name or address, or was put together from them: none can hold a template.
    trusted_by_default = True

    def verify_file(self, path: str) -> bool:
        """Whether the file is a fabric file, by its name."""
        return super().verify_file(path) and path.endswith(FILE_NAMES)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill the inventory from a fabric file; AnsibleParserError lists every problem of the file."""
        super().parse(inventory, loader, path, cache)
        intent, problems = load(content(loader, path))
        if intent is None:
            raise AnsibleParserError(refusal(path, [str(problem) for problem in problems]))
        populate(inventory, intent)


def content(loader: Any, path: str) -> str:
    """The text of a file, decrypted if it is a vault; bytes that are no UTF-8 become surrogates, which ``load`` refuses."""
    if hasattr(loader, "get_text_file_contents"):  # ansible-core 2.19 and later
        return str(loader.get_text_file_contents(path))
    return str(loader._get_file_contents(path)[0].decode(errors="surrogateescape"))


def refusal(path: str, problems: list[str]) -> str:
    """The error text for a file with problems."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n".join([f"{path} has {count}:", *(f"  {problem}" for problem in problems)])


def populate(inventory: Any, intent: Intent) -> None:
    """Put an intent's hosts, groups and variables into an inventory."""
    for group in GROUPS:
        inventory.add_group(group)
    for child in ("spines", "leaves"):
        inventory.add_child("routers", child)
    inventory.add_host(intent["lab_host"], group="lab_hosts")
    for rack in intent["racks"]:
        inventory.add_group(group_name(rack["name"]))
    for router in intent["routers"]:
        inventory.add_host(router["name"], group="spines" if router["role"] == "spine" else "leaves")
        inventory.set_variable(router["name"], "router", router)
        inventory.set_variable(router["name"], "ansible_host", router["management"]["address"])
        if router["rack"] is not None:
            inventory.add_host(router["name"], group=group_name(router["rack"]))
    for server in intent["servers"]:
        inventory.add_host(server["name"], group="servers")
        inventory.add_host(server["name"], group=group_name(server["rack"]))
        inventory.set_variable(server["name"], "server", server)
    inventory.set_variable("all", "fabric", intent)
