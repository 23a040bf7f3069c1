"""Bodies as kubectl encodes them. The encoder below is the test's own, written from the wire format, so the two can disagree."""

from __future__ import annotations

import base64
import contextlib

import pytest
from leafspine_embedded.kube.errors import BadRequest
from leafspine_embedded.kube.protobuf import decode


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while True:
        low, value = value & 0x7F, value >> 7
        out += bytes([low | (0x80 if value else 0)])
        if not value:
            return out


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def envelope(version: str, kind: str, message: bytes) -> bytes:
    return b"k8s\x00" + field(1, field(1, version) + field(2, kind)) + field(2, message) + field(3, "") + field(4, "")


METADATA = field(1, "x") + field(2, "") + field(3, "default") + field(11, field(1, "app") + field(2, "web")) + field(7, 0) + field(8, b"")


def test_a_configmap() -> None:
    message = field(1, METADATA) + field(2, field(1, "a") + field(2, "b")) + field(3, field(1, "raw") + field(2, b"\x00\xff"))
    assert decode(envelope("v1", "ConfigMap", message)) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x", "namespace": "default", "labels": {"app": "web"}},
        "data": {"a": "b"},
        "binaryData": {"raw": base64.b64encode(b"\x00\xff").decode()},
    }


def test_a_deployment_keeps_a_replica_count_of_zero_and_inlines_what_json_inlines() -> None:
    http_get = field(1, "/") + field(2, field(1, 0) + field(2, 8080) + field(3, ""))
    probe = field(1, field(2, http_get)) + field(2, 5)
    port = field(1, "web") + field(2, 0) + field(3, 80)
    limits = field(1, field(1, "cpu") + field(2, field(1, "100m")))
    container = field(1, "c") + field(2, "i") + field(6, port) + field(8, limits) + field(10, probe)
    volume = field(1, "v") + field(2, field(2, b""))
    pod = field(1, volume) + field(2, container)
    spec = field(1, 0) + field(3, field(2, pod))
    made = decode(envelope("apps/v1", "Deployment", field(1, METADATA) + field(2, spec)))["spec"]
    assert made["replicas"] == 0
    inner = made["template"]["spec"]
    assert inner["volumes"] == [{"name": "v", "emptyDir": {}}]
    assert inner["containers"][0]["ports"] == [{"name": "web", "containerPort": 80}]
    assert inner["containers"][0]["resources"] == {"limits": {"cpu": "100m"}}
    assert inner["containers"][0]["livenessProbe"] == {"httpGet": {"path": "/", "port": 8080}, "initialDelaySeconds": 5}


def test_times_negative_numbers_and_named_ports() -> None:
    stamped = field(1, "x") + field(8, field(1, 1_600_000_000))
    assert decode(envelope("v1", "Namespace", field(1, stamped)))["metadata"]["creationTimestamp"] == "2020-09-13T12:26:40Z"
    value = decode(envelope("scheduling.k8s.io/v1", "PriorityClass", field(1, METADATA) + field(2, -5)))["value"]
    assert value == -5
    port = field(3, 80) + field(4, field(1, 1) + field(3, "http"))
    made = decode(envelope("v1", "Service", field(1, METADATA) + field(2, field(1, port))))
    assert made["spec"]["ports"] == [{"port": 80, "targetPort": "http"}]


def test_delete_options_of_any_group() -> None:
    assert decode(envelope("apps/v1", "DeleteOptions", field(1, 0) + field(4, "Foreground") + field(5, "All"))) == {
        "apiVersion": "apps/v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "propagationPolicy": "Foreground", "dryRun": ["All"],
    }  # fmt: skip


GOOD = envelope("v1", "ConfigMap", field(1, METADATA))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"k8s\x00",
        GOOD[:20],
        GOOD[:-30],
        b"k8s\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        envelope("v1", "Nothing", b""),
        envelope("v9", "Pod", b""),
    ],
)
def test_what_is_no_such_message_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        decode(body)


def test_every_prefix_and_every_flipped_byte_is_read_or_refused() -> None:
    for length in range(len(GOOD)):
        _either(GOOD[:length])
    for position in range(4, len(GOOD)):
        for bit in range(8):
            _either(GOOD[:position] + bytes([GOOD[position] ^ 1 << bit]) + GOOD[position + 1 :])


def _either(body: bytes) -> None:
    with contextlib.suppress(BadRequest):
        assert isinstance(decode(body), dict)
