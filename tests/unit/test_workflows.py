"""The workflows that run elsewhere: they are YAML that says what a runner needs, and what they call is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ORDER = ["site", "site", "verify", "drill", "destroy"]


def problems(workflow: dict[Any, Any]) -> list[str]:
    """What a runner would refuse or what would fail for a name. YAML 1.1 reads the key `on` as true."""
    found = [f"no {key}" for key in ("name", "jobs", "permissions") if key not in workflow] + ([] if workflow.get("on") or workflow.get(True) else ["no on"])
    for name, job in workflow.get("jobs", {}).items():
        found += [f"{name}: no {key}" for key in ("runs-on", "timeout-minutes", "steps") if key not in job]
        for step in job.get("steps", []):
            if ("run" in step) == ("uses" in step):
                found.append(f"{name}: a step must have either run or uses: {step}")
            text = step.get("run", "")
            paths = [*re.findall(r"\bplaybooks/\w+\.yml", text), *re.findall(r"-f (images/\S+)", text), *re.findall(r"\binventories/\S+\.yml", text)]
            found += [f"{name}: there is no {path}" for path in paths if not (ROOT / path).exists()]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_workflow_is_complete_and_what_it_calls_is_there(path: Path) -> None:
    assert problems(yaml.safe_load(path.read_text(encoding="utf-8"))) == []


def test_what_is_wrong_is_found() -> None:
    steps = [{"run": "x playbooks/nothing.yml"}, {"name": "empty"}]
    found = problems({"name": "x", "on": "push", "permissions": {}, "jobs": {"one": {"runs-on": "y", "steps": steps}}})
    assert [problem.split(": ", 1)[1].split(":")[0] for problem in found] == [
        "no timeout-minutes",
        "there is no playbooks/nothing.yml",
        "a step must have either run or uses",
    ]


def test_the_engine_of_real_tools_is_built_twice_verified_drilled_and_destroyed() -> None:
    job = yaml.safe_load((ROOT / ".github/workflows/containers.yml").read_text(encoding="utf-8"))["jobs"]["lab"]
    called = [name for step in job["steps"] for name in re.findall(r"playbooks/(\w+)\.yml", step.get("run", ""))]
    assert called == ORDER
    destroy = next(step for step in job["steps"] if "destroy.yml" in step.get("run", ""))
    assert destroy["if"] == "always()"
