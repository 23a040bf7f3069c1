#!/usr/bin/env python3
"""A container that answers ``readlink /proc/self/ns/net`` and ``ls /sys/class/net`` from the scene file beside containerlab's: see fake_containerlab.py.

``nodes``: ``{container: {space: text, links: [names]}}``; one that is not listed does not run.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

container, *words = sys.argv[1:]
node = json.loads((Path(os.environ["FAKE_CONTAINERLAB"]) / "scene.json").read_text()).get("nodes", {}).get(container)
if node is None:
    print(f"Error response from daemon: No such container: {container}", file=sys.stderr)
    sys.exit(1)
answers = {"true": "", "readlink": f"net:[{node.get('space')}]\n", "ls": "\n".join(["lo", *node.get("links", [])])}
print(answers[words[0]], end="")
