"""The calls of calicoctl that the module needs, and what becomes of a failing one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils.calico_resources import parse_output
from ansible_collections.leafspine.calico.plugins.module_utils.calicoctl_errors import meaning, only_not_found
from ansible_collections.leafspine.calico.plugins.module_utils.tool import Failure, Result, Tool


def failure(result: Result, what: str, **details: Any) -> Failure:
    """The Failure of a call that did not succeed; `what` names the work, for instance "get BGPPeer"."""
    if result.rc is None:
        said = f"; it said: {result.text}" if result.text else ""
        return Failure(
            f"calicoctl {what} did not end within {result.seconds:.0f} s and was stopped{said}",
            reason="timeout",
            hint="calicoctl waits for ever for a datastore that does not answer: look at the datastore, or raise the option timeout.",
            **result.as_details(),
            **details,
        )
    found = meaning(result.stdout, result.stderr)
    return Failure(f"calicoctl {what} failed: {found.error}", reason=found.reason, hint=found.hint, **result.as_details(), **details)


class Calicoctl:
    """calicoctl on this host. Resources are handed over as JSON documents on standard input, which is YAML to calicoctl."""

    def __init__(self, tool: Tool, *, allow_version_mismatch: bool = False) -> None:
        self.tool = tool
        self.flags = ["--allow-version-mismatch"] if allow_version_mismatch else []

    def get(self, kind: str, names: Sequence[str] = (), namespace: str = "") -> list[dict[str, Any]]:
        """The resources of these names, those that exist; without names all of the kind, in all namespaces unless one is given.

        Raises: Failure when calicoctl fails for another reason than a resource that does not exist.
        """
        place = ["--namespace", namespace] if namespace else []
        result = self.tool.run("get", kind, *names, *place, "-o", "json", *self.flags)
        if result.rc != 0 and not (names and result.rc == 1 and only_not_found(result.stderr)):
            raise failure(result, f"get {kind}")
        try:
            return parse_output(result.stdout)
        except ValueError as error:
            raise Failure(
                f"calicoctl get {kind} printed something that is not JSON resources: {error}",
                reason="bad_output",
                hint="Is the option executable really calicoctl?",
                **result.as_details(),
            ) from error

    def apply(self, documents: Sequence[dict[str, Any]]) -> Result:
        """Apply all documents in one call; the caller judges the Result, for calicoctl may have applied some of them."""
        return self.tool.run("apply", "-f", "-", *self.flags, stdin=as_stream(documents))

    def validate(self, documents: Sequence[dict[str, Any]]) -> Result:
        """Let calicoctl check the documents; needs no datastore."""
        return self.tool.run("validate", "-f", "-", stdin=as_stream(documents))

    def delete(self, kind: str, names: Sequence[str], namespace: str = "") -> Result:
        place = ["--namespace", namespace] if namespace else []
        return self.tool.run("delete", kind, *names, *place, "--skip-not-exists", *self.flags)

    def patch(self, kind: str, name: str, namespace: str, patch: dict[str, Any]) -> Result:
        place = ["--namespace", namespace] if namespace else []
        return self.tool.run("patch", kind, name, *place, "--patch", json.dumps(patch), *self.flags)


def as_stream(documents: Sequence[dict[str, Any]]) -> str:
    """One JSON document per resource, separated as YAML documents are."""
    return "---\n".join(json.dumps(document) + "\n" for document in documents)
