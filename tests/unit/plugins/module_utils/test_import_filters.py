"""What a leaf believes its nodes, and what it does not."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.import_filters import entries, permits

ENTRIES = entries(IPv4Network("10.244.0.0/16"), [IPv4Network("10.96.0.0/16")])


@pytest.mark.parametrize(
    "prefix",
    ["10.244.226.192/26", "10.244.0.0/20", "10.244.0.7/32", "10.244.255.255/32", "10.96.0.0/16", "10.96.0.10/32"],
    ids=["a block", "the largest block", "an address of a borrowed block", "the last address", "the service range", "a service"],
)
def test_what_nodes_may_announce(prefix: str) -> None:
    assert permits(ENTRIES, prefix)


@pytest.mark.parametrize(
    "prefix",
    ["0.0.0.0/0", "10.244.0.0/16", "10.244.0.0/19", "10.0.0.0/8", "10.245.0.0/26", "10.96.0.0/17", "10.96.0.0/31", "10.0.0.0/15", "10.1.8.0/24", "8.8.8.0/24"],
    ids=["default", "all pods", "more than a block", "more than all", "beside the pods", "half of the services", "two services", "around services", "a rack",
         "the world"],
)  # fmt: skip
def test_what_nodes_may_not_announce(prefix: str) -> None:
    assert not permits(ENTRIES, prefix)


@pytest.mark.parametrize(("length", "ge"), [(8, 20), (16, 20), (19, 20), (20, 21), (24, 25)])
def test_a_block_is_always_smaller_than_the_pod_prefix(length: int, ge: int) -> None:
    """A prefix-list entry whose ge is not above the prefix's length is silently absent in FRR."""
    found = entries(IPv4Network(f"10.0.0.0/{length}"), [])
    assert found == [{"prefix": f"10.0.0.0/{length}", "ge": ge, "le": 32}]
