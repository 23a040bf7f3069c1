"""Stands in for calicoctl: a store in a file that behaves as measured, and recorded answers that take precedence.

FAKE_DIR holds store.json (resources by "Kind/name"), script.json (answers to give, each used once: verb, rc, stdout, stderr, sleep, and
changes {"Kind/name": spec part} that somebody else makes meanwhile) and calls.jsonl (every call).
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ["FAKE_DIR"])
SPELLED = {"bgppeer": "BGPPeer", "bgpconfiguration": "BGPConfiguration", "node": "Node", "ippool": "IPPool"}


def load(name: str, default: Any) -> Any:
    path = FOLDER / name
    return json.loads(path.read_text()) if path.exists() else default


def save(name: str, value: Any) -> None:
    (FOLDER / name).write_text(json.dumps(value))


def out(text: str) -> None:
    sys.stdout.write(text + "\n")


def fail(text: str) -> int:
    sys.stderr.write(text + "\n")
    return 1


def with_defaults(resource: dict[str, Any]) -> dict[str, Any]:
    """What the datastore makes of a resource."""
    spec = resource.setdefault("spec", {})
    if resource["kind"] == "IPPool":
        for key, value in {"allowedUses": ["Workload", "Tunnel"], "assignmentMode": "Automatic", "blockSize": 26, "nodeSelector": "all()"}.items():
            spec.setdefault(key, value)
        for key in ("natOutgoing", "disabled"):
            if spec.get(key) is False:
                del spec[key]
        spec.setdefault("ipipMode", "Never")
    if resource["kind"] == "BGPConfiguration":
        spec.setdefault("serviceLoadBalancerAggregation", "Enabled")
    for holder in (spec, spec.get("bgp", {})):
        if "asNumber" in holder:
            holder["asNumber"] = int(holder["asNumber"])
    return resource


def stored(store: dict[str, Any], resource: dict[str, Any]) -> str | None:
    """Store one resource; returns the error, or None."""
    kind, metadata = resource["kind"], resource["metadata"]
    key, name = f"{kind}/{metadata['name']}", metadata["name"]
    old = store.get(key)
    if str(resource.get("spec", {}).get("peerIP", "")).startswith("300."):
        return "error with field PeerIP = '300.1.1.1' (Reason: failed to validate Field: PeerIP because of Tag: IP:port )"
    if old is None and kind == "Node":
        return f'resource does not exist: Node({name}) with error: nodes "{name}" not found'
    if old is not None and metadata.get("resourceVersion") not in (None, old["metadata"]["resourceVersion"]):
        return f"update conflict: {kind}({name})"
    version = max([int(item["metadata"]["resourceVersion"]) for item in store.values()] or [100]) + 1
    new = with_defaults(resource)
    server = {"creationTimestamp": "2026-11-23T07:52:13Z", "uid": f"uid-{name}", "resourceVersion": str(version)}
    if kind == "Node" and old is not None:
        # Kubernetes' own parts stay; what Calico keeps of the spec is replaced.
        noted = json.loads(old["metadata"].get("annotations", {}).get("projectcalico.org/kube-labels", "{}"))
        labels = {**metadata.get("labels", {}), **noted}
        theirs = {part: old["spec"][part] for part in ("addresses", "orchRefs") if part in old["spec"]}
        new = {**old, "spec": {**new["spec"], **theirs}, "metadata": {**old["metadata"], "labels": labels}}
    new["metadata"] = {**new["metadata"], **server}
    store[key] = new
    return None


def get(words: list[str], store: dict[str, Any]) -> int:
    kind = SPELLED.get(words[0].lower())
    if kind is None:
        return fail(f"failed to get resources: resource type '{words[0]}' is not supported")
    names = words[1 : words.index("-o")]
    if not names:
        out(json.dumps({"kind": f"{kind}List", "items": [item for key, item in store.items() if key.startswith(f"{kind}/")]}))
        return 0
    found = [store[f"{kind}/{name}"] for name in names if f"{kind}/{name}" in store]
    out(json.dumps(None if not found else found[0] if len(found) == 1 else found))
    for name in names:
        if f"{kind}/{name}" not in store:
            low = kind.lower()
            sys.stderr.write(f'resource does not exist: {kind}({name}) with error: {low}s.crd.projectcalico.org "{name}" not found\n')
    return 0 if len(found) == len(names) else 1


def apply(store: dict[str, Any], text: str) -> int:
    documents = [json.loads(part) for part in text.split("---\n") if part.strip()]
    errors = [error for error in (stored(store, document) for document in documents) if error]
    kinds = {document["kind"] for document in documents}
    of_kind = f" '{kinds.pop()}'" if len(kinds) == 1 else ""
    done = len(documents) - len(errors)
    if not errors:
        out(f"Successfully applied {done}{of_kind} resource(s)")
        return 0
    if not done:
        return fail(f"failed to apply{of_kind} resource: [{', '.join(errors)}]")
    out(f"Partial success: applied the first {done} out of {len(documents)}{of_kind} resources:")
    return fail(f"hit error(s): [{', '.join(errors)}]")


def merge(old: Any, patch: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(patch, dict):
        return patch
    result = {**old, **{key: merge(old.get(key), value) for key, value in patch.items()}}
    return {key: value for key, value in result.items() if value is not None}


def patch(words: list[str], store: dict[str, Any]) -> int:
    key = f"{SPELLED[words[0].lower()]}/{words[1]}"
    if key not in store:
        return fail(f"hit error: resource does not exist: {words[0]}({words[1]}) with error: not found")
    error = stored(store, merge(store[key], json.loads(words[words.index("--patch") + 1])))
    return fail(f"hit error: updating existing resource: {error}") if error else 0


def delete(words: list[str], store: dict[str, Any]) -> int:
    kind = SPELLED[words[0].lower()]
    for name in words[1:]:
        store.pop(f"{kind}/{name}", None)
    return 0


def main(argv: list[str]) -> int:
    verb, words, text = argv[0], argv[1:], sys.stdin.read()
    with (FOLDER / "calls.jsonl").open("a") as log:
        log.write(
            json.dumps({"argv": argv, "stdin": text, "env": {key: os.environ.get(key) for key in ("KUBECONFIG", "DATASTORE_TYPE", "ETCD_ENDPOINTS")}}) + "\n"
        )
    store, script = load("store.json", {}), load("script.json", [])
    answer = next((row for row in script if row["verb"] == verb), None)
    if answer is not None:
        script.remove(answer)
        save("script.json", script)
        for key, spec in answer.get("changes", {}).items():
            item = store[key]
            item["spec"] = {**item["spec"], **spec}
            item["metadata"]["resourceVersion"] = str(int(item["metadata"]["resourceVersion"]) + 1)
        save("store.json", store)
        if "rc" in answer:
            sys.stdout.write(answer.get("stdout", ""))
            sys.stderr.write(answer.get("stderr", ""))
            sys.stdout.flush()
            time.sleep(answer.get("sleep", 0))
            return int(answer["rc"])
    if verb == "get":
        return get(words, store)
    rc = {"apply": lambda: apply(store, text), "patch": lambda: patch(words, store), "delete": lambda: delete(words, store), "validate": lambda: 0}[verb]()
    if verb != "validate":
        save("store.json", store)
    return rc


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
