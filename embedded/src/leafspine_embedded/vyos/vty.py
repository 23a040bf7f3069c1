"""The vty socket of an FRR daemon: one command in, its output and return code out.

Protocol (as vtysh speaks it): the command and a NUL byte; the answer is text, then three NUL bytes and the return code.
"""

from __future__ import annotations

import socket
from pathlib import Path

_END = b"\0\0\0"
SUCCESS = 0


class VtyError(Exception):
    """The daemon does not answer (it is not there, or closed the connection)."""


class Vty:
    """A connection in the enabled view. Blocking: use it in a thread of its own when others must not wait."""

    def __init__(self, path: Path, timeout: float = 20.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(timeout)
        self.name = path.stem
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise VtyError(f"{self.name} is not running ({error.strerror})") from None
        self.command("enable")

    def __enter__(self) -> Vty:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def command(self, line: str) -> tuple[int, str]:
        """Return code and output of one command. Raises VtyError when the connection breaks, ValueError for a line with control characters."""
        if any(character in line for character in "\0\r\n"):
            raise ValueError("a command is one line")
        try:
            self._socket.sendall(line.encode() + b"\0")
            answer = bytearray()
            while not (len(answer) >= 4 and answer[-4:-1] == _END):
                piece = self._socket.recv(65536)
                if not piece:
                    raise VtyError(f"{self.name} closed the connection at: {line}")
                answer += piece
        except OSError as error:
            raise VtyError(f"{self.name} does not answer at: {line} ({error})") from None
        return answer[-1], bytes(answer[:-4]).decode(errors="replace")


def ask(directory: Path, daemon: str, line: str) -> str:
    """Output of one command of one daemon, whatever its return code. Raises VtyError."""
    with Vty(directory / f"{daemon}.vty") as vty:
        return vty.command(line)[1]
