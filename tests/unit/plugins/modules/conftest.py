"""Runs a module as Ansible does, up to its JSON, with the machine's commands replaced by a table."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str]) -> Run:
    """Call ``main`` of a module and return the JSON that it printed; ``failed`` is in it exactly when the module failed."""

    def run(module: ModuleType, *, check: bool = False, **params: Any) -> dict[str, Any]:
        capsys.readouterr()
        with patch_module_args({**params, "_ansible_check_mode": check, "_ansible_diff": True}), pytest.raises(SystemExit) as ended:
            module.main()
        printed = capsys.readouterr()
        result = json.loads(printed.out)
        assert bool(ended.value.code) == bool(result.get("failed")), printed.err
        assert isinstance(result, dict)
        return result

    return run


class Commands:
    """What ``run_command`` answers. ``answers`` maps the beginning of a command line to (rc, out, err); the longest that fits is taken."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, str, str]] = {}
        self.seen: list[str] = []

    def answer(self, start: str, out: Any = "", rc: int = 0, err: str = "") -> None:
        self.answers[start] = (rc, out if isinstance(out, str) else json.dumps(out), err)

    def run(self, module: AnsibleModule, args: list[str], check_rc: bool = False, **_more: Any) -> tuple[int, str, str]:
        line = " ".join(args)
        self.seen.append(line)
        fitting = [start for start in self.answers if line.startswith(start)]
        assert fitting, f"unexpected command: {line}"
        rc, out, err = self.answers[max(fitting, key=len)]
        if check_rc and rc != 0:
            module.fail_json(msg=err, rc=rc)
        return rc, out, err


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    table = Commands()
    monkeypatch.setattr(AnsibleModule, "run_command", lambda module, args, **more: table.run(module, args, **more))
    return table
