"""Action masked: the other module runs as if the task were its own, with no_log; passwords are in nothing that is shown."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible_collections.leafspine.calico.plugins.action import masked
from ansible_collections.leafspine.calico.plugins.modules import masked as documented

LINE = "set protocols bgp neighbor 10.1.10.2 password 'S3cret'"
OPTIONS = {"commands": ["show configuration commands"]}


class Loader:
    """An action loader with one action, or none; it keeps what the action found its task to be."""

    def __init__(self, result: dict[str, Any] | None) -> None:
        self.result = result
        self.seen: dict[str, Any] = {}

    def get(self, name: str, task: Task, **_more: Any) -> Any:
        if self.result is None:
            return None

        def run(task_vars: Any) -> dict[str, Any]:
            self.seen = {"name": name, "action": task.action, "args": task.args, "no_log": task.no_log}
            if self.result == {"raise": True}:
                raise RuntimeError("broken")
            return dict(self.result or {})

        return SimpleNamespace(run=run)


def ran(returned: dict[str, Any] | None, **arguments: Any) -> tuple[dict[str, Any], Loader, Task]:
    task, loader = Task(), Loader(returned)
    task.action, task.args = "leafspine.calico.masked", {"module": "vyos.vyos.vyos_command", "options": OPTIONS, **arguments}
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/nowhere"))
    action = masked.ActionModule(task, connection, PlayContext(), None, None, None)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(masked, "action_loader", loader)
            return action.run(task_vars={}), loader, task
    finally:
        assert task.action == "leafspine.calico.masked"
        assert not task.no_log


def test_the_module_runs_as_its_own_task_and_logs_nothing() -> None:
    _result, loader, _task = ran({"changed": False})
    assert loader.seen == {"name": "vyos.vyos.vyos", "action": "vyos.vyos.vyos_command", "args": OPTIONS, "no_log": True}


def test_a_change_is_shown_without_passwords() -> None:
    result, _loader, _task = ran(
        {"changed": True, "commands": [LINE], "diff": {"prepared": '+ password "S3cret"'}, "invocation": {"lines": [LINE]}, "_ansible_no_log": True}
    )
    assert result["changed"] is True
    assert result["commands"] == ["set protocols bgp neighbor 10.1.10.2 password ********"]
    assert "S3cret" not in str(result)
    assert "_ansible_no_log" not in result


def test_what_a_task_needs_is_kept_and_hidden() -> None:
    result, _loader, _task = ran({"changed": False, "stdout": [LINE]}, result="hidden")
    assert result["stdout"] == [LINE]
    assert result["_ansible_no_log"] is True


def test_a_failure_is_shown_masked_in_any_case() -> None:
    result, _loader, _task = ran({"failed": True, "msg": f"Set failed: {LINE}"}, result="hidden")
    assert result["msg"] == "Set failed: set protocols bgp neighbor 10.1.10.2 password ********"
    assert "_ansible_no_log" not in result


def test_without_the_collection_it_says_what_is_missing() -> None:
    with pytest.raises(AnsibleActionFail, match=r"collection vyos\.vyos installed"):
        ran(None)


def test_the_task_is_itself_again_after_an_error() -> None:
    with pytest.raises(RuntimeError):
        ran({"raise": True})


@pytest.mark.parametrize("arguments", [{"result": "shown"}, {"lines": []}])
def test_other_arguments_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(AnsibleActionFail):
        ran({}, **arguments)


def test_the_documentation_has_the_arguments() -> None:
    assert set(yaml.safe_load(documented.DOCUMENTATION)["options"]) == {"module", "options", "result"}
