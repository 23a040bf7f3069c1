"""Controller side of the module lab_lock: a process that holds the lab host's lock and ends with this ansible-playbook.

Ansible runs every task in a process of its own, so the task cannot hold anything. It forks a keeper, which runs the holder (`module_utils.lab_lock`)
over the task's own connection, with its privileges, and kills itself and that connection when the process of ansible-playbook is gone, killed or not.
"""

from __future__ import annotations

import getpass
import os
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.leafspine.calico.plugins.module_utils.lab_lock import holder_command


def started(pid: int) -> str:
    """When a process started, in ticks; "" where the controller has no /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except OSError:
        return ""


def wait_for_end(pid: int) -> None:
    """Return when a process is gone."""
    try:
        gone = select.poll()
        gone.register(os.pidfd_open(pid), select.POLLIN)
        gone.poll()
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # no pidfd on this system
        while True:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return
            except PermissionError:
                pass
            time.sleep(0.5)


def this_run(playbook: int) -> dict[str, str]:
    """What the lock's file says about this run."""
    names = [os.path.basename(word) for word in sys.argv[1:] if word.endswith((".yml", ".yaml")) and not word.startswith("@")]
    where = socket.gethostname()
    return {
        "token": f"{where}:{playbook}:{started(playbook)}",
        "who": f"{' '.join(names) or 'ansible-playbook'} of {getpass.getuser()} on {where} (process {playbook})",
        "since": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
    }


class ActionModule(ActionBase):
    """Starts the keeper, then lets the module wait for what comes of it."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if self._task.check_mode:
            result.update(changed=False, holder={})
            return result
        playbook = os.getppid()
        note = this_run(playbook)
        arguments["token"] = note["token"]
        # Asked for again by the run that has it: the second holder waits in vain and goes away.
        self._keep(playbook, holder_command(str(arguments.get("path")), float(arguments.get("wait", 0)), note))
        result.update(self._execute_module(module_name="leafspine.calico.lab_lock", module_args=arguments, task_vars=task_vars))
        return result

    def _keep(self, playbook: int, command: str) -> None:
        """Fork the keeper."""
        if os.fork() != 0:
            return
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()

            def end_with_it() -> None:
                wait_for_end(playbook)
                os.killpg(0, signal.SIGKILL)

            threading.Thread(target=end_with_it, daemon=True).start()
            self._connection_of_its_own()
            self._low_level_execute_command(command, sudoable=True)
        finally:
            os._exit(0)

    def _connection_of_its_own(self) -> None:
        """Over SSH no shared connection: it is cut when this run ends, and others may use the shared one. (ssh takes the first of equal options.)"""
        try:
            arguments = self._connection.get_option("ssh_args")
        except KeyError:
            return
        self._connection.set_option("ssh_args", f"-o ControlMaster=no -o ControlPath=none {arguments or ''}")
