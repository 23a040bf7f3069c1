"""Run a command line tool of the lab host from a module: found on a given PATH, bounded in time, its output kept."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any, NamedTuple


class Failure(Exception):
    """What a module hands to fail_json: a message, a machine-readable reason, what to do, and structured details."""

    def __init__(self, message: str, *, reason: str, hint: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.hint = hint
        self.details = details

    def as_result(self) -> dict[str, Any]:
        """Arguments of fail_json; the hint is also part of the message, because people read only that."""
        text = self.message if not self.hint else f"{self.message.rstrip('.')}. {self.hint}"
        return {**self.details, "msg": text, "reason": self.reason, "hint": self.hint}


class Result(NamedTuple):
    """One finished (or stopped) command. `rc` is None when it was stopped at its time limit."""

    argv: list[str]
    rc: int | None
    stdout: str
    stderr: str
    seconds: float

    @property
    def text(self) -> str:
        """Standard error and standard output together: some tools write their errors to the latter."""
        return "\n".join(part.strip() for part in (self.stderr, self.stdout) if part.strip())

    def as_details(self) -> dict[str, Any]:
        return {"cmd": self.argv, "rc": self.rc, "stdout": self.stdout, "stderr": self.stderr}


class Tool:
    """An executable with its environment and its time limit.

    executable: the command as a list; its first word is a name on the PATH or a path, further words come before every call.
    path: folders searched before the PATH. environment: variables added to the module's own. timeout: seconds a call may take.
    """

    def __init__(
        self, executable: Sequence[str], *, path: Sequence[str] = (), environment: Mapping[str, str] | None = None, timeout: float = 60, grace: float = 2
    ) -> None:
        self.executable = list(executable)
        self.timeout = timeout
        self.grace = grace
        self.env = {**os.environ, **(environment or {})}
        self.env["PATH"] = os.pathsep.join([*path, self.env.get("PATH", os.defpath)])

    def find(self) -> str | None:
        """The executable's full path, or None when there is none that can be run."""
        return shutil.which(self.executable[0], path=self.env["PATH"]) if self.executable else None

    def require(self) -> str:
        """The executable's full path.

        Raises: Failure (executable_missing) that names what was looked for, and where.
        """
        found = self.find()
        if found is None:
            name = self.executable[0] if self.executable else "(empty)"
            where = "" if os.sep in name else f" in {self.env['PATH']}"
            raise Failure(
                f"executable {name} was not found{where}",
                reason="executable_missing",
                hint="Install it on the lab host (for an engine that brings it: --tags preflight), or name it with the option executable or its folder "
                "with the option path.",
                executable=self.executable,
            )
        return found

    def run(self, *words: str, stdin: str = "", timeout: float | None = None) -> Result:
        """Run the tool once and wait for it, at most `timeout` seconds (default: the tool's own); then its process group is killed.

        Raises: Failure when the executable is missing or cannot be started. A failing or stopped command is a Result.
        """
        argv = [self.require(), *self.executable[1:], *words]
        started = time.monotonic()
        # Files, not pipes: a daemon that the tool leaves behind may keep its output open, and reading a pipe would wait for that daemon.
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(stdin.encode())
            given.seek(0)
            try:
                process = subprocess.Popen(argv, stdin=given, stdout=out, stderr=err, env=self.env, start_new_session=True)
            except OSError as error:
                raise Failure(
                    f"{argv[0]} cannot be started: {error.strerror}", reason="executable_missing", hint="Is it made for this machine, and executable?"
                ) from error
            try:
                rc: int | None = process.wait(self.timeout if timeout is None else timeout)
            except subprocess.TimeoutExpired:
                rc = None
            finally:
                if process.returncode is None:
                    self._stop(process)
            return Result(argv, rc, _read(out), _read(err), round(time.monotonic() - started, 3))

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        """End the command's whole process group: politely, so that it can clean up, and for good after `grace` seconds."""
        for signum, wait in ((signal.SIGTERM, self.grace), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(wait)
                if signum == signal.SIGKILL:
                    return


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")
