"""Fabric documents that are refused, each with every problem and no other, word by word."""

from __future__ import annotations

from typing import Any

import fabric_documents as documents
import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.intent import from_document
from fabric_documents import changed

KEYS = "bgp, bridge_prefix, calico, cluster, ecmp, lab_host, lab_name, link_pool, link_prefix_length, management_subnet, mtu, nat, plugin, racks, spines"
TAKEN = "all, lab_hosts, leaves, localhost, routers, servers, spines, ungrouped"
KIND_NAMES = "control-plane, control-plane2, ..., worker, worker2, ..."

REFUSED = [
    pytest.param(
        changed(("colour", "red")),
        [f"colour: unknown key; allowed: {KEYS}"],
        id="unknown key",
    ),
    pytest.param(
        changed(("spine", {})),
        [f"spine: unknown key; allowed: {KEYS} (did you mean spines?)"],
        id="unknown key near",
    ),
    pytest.param(
        changed(("racks/rack0/servrs", {})),
        ["racks.rack0.servrs: unknown key; allowed: asn, leaves, servers, subnet, uplinks (did you mean servers?)"],
        id="unknown rack key",
    ),
    pytest.param(changed(("spines/spine0/rack", "r")), ["spines.spine0.rack: unknown key; allowed: asn, leaf_port, management"], id="unknown spine key"),
    pytest.param(
        changed(("racks/rack0/leaves/0", {"name": "leaf0", "asn": 1})),
        ["racks.rack0.leaves[0].asn: unknown key; allowed: management, name, spine_port"],
        id="unknown leaf key",
    ),
    pytest.param(
        {},
        [
            "plugin: missing; needed: names the inventory plugin that reads the file",
            "lab_name: missing; needed: names everything on the lab host, the management bridge too: a label of at most 15 characters",
            "spines: missing; needed: spines by name",
            "racks: missing; needed: racks by name; the name is also the node label 'rack'",
        ],
        id="missing all",
    ),
    pytest.param(
        changed(remove=("lab_name",)),
        ["lab_name: missing; needed: names everything on the lab host, the management bridge too: a label of at most 15 characters"],
        id="missing lab",
    ),
    pytest.param(
        changed(("racks/rack2", {})),
        [
            "racks.rack2.asn: missing; needed: the autonomous system of the rack's leaf and nodes",
            "racks.rack2.subnet: missing; needed: prefix of the rack; the leaf has its first address",
            "racks.rack2.leaves: missing; needed: the rack's leaves; one leaf a rack for now",
            "racks.rack2.servers: missing; needed: addresses of the servers by name",
        ],
        id="missing rack parts",
    ),
    pytest.param(changed(("racks/rack0/leaves/0", {})), ["racks.rack0.leaves[0].name: missing; needed: the leaf's name"], id="leaf without a name"),
    pytest.param(changed(("racks", [1, 2])), ["racks: found a list; allowed: a mapping"], id="racks list"),
    pytest.param(changed(("racks", None)), ["racks: found nothing; allowed: a mapping"], id="racks none"),
    pytest.param(changed(("spines", {})), ["spines: empty; allowed: at least one"], id="spines empty"),
    pytest.param(changed(("racks", {})), ["racks: empty; allowed: at least one"], id="racks empty"),
    pytest.param(changed(("racks/rack0", "x")), ["racks.rack0: found text 'x'; allowed: a mapping"], id="rack is text"),
    pytest.param(changed(("spines/spine0", None)), ["spines.spine0: found nothing; allowed: a mapping"], id="spine none"),
    pytest.param(changed(("racks/rack0/leaves", [])), ["racks.rack0.leaves: empty; allowed: at least one"], id="leaves empty"),
    pytest.param(changed(("racks/rack0/leaves", [None])), ["racks.rack0.leaves[0]: found nothing; allowed: a name or a mapping"], id="leaves none item"),
    pytest.param(
        changed(("racks/rack0/leaves", ["leaf0", "leaf2"])), ["racks.rack0.leaves: 2 leaves (leaf0, leaf2); allowed: one leaf a rack for now"], id="two leaves"
    ),
    pytest.param(
        changed(("racks/rack0/servers/worker", 10)), ["racks.rack0.servers.worker: found 10; allowed: an address such as 10.1.5.10"], id="server addr number"
    ),
    pytest.param(changed(("mtu", "big")), ["mtu: found text 'big'; allowed: a whole number"], id="mtu text"),
    pytest.param(changed(("mtu", 1500.0)), ["mtu: found 1500.0; allowed: a whole number"], id="mtu float"),
    pytest.param(changed(("mtu", True)), ["mtu: found true; allowed: a whole number"], id="mtu bool"),
    pytest.param(changed(("mtu", 100)), ["mtu: 100 is out of range; allowed: 1280 - 9216"], id="mtu small"),
    pytest.param(changed(("mtu", float("inf"))), ["mtu: found inf; allowed: a whole number"], id="mtu inf"),
    pytest.param(changed(("mtu", 10**5000)), ["mtu: a number far beyond any that a fabric has; allowed: whole numbers of at most 10 digits"], id="mtu huge"),
    pytest.param(
        changed(("spines/spine0/asn", 0)),
        ["spines.spine0.asn: 0 is a reserved AS number (RFC 7607); allowed: 1 - 4294967294 without 23456 and 65535"],
        id="AS number: 0",
    ),
    pytest.param(
        changed(("spines/spine0/asn", 23456)),
        ["spines.spine0.asn: 23456 is a reserved AS number (AS_TRANS, RFC 6793); allowed: 1 - 4294967294 without 23456 and 65535"],
        id="AS number: trans",
    ),
    pytest.param(
        changed(("racks/rack0/asn", 65535)),
        ["racks.rack0.asn: 65535 is a reserved AS number (RFC 7300); allowed: 1 - 4294967294 without 23456 and 65535"],
        id="AS number: 65535",
    ),
    pytest.param(
        changed(("racks/rack0/asn", 4294967295)),
        ["racks.rack0.asn: 4294967295 is a reserved AS number (RFC 7300); allowed: 1 - 4294967294 without 23456 and 65535"],
        id="AS number: max",
    ),
    pytest.param(
        changed(("racks/rack0/asn", 4294967296)),
        ["racks.rack0.asn: 4294967296 is not an AS number; allowed: 1 - 4294967294 without 23456 and 65535"],
        id="AS number: over",
    ),
    pytest.param(
        changed(("racks/rack0/asn", -5)), ["racks.rack0.asn: -5 is not an AS number; allowed: 1 - 4294967294 without 23456 and 65535"], id="AS number: neg"
    ),
    pytest.param(changed(("racks/rack0/asn", "65005")), ["racks.rack0.asn: found text '65005'; allowed: a whole number"], id="AS number: text"),
    pytest.param(changed(("racks/rack0/asn", True)), ["racks.rack0.asn: found true; allowed: a whole number"], id="AS number: bool"),
    pytest.param(changed(("racks/rack0/asn", None)), ["racks.rack0.asn: found nothing; allowed: a whole number"], id="AS number: none"),
    pytest.param(
        changed(("racks/rack0/asn", 500)),
        ["racks.rack0.asn: 500 is also the AS of spine0; allowed: a leaf and a spine are in different systems"],
        id="AS number: leaf=spine",
    ),
    pytest.param(
        changed(("racks/rack1/asn", 65005)),
        ["racks.rack1.asn: 65005 is also the AS of rack0; allowed: an AS of its own, leaves drop routes that carry theirs"],
        id="AS number: two racks",
    ),
    pytest.param(
        changed(("racks/rack0/subnet", "10.1.5.1/24")),
        ["racks.rack0.subnet: 10.1.5.1/24 has host bits set; allowed: the network address, 10.1.5.0/24"],
        id="subnet host bits",
    ),
    pytest.param(
        changed(("racks/rack0/subnet", "2001:db8::/64")),
        ["racks.rack0.subnet: '2001:db8::/64' is not an IPv4 prefix; IPv6 is not supported; allowed: a prefix such as 10.1.5.0/24"],
        id="subnet v6",
    ),
    pytest.param(
        changed(("racks/rack0/subnet", "10.1.5.0")),
        ["racks.rack0.subnet: '10.1.5.0' is not an IPv4 prefix; allowed: a prefix such as 10.1.5.0/24"],
        id="subnet no len",
    ),
    pytest.param(
        changed(("racks/rack0/subnet", "10.1.5.0/255.255.255.0")),
        ["racks.rack0.subnet: '10.1.5.0/255.255.255.0' is not an IPv4 prefix; allowed: a prefix such as 10.1.5.0/24"],
        id="subnet mask",
    ),
    pytest.param(
        changed(("racks/rack0/subnet", "10.1.5.0/33")),
        ["racks.rack0.subnet: '10.1.5.0/33' is not an IPv4 prefix; allowed: a prefix such as 10.1.5.0/24"],
        id="subnet /33",
    ),
    pytest.param(
        changed(("racks/rack0/subnet", "１0.1.5.0/24")),
        ["racks.rack0.subnet: '１0.1.5.0/24' is not an IPv4 prefix; allowed: a prefix such as 10.1.5.0/24"],
        id="subnet unicode",
    ),
    pytest.param(
        changed(("racks/rack0/subnet", "010.1.5.0/24")),
        ["racks.rack0.subnet: '010.1.5.0/24' is not an IPv4 prefix; allowed: a prefix such as 10.1.5.0/24"],
        id="subnet leading zero",
    ),
    pytest.param(
        changed(("racks/rack0/subnet", "10.1.5.0/24\n")),
        ["racks.rack0.subnet: '10.1.5.0/24\\n' is not an IPv4 prefix; allowed: a prefix such as 10.1.5.0/24"],
        id="subnet newline",
    ),
    pytest.param(
        changed(("racks/rack0/subnet", "10.1.5.10/31"), ("racks/rack0/servers", {"control-plane": "10.1.5.11"}), ("racks/rack1/servers", {})),
        ["racks.rack0.subnet: 10.1.5.10/31 has no room for a leaf and its servers; allowed: /8 - /30"],
        id="subnet /31",
    ),
    pytest.param(
        changed(("racks/rack0/subnet", "127.0.0.0/24")),
        ["racks.rack0.subnet: 127.0.0.0/24 lies in 127.0.0.0/8 (loopback); allowed: ordinary unicast addresses"],
        id="subnet loop",
    ),
    pytest.param(
        changed(("racks/rack0/subnet", "224.1.0.0/24")),
        ["racks.rack0.subnet: 224.1.0.0/24 lies in 224.0.0.0/4 (multicast); allowed: ordinary unicast addresses"],
        id="subnet mc",
    ),
    pytest.param(
        changed(("link_pool", "169.254.0.0/16")),
        ["link_pool: 169.254.0.0/16 lies in 169.254.0.0/16 (link-local); allowed: ordinary unicast addresses"],
        id="subnet ll",
    ),
    pytest.param(
        changed(("cluster/pod_subnet", "0.0.0.0/0")),
        ["cluster.pod_subnet: 0.0.0.0/0 lies in 0.0.0.0/8 ('this network'); allowed: ordinary unicast addresses"],
        id="subnet 0",
    ),
    pytest.param(
        changed(("management_subnet", "250.0.0.0/24")),
        ["management_subnet: 250.0.0.0/24 lies in 240.0.0.0/4 (reserved for future use); allowed: ordinary unicast addresses"],
        id="class E",
    ),
    pytest.param(
        changed(("racks/rack0/servers/worker", "10.1.9.11")),
        ["racks.rack0.servers.worker: 10.1.9.11 is outside the rack's subnet 10.1.5.0/24; allowed: 10.1.5.2 - 10.1.5.254"],
        id="server outside",
    ),
    pytest.param(
        changed(("racks/rack0/servers/worker", "10.1.5.1")),
        ["racks.rack0.servers.worker: 10.1.5.1 is the address of the rack's leaf (the gateway); allowed: 10.1.5.2 - 10.1.5.254"],
        id="server gw",
    ),
    pytest.param(
        changed(("racks/rack0/servers/worker", "10.1.5.0")),
        ["racks.rack0.servers.worker: 10.1.5.0 is the network address of the rack; allowed: 10.1.5.2 - 10.1.5.254"],
        id="server net",
    ),
    pytest.param(
        changed(("racks/rack0/servers/worker", "10.1.5.255")),
        ["racks.rack0.servers.worker: 10.1.5.255 is the broadcast address of the rack; allowed: 10.1.5.2 - 10.1.5.254"],
        id="server bc",
    ),
    pytest.param(
        changed(("racks/rack0/servers/worker", "10.1.5.10")),
        ["racks.rack0.servers.worker: 10.1.5.10 is also the address of racks.rack0.servers.control-plane; allowed: an address of its own"],
        id="server dup",
    ),
    pytest.param(
        changed(("racks/rack0/servers/worker", None)), ["racks.rack0.servers.worker: found nothing; allowed: an address such as 10.1.5.10"], id="server none"
    ),
    pytest.param(
        changed(("racks/rack0/servers/worker", "10.1.5.300")),
        ["racks.rack0.servers.worker: '10.1.5.300' is not an IPv4 address; allowed: an address such as 10.1.5.10"],
        id="server bad",
    ),
    pytest.param(
        changed(("racks/rack0/servers/worker", "10.1.5.11/24")),
        ["racks.rack0.servers.worker: '10.1.5.11/24' is not an IPv4 address; allowed: an address such as 10.1.5.10"],
        id="server cidr",
    ),
    pytest.param(
        changed(("racks/rack0/servers/worker", "fe80::1")),
        ["racks.rack0.servers.worker: 'fe80::1' is not an IPv4 address; IPv6 is not supported; allowed: an address such as 10.1.5.10"],
        id="server v6",
    ),
    pytest.param(
        changed(("racks/rack0/servers/worker", "127.0.0.1")),
        ["racks.rack0.servers.worker: 127.0.0.1 lies in 127.0.0.0/8 (loopback); allowed: ordinary unicast addresses"],
        id="server lo",
    ),
    pytest.param(
        changed(("racks/rack1/subnet", "10.1.5.0/25"), ("racks/rack1/servers", {"worker2": "10.1.5.20", "worker3": "10.1.5.21"})),
        ["racks.rack1.subnet: 10.1.5.0/25 overlaps racks.rack0.subnet 10.1.5.0/24; allowed: a prefix of its own"],
        id="overlap: rack rack",
    ),
    pytest.param(
        changed(("racks/rack0/uplinks/leaf0/spine0", "10.1.5.0/30")),
        ["racks.rack0.uplinks.leaf0.spine0: 10.1.5.0/30 overlaps racks.rack0.subnet 10.1.5.0/24; allowed: a prefix of its own"],
        id="overlap: rack link",
    ),
    pytest.param(
        changed(("racks/rack0/uplinks/leaf0/spine0", "10.1.12.0/24")),
        ["racks.rack0.uplinks.leaf0.spine1: 10.1.12.0/24 overlaps racks.rack0.uplinks.leaf0.spine0 10.1.12.0/24; allowed: a prefix of its own"],
        id="overlap: link link",
    ),
    pytest.param(
        changed(("management_subnet", "10.1.5.0/24")),
        ["management_subnet: 10.1.5.0/24 overlaps racks.rack0.subnet 10.1.5.0/24; allowed: a prefix of its own"],
        id="overlap: mgmt",
    ),
    pytest.param(
        changed(("cluster/pod_subnet", "10.0.0.0/8")),
        [
            "racks.rack0.subnet: 10.1.5.0/24 overlaps cluster.pod_subnet 10.0.0.0/8; allowed: a prefix of its own",
            "racks.rack1.subnet: 10.1.8.0/24 overlaps cluster.pod_subnet 10.0.0.0/8; allowed: a prefix of its own",
            "racks.rack0.uplinks.leaf0.spine0: 10.1.10.0/24 overlaps cluster.pod_subnet 10.0.0.0/8; allowed: a prefix of its own",
            "racks.rack1.uplinks.leaf1.spine1: 10.1.11.0/24 overlaps cluster.pod_subnet 10.0.0.0/8; allowed: a prefix of its own",
            "racks.rack0.uplinks.leaf0.spine1: 10.1.12.0/24 overlaps cluster.pod_subnet 10.0.0.0/8; allowed: a prefix of its own",
            "racks.rack1.uplinks.leaf1.spine0: 10.1.34.0/24 overlaps cluster.pod_subnet 10.0.0.0/8; allowed: a prefix of its own",
            "cluster.service_subnet: 10.96.0.0/16 overlaps cluster.pod_subnet 10.0.0.0/8; allowed: a prefix of its own",
        ],
        id="overlap: pod",
    ),
    pytest.param(
        changed(("cluster/service_subnet", "10.244.0.0/16")),
        ["cluster.service_subnet: 10.244.0.0/16 overlaps cluster.pod_subnet 10.244.0.0/16; allowed: a prefix of its own"],
        id="overlap: svc",
    ),
    pytest.param(
        changed(("cluster/node_network", "172.20.0.0/16")),
        ["management_subnet: 172.20.20.0/24 overlaps cluster.node_network 172.20.0.0/16; allowed: a prefix of its own"],
        id="overlap: node",
    ),
    pytest.param(
        changed(("link_pool", "10.1.0.0/16"), remove=("racks/rack0/uplinks",)),
        [
            "racks.rack0.subnet: 10.1.5.0/24 overlaps link_pool 10.1.0.0/16; allowed: a prefix of its own",
            "racks.rack1.subnet: 10.1.8.0/24 overlaps link_pool 10.1.0.0/16; allowed: a prefix of its own",
        ],
        id="overlap: pool",
    ),
    pytest.param(
        changed(("racks/rack0/uplinks/leaf0/spine0", "10.255.0.2/31"), ("racks/rack0/uplinks/leaf0/spine1", None)),
        ["racks.rack0.uplinks.leaf0.spine1: 10.255.0.2/31 overlaps racks.rack0.uplinks.leaf0.spine0 10.255.0.2/31; allowed: a prefix of its own"],
        id="overlap: drawn",
    ),
    pytest.param(
        changed(("cluster/pod_subnet", "10.244.0.0/26")),
        ["cluster.pod_subnet: 10.244.0.0/26 has no room for a /24 for every node; allowed: /8 - /24"],
        id="length: pod",
    ),
    pytest.param(
        changed(("cluster/pod_subnet", "10.244.0.0/23")),
        ["cluster.pod_subnet: 10.244.0.0/23 has a /24 for 2 nodes, not for 4; allowed: a larger prefix"],
        id="length: pod few",
    ),
    pytest.param(changed(("cluster/service_subnet", "11.0.0.0/8")), ["cluster.service_subnet: 11.0.0.0/8 is too large; allowed: /12 - /28"], id="length: svc"),
    pytest.param(
        changed(("cluster/service_subnet", "10.96.0.0/29")),
        ["cluster.service_subnet: 10.96.0.0/29 has no room for Kubernetes' own services; allowed: /12 - /28"],
        id="length: svc 29",
    ),
    pytest.param(
        changed(("management_subnet", "172.20.20.0/30")),
        ["management_subnet: 172.20.20.0/30 has no room for the lab host, spines and leaves; allowed: /8 - /29"],
        id="length: mgmt",
    ),
    pytest.param(
        changed(("racks/rack0/uplinks/leaf0/spine0", "10.1.10.0/32")),
        ["racks.rack0.uplinks.leaf0.spine0: 10.1.10.0/32 has no room for the two ends of a link; allowed: /8 - /31"],
        id="length: link",
    ),
    pytest.param(
        changed(("cluster/node_network", "172.18.0.0/30")),
        ["cluster.node_network: 172.18.0.0/30 has no room for the nodes; allowed: /8 - /29"],
        id="length: node",
    ),
    pytest.param(
        changed(("link_pool", "10.255.0.0/28"), remove=("racks/rack0/uplinks",)),
        ["link_pool: 10.255.0.0/28 is smaller than the block of 16 links that a leaf takes; allowed: /8 - /27"],
        id="pool small",
    ),
    pytest.param(
        changed(("link_pool", "10.255.0.0/27"), remove=("racks/rack0/uplinks", "racks/rack1/uplinks")),
        ["link_pool: 10.255.0.0/27 has one block of 16 links, one a leaf, none is left for leaf1; allowed: a larger prefix"],
        id="pool full",
    ),
    pytest.param(changed(("link_prefix_length", 29)), ["link_prefix_length: 29 cannot be used; allowed: 30, 31"], id="link len"),
    pytest.param(
        changed(("racks/rack0/uplinks/leaf0/spine9", "10.1.99.0/24")),
        ["racks.rack0.uplinks.leaf0.spine9: unknown spine; allowed: spine0, spine1"],
        id="uplink: unknown spine",
    ),
    pytest.param(
        changed(("racks/rack0/uplinks/leaf9", {"spine0": None})),
        ["racks.rack0.uplinks.leaf9: unknown leaf; allowed: the rack's leaves leaf0"],
        id="uplink: unknown leaf",
    ),
    pytest.param(changed(("racks/rack0/uplinks", {})), ["racks.rack0.uplinks: empty; allowed: at least one"], id="uplink: empty"),
    pytest.param(changed(("racks/rack0/uplinks/leaf0", {})), ["racks.rack0.uplinks.leaf0: empty; allowed: at least one"], id="uplink: leaf empty"),
    pytest.param(
        changed(("racks/rack0/uplinks/leaf0", {"spine0": False, "spine1": False})),
        ["racks.rack0.leaves[0]: leaf leaf0 has no link to any spine; allowed: at least one"],
        id="uplink: none",
    ),
    pytest.param(
        changed(("racks/rack0/uplinks/leaf0/spine0", True)),
        ["racks.rack0.uplinks.leaf0.spine0: true is not a link; allowed: a prefix such as 10.1.10.0/24, null (drawn from link_pool) or false (no link)"],
        id="uplink: true",
    ),
    pytest.param(
        changed(("racks/rack0/uplinks/leaf0/spine0", 5)),
        ["racks.rack0.uplinks.leaf0.spine0: found 5; allowed: a prefix such as 10.1.10.0/24, null or false"],
        id="uplink: num",
    ),
    pytest.param(
        changed(("racks/rack0/uplinks/leaf0/spine1", False), ("racks/rack1/uplinks/leaf1/spine1", False)),
        ["spines.spine1: spine spine1 has no link to any leaf; allowed: at least one"],
        id="uplink: spine unlinked",
    ),
    pytest.param(
        changed(("racks/rack0/leaves", ["leaf_0"]), remove=("racks/rack0/uplinks",)),
        ["racks.rack0.leaves[0]: 'leaf_0' is not a name; allowed: 2 - 63 lower-case letters, digits and '-', the first and last no '-'"],
        id="name: underscore",
    ),
    pytest.param(
        changed(("racks/Rack", documents.rack(3))),
        ["racks.Rack: 'Rack' is not a name; allowed: 2 - 63 lower-case letters, digits and '-', the first and last no '-'"],
        id="name: upper",
    ),
    pytest.param(
        changed(("racks/rack0/servers/-w", "10.1.5.12")),
        ["racks.rack0.servers.-w: '-w' is not a name; allowed: 2 - 63 lower-case letters, digits and '-', the first and last no '-'"],
        id="name: dash",
    ),
    pytest.param(
        changed(("spines/s", {"asn": 9})),
        ["spines.s: 's' is not a name; allowed: 2 - 63 lower-case letters, digits and '-', the first and last no '-'"],
        id="name: one char",
    ),
    pytest.param(
        changed(("racks/rack0/leaves", ["leaf0\n"]), remove=("racks/rack0/uplinks",)),
        ["racks.rack0.leaves[0]: 'leaf0\\n' is not a name; allowed: 2 - 63 lower-case letters, digits and '-', the first and last no '-'"],
        id="name: newline",
    ),
    pytest.param(
        changed(("spines/späin", {"asn": 9})),
        ["spines.späin: 'späin' is not a name; allowed: 2 - 63 lower-case letters, digits and '-', the first and last no '-'"],
        id="name: unicode",
    ),
    pytest.param(
        changed(("lab_name", "")),
        ["lab_name: '' is not a name; allowed: 2 - 63 lower-case letters, digits and '-', the first and last no '-'"],
        id="name: empty",
    ),
    pytest.param(
        changed(("racks/rack0/leaves", ["leaf-number-0"]), remove=("racks/rack0/uplinks",)),
        ["racks.rack0.leaves[0]: interface br-leaf-number-0-net2 has 21 characters, Linux takes 15; allowed: a leaf's name of 7 characters"],
        id="name: long leaf",
    ),
    pytest.param(
        changed(("lab_name", "calico-bgp-rr-more")),
        ["lab_name: calico-bgp-rr-more is too long for the management bridge (18 characters); allowed: 15"],
        id="lab long",
    ),
    pytest.param(
        changed(("lab_name", "eth0")),
        ["lab_name: management bridge eth0 has a name that an interface of the lab host may have; allowed: a name of the lab's own"],
        id="lab lo",
    ),
    pytest.param(changed(("lab_name", 5)), ["lab_name: found 5; allowed: a name"], id="lab int"),
    pytest.param(
        changed(("lab_name", "br-leaf0")),
        ["racks.rack0.leaves[0]: interface br-leaf0 has the same name as lab_name; allowed: a name of its own"],
        id="lab bridge",
    ),
    pytest.param(
        changed(("bridge_prefix", "Bridge_")),
        ["bridge_prefix: 'Bridge_' is not a bridge prefix; allowed: 1 - 8 lower-case letters, digits and '-', the first a letter"],
        id="bridge prefix",
    ),
    pytest.param(
        changed(("bridge_prefix", "bridge-")),
        [
            "racks.rack0.leaves[0]: interface bridge-leaf0-net2 has 17 characters, Linux takes 15; allowed: a leaf's name of 3 characters",
            "racks.rack1.leaves[0]: interface bridge-leaf1-net2 has 17 characters, Linux takes 15; allowed: a leaf's name of 3 characters",
        ],
        id="bridge prefix long",
    ),
    pytest.param(
        changed(("spines/leaf0", {"asn": 9})),
        ["racks.rack0.leaves[0]: leaf leaf0 has the same name as spines.leaf0; allowed: a name of its own"],
        id="dup router",
    ),
    pytest.param(
        changed(("racks/rack1/servers/worker", "10.1.8.12")),
        ["racks.rack1.servers.worker: server worker has the same name as racks.rack0.servers.worker; allowed: a name of its own"],
        id="dup server",
    ),
    pytest.param(
        changed(("lab_host", "leaf0")), ["lab_host: lab host leaf0 has the same name as racks.rack0.leaves[0]; allowed: a name of its own"], id="dup labhost"
    ),
    pytest.param(
        changed(("spines/leaves", {"asn": 9})),
        [f"spines.leaves: spine leaves has a name that Ansible or this inventory uses itself; allowed: any but {TAKEN}"],
        id="group",
    ),
    pytest.param(
        changed(("racks/rack0/leaves", ["all"]), remove=("racks/rack0/uplinks",)),
        [f"racks.rack0.leaves[0]: leaf all has a name that Ansible or this inventory uses itself; allowed: any but {TAKEN}"],
        id="all",
    ),
    pytest.param(
        changed(("spines/worker", {"asn": 9})),
        ["racks.rack0.servers.worker: server worker has the same name as spines.worker; allowed: a name of its own"],
        id="container=node",
    ),
    pytest.param(
        changed(("spines/server1", {"asn": 9})),
        ["racks.rack0.servers.control-plane: container clab-calico-bgp-rr-server1 has the same name as spines.server1; allowed: a name of its own"],
        id="router server1",
    ),
    pytest.param(
        changed(("spines/br-leaf0", {"asn": 9})),
        ["racks.rack0.leaves[0]: bridge br-leaf0 has the same name as spines.br-leaf0; allowed: a name of its own"],
        id="spine bridge",
    ),
    pytest.param(
        changed(("racks/rack1/servers", {"worker3": "10.1.8.11"})),
        ["racks.rack1.servers.worker3: kind numbers its nodes without a gap, worker2 is missing; allowed: worker2 instead of worker3"],
        id="kind name: gap",
    ),
    pytest.param(
        changed(("racks/rack1/servers/db", "10.1.8.12")),
        [f"racks.rack1.servers.db: db is no name that kind gives a node; allowed: {KIND_NAMES} or naming: verbatim"],
        id="kind name: odd",
    ),
    pytest.param(
        changed(("racks/rack1/servers/worker1", "10.1.8.12")),
        [f"racks.rack1.servers.worker1: worker1 is no name that kind gives a node; allowed: {KIND_NAMES} or naming: verbatim"],
        id="kind name: worker1",
    ),
    pytest.param(
        changed(("racks/rack0/servers", {"worker": "10.1.5.11"})), ["racks: no server is called control-plane; allowed: one control plane at least"], id="no cp"
    ),
    pytest.param(
        changed(("cluster/control_planes", ["worker"])),
        ["cluster.control_planes: names tell kind's control planes; allowed: only with naming: verbatim"],
        id="control planes: list kind",
    ),
    pytest.param(
        changed(("cluster/naming", "verbatim"), ("cluster/control_planes", ["nope"])),
        ["cluster.control_planes: unknown server nope; allowed: control-plane, worker, worker2, worker3"],
        id="control planes: unknown",
    ),
    pytest.param(changed(("cluster/naming", "docker")), ["cluster.naming: 'docker' cannot be used; allowed: kind, verbatim"], id="naming"),
    pytest.param(
        changed(("cluster/name", "Bad_Name!")),
        ["cluster.name: 'Bad_Name!' is not a cluster name; allowed: 1 - 63 lower-case letters, digits, '.' and '-', the first and last a letter or digit"],
        id="cluster name",
    ),
    pytest.param(
        changed(("cluster/name", "long" * 12 + "er")),
        [
            f"racks.rack0.servers.control-plane: node {'long' * 12}er-control-plane has 64 characters; allowed: 63 with the cluster's name",
        ],
        id="node long",
    ),
    pytest.param(
        changed(("spines/spine0/leaf_port", 2), ("spines/spine1/leaf_port", 2)),
        ["spines.spine1.leaf_port: 2 is also the port of spine spine0; allowed: a number of its own"],
        id="leaf_port dup",
    ),
    pytest.param(changed(("spines/spine0/leaf_port", 0)), ["spines.spine0.leaf_port: 0 is out of range; allowed: 1 - 128"], id="leaf_port 0"),
    pytest.param(
        changed(("racks/rack0/leaves/0", {"name": "leaf0", "spine_port": 3}), ("racks/rack1/leaves/0", {"name": "leaf1", "spine_port": 3})),
        ["racks.rack1.leaves[0].spine_port: 3 is also the port of leaf leaf0; allowed: a number of its own"],
        id="spine_port dup",
    ),
    pytest.param(
        changed(("spines/spine0/management", "172.20.21.5")),
        ["spines.spine0.management: 172.20.21.5 is outside management_subnet 172.20.20.0/24; allowed: 172.20.20.2 - 172.20.20.254"],
        id="management: out",
    ),
    pytest.param(
        changed(("spines/spine0/management", "172.20.20.1")),
        ["spines.spine0.management: 172.20.20.1 is the lab host's, the network's or the broadcast address; allowed: 172.20.20.2 - 172.20.20.254"],
        id="management: gw",
    ),
    pytest.param(
        changed(("spines/spine0/management", "172.20.20.9"), ("spines/spine1/management", "172.20.20.9")),
        ["spines.spine1.management: 172.20.20.9 is also the address of spine0; allowed: an address of its own"],
        id="management: dup",
    ),
    pytest.param(
        changed(("management_subnet", "172.20.20.0/29"), ("spines/spine2", {"asn": 9})),
        ["management_subnet: 172.20.20.0/29 has no address left for spine2; allowed: 2 spines, a larger prefix, or 'management' on each"],
        id="management: full",
    ),
    pytest.param(
        changed(("bgp/timers", {"keepalive": 30, "holdtime": 60})),
        ["bgp.timers.holdtime: 60 is less than three keepalives of 30; allowed: 90 or more"],
        id="timers",
    ),
    pytest.param(
        changed(("bgp/timers", {"keepalive": 30})),
        ["bgp.timers.holdtime: missing; needed: seconds of silence after which a session is down; at least three keepalives"],
        id="timers half",
    ),
    pytest.param(
        changed(("bgp/bfd", {"enabled": "yes", "interval": 5, "multiplier": 1})),
        [
            "bgp.bfd.enabled: found text 'yes'; allowed: true or false",
            "bgp.bfd.interval: 5 is out of range; allowed: 10 - 60000",
            "bgp.bfd.multiplier: 1 is out of range; allowed: 2 - 255",
        ],
        id="bfd",
    ),
    pytest.param(changed(("bgp/md5", "secret")), ["bgp.md5: found text 'secret'; allowed: true or false"], id="a password instead of a switch"),
    pytest.param(
        changed(("bgp/import_filter", {"enabled": 1, "maximum_prefix": 0, "service_ranges": ["10.1.8.0/25", "198.51.100.0", "198.51.100.0/24"]})),
        [
            "bgp.import_filter.enabled: found 1; allowed: true or false",
            "bgp.import_filter.service_ranges[1]: '198.51.100.0' is not an IPv4 prefix; allowed: a prefix such as 10.1.5.0/24",
            "bgp.import_filter.maximum_prefix: 0 is out of range; allowed: 1 - 1000000",
            "bgp.import_filter.service_ranges[0]: 10.1.8.0/25 overlaps racks.rack1.subnet 10.1.8.0/24; allowed: a prefix of its own",
        ],
        id="import filter",
    ),
    pytest.param(
        changed(("bgp/timers", {"keepalive": 3, "holdtime": 9, "connect": 0})),
        ["bgp.timers.connect: 0 is out of range; allowed: 1 - 65535"],
        id="connect timer",
    ),
    pytest.param(changed(("bgp/password", "x")), ["bgp.password: unknown key; allowed: bfd, import_filter, md5, timers"], id="bgp password"),
    pytest.param(
        changed(("nat/source", "10.1.5.0/24")),
        ["nat.source: 10.1.5.0/24 does not hold racks.rack1.subnet 10.1.8.0/24; allowed: a prefix that holds every rack, or none"],
        id="nat",
    ),
    pytest.param(changed(("plugin", "x.y.z")), ["plugin: 'x.y.z' is another plugin; allowed: leafspine.calico.fabric"], id="plugin"),
    pytest.param(
        changed(("spines", {f"spine{n}": {"asn": n + 1} for n in range(17)}), remove=("racks/rack0/uplinks", "racks/rack1/uplinks")),
        ["spines: 17 entries are too many; allowed: 16"],
        id="17 spines",
    ),
    pytest.param(
        changed(("mtu", "x"), ("colour", 1), ("racks/rack0/servers/worker", "10.1.9.11"), ("racks/rack1/asn", 65005), ("spines/spine0/asn", None)),
        [
            "mtu: found text 'x'; allowed: a whole number",
            "spines.spine0.asn: found nothing; allowed: a whole number",
            f"colour: unknown key; allowed: {KEYS}",
            "racks.rack0.servers.worker: 10.1.9.11 is outside the rack's subnet 10.1.5.0/24; allowed: 10.1.5.2 - 10.1.5.254",
            "racks.rack1.asn: 65005 is also the AS of rack0; allowed: an AS of its own, leaves drop routes that carry theirs",
        ],
        id="many at once",
    ),
    pytest.param(None, ["(file): found nothing; allowed: a mapping with plugin, lab_name, spines, racks"], id="file: nothing"),
    pytest.param([], ["(file): found a list; allowed: a mapping with plugin, lab_name, spines, racks"], id="file: list"),
    pytest.param("x", ["(file): found text 'x'; allowed: a mapping with plugin, lab_name, spines, racks"], id="file: text"),
    pytest.param(5, ["(file): found 5; allowed: a mapping with plugin, lab_name, spines, racks"], id="file: number"),
    pytest.param(True, ["(file): found true; allowed: a mapping with plugin, lab_name, spines, racks"], id="file: true"),
]


@pytest.mark.parametrize(("document", "problems"), REFUSED)
def test_refused(document: Any, problems: list[str]) -> None:
    intent, found = from_document(document)
    assert [str(problem) for problem in found] == problems
    assert intent is None


def test_the_document_they_start_from_is_accepted() -> None:
    intent, found = from_document(documents.reference())
    assert found == []
    assert intent is not None
