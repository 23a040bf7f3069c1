# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a module of vyos.vyos; passwords are in no log and in nothing that is shown. See the module's documentation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import action_loader
from ansible_collections.leafspine.calico.plugins.module_utils.vyos_lines import masked

# What runs every module of the collection vyos.vyos.
NETWORK_ACTION = "vyos.vyos.vyos"


class ActionModule(ActionBase):
    """The task becomes the other module's for as long as that runs."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the module returned, masked or hidden."""
        super().run(tmp, task_vars)
        _result, args = self.validate_argument_spec(
            {
                "module": {"type": "str", "required": True},
                "options": {"type": "dict", "default": {}, "no_log": False},
                "result": {"type": "str", "choices": ["masked", "hidden"], "default": "masked"},
            }
        )
        with self._as(args["module"], args["options"]):
            action = action_loader.get(
                NETWORK_ACTION,
                task=self._task,
                connection=self._connection,
                play_context=self._play_context,
                loader=self._loader,
                templar=self._templar,
                shared_loader_obj=self._shared_loader_obj,
            )
            if action is None:
                raise AnsibleActionFail(f"there is no action {NETWORK_ACTION}; is the collection vyos.vyos installed?")
            result: dict[str, Any] = action.run(task_vars=task_vars)
        if args["result"] == "hidden" and not result.get("failed"):
            return {**result, "_ansible_no_log": True}
        shown: dict[str, Any] = masked({key: value for key, value in result.items() if key not in ("_ansible_no_log", "invocation")})
        return shown

    @contextmanager
    def _as(self, module: str, options: dict[str, Any]) -> Iterator[None]:
        task = self._task
        before = task.action, task.args, task.no_log
        task.action, task.args, task.no_log = module, options, True
        try:
            yield
        finally:
            task.action, task.args, task.no_log = before
