"""Run a module's main() in this process with given arguments, and a fake tool beside it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

HERE = Path(__file__).parent


class Outcome(Exception):
    """What the module ended with."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(result)
        self.result = result


def run_module(main: Callable[[], None], arguments: dict[str, Any], *, check: bool = False, diff: bool = True) -> dict[str, Any]:
    """The module's result, with its warnings; `failed` is there when it failed."""
    warnings: list[str] = []

    def warn(_module: AnsibleModule, text: str) -> None:
        warnings.append(text)

    def leave(_module: AnsibleModule, **result: Any) -> None:
        json.dumps(result)
        raise Outcome({"warnings": warnings, **result})

    def fail(_module: AnsibleModule, msg: str, **result: Any) -> None:
        json.dumps(result)
        raise Outcome({"warnings": warnings, **result, "msg": msg, "failed": True})

    with (
        patch_module_args({**arguments, "_ansible_check_mode": check, "_ansible_diff": diff}),
        patch.object(AnsibleModule, "warn", warn),
        patch.object(AnsibleModule, "exit_json", leave),
        patch.object(AnsibleModule, "fail_json", fail),
    ):
        try:
            main()
        except Outcome as outcome:
            return outcome.result
    raise AssertionError("the module ended without a result")


class FakeTool:
    """A fake executable with its folder: what it holds, what it shall answer, what it was asked."""

    def __init__(self, folder: Path, script: str) -> None:
        self.folder = folder
        self.executable = [sys.executable, str(HERE / script)]
        os.environ["FAKE_DIR"] = str(folder)

    @property
    def store(self) -> dict[str, Any]:
        path = self.folder / "store.json"
        return json.loads(path.read_text()) if path.exists() else {}

    @store.setter
    def store(self, value: dict[str, Any]) -> None:
        (self.folder / "store.json").write_text(json.dumps(value))

    def answers(self, *rows: dict[str, Any]) -> None:
        (self.folder / "script.json").write_text(json.dumps(rows))

    @property
    def calls(self) -> list[dict[str, Any]]:
        path = self.folder / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def verbs(self) -> list[str]:
        return [call["argv"][0] for call in self.calls]

    def forget(self) -> None:
        (self.folder / "calls.jsonl").unlink(missing_ok=True)
