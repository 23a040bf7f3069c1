"""Stands in for kind: clusters in a file, texts and exit codes as measured, recorded answers that take precedence.

FAKE_DIR holds store.json (nodes by cluster), script.json (answers, each used once: verb, rc, stdout, stderr, sleep, act = also do it, lose =
nodes that the creation does not make), calls.jsonl (every call) and access.json (server and authority of the kubeconfigs).
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(os.environ["FAKE_DIR"])


def load(name: str, default: Any) -> Any:
    path = FOLDER / name
    return json.loads(path.read_text()) if path.exists() else default


def save(name: str, value: Any) -> None:
    (FOLDER / name).write_text(json.dumps(value))


def fail(text: str) -> int:
    sys.stderr.write(f"ERROR: {text}\n")
    return 1


def option(words: list[str], name: str, default: str = "") -> str:
    return words[words.index(name) + 1] if name in words else default


def kubeconfig(name: str, serial: int) -> str:
    access = load("access.json", {"server": "https://127.0.0.1:1", "authority": "QQ=="})
    one = f"kind-{name}"
    return (
        f"apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {access['authority']}\n    server: {access['server']}\n  name: {one}\n"
        f"contexts:\n- context:\n    cluster: {one}\n    user: {one}\n  name: {one}\ncurrent-context: {one}\nkind: Config\n"
        f"users:\n- name: {one}\n  user:\n    client-certificate-data: Y2VydA{serial}==\n    client-key-data: a2V5\n"
    )


def create(words: list[str], store: dict[str, Any], lose: list[str]) -> int:
    name = option(words, "--name", "kind")
    if name in store:
        return fail(f'failed to create cluster: node(s) already exist for a cluster with the name "{name}"')
    config = yaml.safe_load(Path(option(words, "--config")).read_text())
    counts: dict[str, int] = {}
    nodes = []
    for node in config.get("nodes") or [{"role": "control-plane"}]:
        counts[node["role"]] = number = counts.get(node["role"], 0) + 1
        nodes.append(f"{name}-{node['role']}{number if number > 1 else ''}")
    serial = load("serial.json", 0) + 1
    save("serial.json", serial)
    store[name] = {"nodes": [node for node in nodes if node not in lose], "serial": serial}
    path = Path(option(words, "--kubeconfig"))
    path.write_text(kubeconfig(name, serial))
    path.chmod(0o644)
    sys.stderr.write(f'Creating cluster "{name}" ...\n \u2713 Joining worker nodes\n')
    return 0


def act(argv: list[str], lose: list[str]) -> int:
    store = load("store.json", {})
    name = option(argv, "--name", "kind")
    match argv[:2]:
        case ["create", "cluster"]:
            rc = create(argv, store, lose)
        case ["delete", "cluster"]:
            sys.stderr.write(f'Deleting cluster "{name}" ...\n')
            store.pop(name, None)
            rc = 0
        case ["get", "nodes"]:
            if name not in store:
                sys.stderr.write(f'No kind nodes found for cluster "{name}".\n')
            sys.stdout.writelines(f"{node}\n" for node in store.get(name, {}).get("nodes", []))
            rc = 0
        case ["get", "kubeconfig"]:
            if name not in store:
                return fail(f"could not locate any control plane nodes for cluster named '{name}'. Use the --name option to select a different cluster")
            sys.stdout.write(kubeconfig(name, store[name]["serial"]))
            rc = 0
        case ["export", "logs"]:
            Path(argv[2]).mkdir(exist_ok=True)
            rc = 0
        case _:
            return fail(f"unknown command {argv}")
    save("store.json", store)
    return rc


def main(argv: list[str]) -> int:
    with (FOLDER / "calls.jsonl").open("a") as log:
        log.write(json.dumps({"argv": argv, "network": os.environ.get("KIND_EXPERIMENTAL_DOCKER_NETWORK")}) + "\n")
    script = load("script.json", [])
    answer = next((row for row in script if " ".join(argv).startswith(row["verb"])), None)
    if answer is None:
        return act(argv, [])
    script.remove(answer)
    save("script.json", script)
    rc = act(argv, answer.get("lose", [])) if answer.get("act") else 0
    sys.stdout.write(answer.get("stdout", ""))
    sys.stderr.write(answer.get("stderr", ""))
    sys.stderr.flush()
    time.sleep(answer.get("sleep", 0))
    return int(answer.get("rc", rc))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
