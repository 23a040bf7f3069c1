# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's part of the module ``lab_results``: the same files into a folder of the controller."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.leafspine.calico.plugins.module_utils.files import write_texts


class ActionModule(ActionBase):
    """Runs the module on the lab host, and keeps the files here when that went well."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        files = {name: str(text) for name, text in self._task.args.get("files", {}).items()}
        arguments = {**self._task.args, "files": files}
        result: dict[str, Any] = self._execute_module("leafspine.calico.lab_results", module_args=arguments, task_vars=task_vars)
        folder = self._task.args.get("controller")
        if folder and not result.get("failed") and not self._task.check_mode:
            try:
                write_texts(os.path.abspath(os.path.expanduser(folder)), files)
            except OSError as error:
                raise AnsibleActionFail(f"controller {folder}: {error}") from error
        return result
