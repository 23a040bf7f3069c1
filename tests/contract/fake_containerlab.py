#!/usr/bin/env python3
"""A containerlab that says what a scene file tells it to say, and writes down how it was called.

Environment FAKE_CONTAINERLAB: a folder with scene.json: ``{"plan": ..., "inspect": ..., "fail": {verb: text}, "hang": {verb: text}}``.
After a deploy, ``after`` (if given) takes the place of ``inspect``; after a destroy nothing is listed. ``nodes``: what fake_node.py answers, which
``repaired`` (if given) takes the place of after a restart or a new deployment.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main() -> int:
    folder = Path(os.environ["FAKE_CONTAINERLAB"])
    scene = json.loads((folder / "scene.json").read_text())
    words = sys.argv[1:]
    with (folder / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(words) + "\n")
    verb = "plan" if "--dry-run" in words else "reconfigure" if "--reconfigure" in words else words[0]
    print("10:00:00 INFO Containerlab started version=0.79.0", file=sys.stderr)
    if "--topo" in words:
        topology = Path(words[words.index("--topo") + 1])
        print("10:00:00 INFO Parsing & checking topology file=" + topology.name, file=sys.stderr)
        if not topology.exists():
            print(f"Error: stat {topology}: no such file or directory", file=sys.stderr)
            return 1
    for when in ("fail", "hang"):
        text = scene.get(when, {}).get(verb)
        if text:
            print(f"10:00:01 {'ERRO' if when == 'fail' else 'WARN'} {text}", file=sys.stderr, flush=True)
            if when == "hang":
                time.sleep(30)
            return 1
    if verb == "plan":
        print(json.dumps(scene["plan"]))
    elif verb == "deploy":
        if "after" in scene:
            (folder / "scene.json").write_text(json.dumps({**scene, "inspect": scene["after"]}))
        print(json.dumps(scene.get("after", scene["inspect"])))
    elif verb in ("restart", "reconfigure"):
        (folder / "scene.json").write_text(json.dumps({**scene, "nodes": scene.get("repaired", scene.get("nodes", {}))}))
        print(json.dumps(scene["inspect"]))
    elif verb == "destroy":
        (folder / "scene.json").write_text(json.dumps({**scene, "inspect": {}}))
    elif verb == "inspect":
        print(json.dumps(scene["inspect"]))
    return 0


sys.exit(main())
