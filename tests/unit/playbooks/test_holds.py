"""How verify.yml ends (tasks/holds.yml): the result is kept, then the play succeeds or fails with what does not hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from observed_lab import all_checks, healthy

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOK = f"""
- hosts: localhost
  gather_facts: false
  vars: {{lab_host: localhost, lab_engine: embedded}}
  tasks:
    - ansible.builtin.set_fact:
        lab_checks: "{{{{ given_checks }}}}"
        lab_began: "{{{{ given_began }}}}"
    - ansible.builtin.import_tasks: {ROOT}/playbooks/tasks/holds.yml
"""


def without_neighbour(lab: dict[str, Any]) -> None:
    del lab["tables"]["leaf0"]["sessions"]["ipv4Unicast"]["peers"]["10.133.12.2"]


def nothing(lab: dict[str, Any]) -> None:
    pass


COUNT = len(all_checks(healthy()))


@pytest.mark.parametrize(
    ("change", "rc", "words"),
    [(nothing, 0, f"{COUNT} of {COUNT} expectations hold"), (without_neighbour, 2, "expectations do not hold")],
    ids=["holds", "fails"],
)
def test_the_result_is_kept_and_told(tmp_path: Path, change: Callable[[dict[str, Any]], None], rc: int, words: str) -> None:
    lab = healthy()
    change(lab)
    variables = {
        "given_checks": all_checks(lab),
        "given_began": "2026-11-25T10:00:00.000000Z",
        "fabric": lab["fabric"],
        "lab_dir": str(tmp_path / "lab"),
        "lab_results": str(tmp_path / "here"),
        "ansible_python_interpreter": sys.executable,
    }
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    (tmp_path / "vars.json").write_text(json.dumps(variables))
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i",
        "localhost,",
        "-c",
        "local",
        str(tmp_path / "play.yml"),
        "-e",
        f"@{tmp_path}/vars.json",
    ]
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=180, check=False)
    assert done.returncode == rc, done.stdout + done.stderr
    assert words in done.stdout
    if rc:
        assert "look     ./lab shell leaf0 show bgp summary" in done.stdout
    texts = {path.relative_to(tmp_path).as_posix(): path.read_text() for folder in ("lab/results", "here") for path in (tmp_path / folder).iterdir()}
    assert sorted(texts) == ["here/verify.json", "here/verify.xml", "lab/results/verify.json", "lab/results/verify.xml"]
    assert texts["here/verify.json"] == texts["lab/results/verify.json"]
    result = json.loads(texts["here/verify.json"])
    jsonschema.validate(result, json.loads((ROOT / "playbooks" / "files" / "result.schema.json").read_text()))
    assert result["outcome"] == ("failed" if rc else "passed")
    assert texts["here/verify.xml"].startswith("<testsuites")
