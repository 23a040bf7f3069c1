"""What calicoctl says when it fails, and what that means for the person who reads it.

Texts measured on calicoctl 3.31 with the etcdv3 and the Kubernetes datastore; every failure exits 1, some are printed to standard output.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Meaning(NamedTuple):
    """reason: a word to test for. error: the line that says what is wrong. hint: what to do."""

    reason: str
    error: str
    hint: str


# The first rule whose expression is found wins: the more particular ones come first.
_RULES: tuple[tuple[str, str, str], ...] = (
    (
        "crds_missing",
        r"could not find the requested resource|no matches for kind",
        "Calico's custom resource definitions are not installed in this cluster: apply Calico's manifest first.",
    ),
    (
        "datastore_unreachable",
        r"connection refused|no route to host|network is unreachable|i/o timeout|no such host|context deadline exceeded|handshake timeout|connection reset",
        "The datastore does not answer at the address in the kubeconfig (or in ETCD_ENDPOINTS): is the cluster running, and is the option kubeconfig its own?",
    ),
    ("not_trusted", r"x509:|certificate", "The kubeconfig does not fit this cluster, most likely it is of an earlier one: export it again."),
    ("forbidden", r"\bforbidden\b|unauthorized|must be logged in", "The user of the kubeconfig may not do this: use one with administrator rights."),
    (
        "version_mismatch",
        r"version mismatch\.",
        "Use the calicoctl of the cluster's version, or set allow_version_mismatch=true when you know that the two fit.",
    ),
    (
        "no_datastore",
        r"no etcd endpoints specified|unknown datastore type|no configuration has been provided|KUBERNETES_MASTER",
        "Set datastore_type and kubeconfig (Kubernetes), or datastore_type=etcdv3 and ETCD_ENDPOINTS in environment.",
    ),
    (
        "kubeconfig_missing",
        r"create Calico API client: stat .*no such file|kubeconfig.*no such file",
        "The kubeconfig does not exist on the lab host: is the cluster built, and the option kubeconfig right?",
    ),
    ("client_failed", r"Failed to create Calico API client", "Look at the options kubeconfig, datastore_type and environment."),
    (
        "update_conflict",
        r"update conflict",
        "Somebody else changed the resource at the same time: see who writes to it (another run, an operator, kubectl), then run again.",
    ),
    ("already_exists", r"resource already exists", "Another writer made it between the get and the apply: run again."),
    (
        "not_supported",
        r"operation \w+ is not supported on|resource is readonly",
        "Calico does not let anybody do this: nodes, for instance, come from Kubernetes.",
    ),
    (
        "node_missing",
        r"resource does not exist: Node\(",
        "Kubernetes makes the nodes, calicoctl can only set their BGP parts: is the name right, has the node joined?",
    ),
    ("not_found", r"resource does not exist", "It has to exist for this: make it with state=present first."),
    ("unknown_field", r"field in document is not recognized", "Look for a misspelt or misplaced field, or one that this Calico version does not have."),
    ("unknown_kind", r"unknown resource type|resource type '[^']*' is not supported", "Look for a misspelt kind; apiVersion must be projectcalico.org/v3."),
    ("mesh_not_default", r"Cannot set nodeToNodeMeshEnabled", "Set it on the BGPConfiguration named default."),
    ("bad_as_number", r"invalid AS Number format|cannot unmarshal number into Go value of type string", "An AS number is a number from 0 to 4294967295."),
    (
        "invalid_resource",
        r"error with field|failed to validate|cannot unmarshal|cannot parse",
        "The value does not fit the field: see the named field and its tag.",
    ),
    ("bad_patch", r"merge patch", "The patch must be a dictionary that fits the resource."),
    ("bad_document", r"error parsing document", "What was handed to calicoctl is not valid."),
    ("no_input", r"no resources specified|open .*: no such file", "Nothing was handed to calicoctl."),
    ("calico_not_running", r"Calico process is not running", "Start calico-node on this host first."),
    (
        "bad_call",
        r"unrecognized output format|Invalid option|unknown command",
        "This calicoctl does not know the call: use a version this collection supports.",
    ),
)
_COMPILED = tuple((reason, re.compile(expression, re.IGNORECASE), hint) for reason, expression, hint in _RULES)
_NOT_FOUND = re.compile(r"^(?:failed to .*: )?resource does not exist: ", re.IGNORECASE)
_PARTIAL = re.compile(r"^Partial success: \w+ the first (\d+) out of (\d+)", re.IGNORECASE | re.MULTILINE)

# After these, nobody can be asked what has been applied.
SILENT = {"datastore_unreachable", "timeout", "executable_missing", "kubeconfig_missing", "client_failed", "no_datastore", "not_trusted"}


def meaning(stdout: str, stderr: str) -> Meaning:
    """What a failed call means. Something unknown keeps its text and says where to look."""
    lines = [line.strip() for line in (*stderr.splitlines(), *stdout.splitlines()) if line.strip()]
    for reason, expression, hint in _COMPILED:
        for line in lines:
            if expression.search(line):
                return Meaning(reason, _with_versions(line, lines), hint)
    told = [line for line in lines if not line.startswith("Partial success")]
    return Meaning("unknown", told[0] if told else "calicoctl failed without a word", "Read stderr and stdout of this result.")


def _with_versions(line: str, lines: list[str]) -> str:
    """A version mismatch stands in three lines."""
    versions = [" ".join(other.split()) for other in lines if re.match(r"(Client|Cluster) Version:", other)]
    return f"{line.rstrip('.')}: {', '.join(versions)}" if versions else line


def only_not_found(stderr: str) -> bool:
    """Whether a failing `get` complains of nothing but resources that do not exist."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    return bool(lines) and all(_NOT_FOUND.match(line.strip()) for line in lines) and meaning("", stderr).reason in ("not_found", "node_missing")


def partial(stdout: str) -> tuple[int, int] | None:
    """(applied, all) of "Partial success: applied the first 9 out of 10"; which ones is not said, and not the first ones."""
    found = _PARTIAL.search(stdout)
    return (int(found[1]), int(found[2])) if found else None
