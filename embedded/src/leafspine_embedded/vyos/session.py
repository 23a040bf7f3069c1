"""One login of a VyOS router as a state machine without I/O: a line in, a reply out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from leafspine_embedded.vyos import configmode, opmode, pipes
from leafspine_embedded.vyos.merge import merge
from leafspine_embedded.vyos.model import OpUnsupported, Router
from leafspine_embedded.vyos.optable import OpError
from leafspine_embedded.vyos.tree import Tree
from leafspine_embedded.vyos.words import Line, LineError, split

HISTORY = 500


@dataclass(slots=True)
class Reply:
    """What to print (`output`, then the pieces of `stream`; lines end in \\n) before the next prompt.

    `close`: the login ends.
    """

    output: str = ""
    close: bool = False
    stream: AsyncIterator[str] | None = None


Answer = Callable[[bool], Awaitable[str]]


class Session:
    """State of one login. `await line(text)` never raises; `prompt` is what to print afterwards."""

    def __init__(self, router: Router, user: str = "vyos") -> None:
        self.router = router
        self.user = user
        self.hostname = router.hostname  # a running shell keeps the name it started with
        self.configuring = False
        self.level: list[str] = []
        self.base = Tree()
        self.candidate = Tree()
        self.question: Answer | None = None
        self.history: list[str] = []
        self.query_help = True  # a `?` asks for help

    @property
    def prompt(self) -> str:
        """The prompt, with \\r\\n after the `[edit]` line; "" while a question waits for its answer."""
        if self.question is not None:
            return ""
        if not self.configuring:
            return f"{self.user}@{self.hostname}:~$ "
        level = " ".join(["edit", *self.level])
        return f"[{level}]\r\n{self.user}@{self.hostname}# "

    @property
    def modified(self) -> bool:
        return self.candidate != self.base

    async def line(self, text: str) -> Reply:
        """Run one line. Whatever goes wrong becomes text."""
        try:
            return await self._line(text)
        except LineError as error:
            return Reply(f"\n  Invalid command: {error}\n\n")
        except OpError as error:
            return Reply("\n" + "".join(f"  {line}\n" for line in error.lines) + "\n")
        except OpUnsupported as error:
            return Reply(f"\n  Invalid command: {error} is not supported by the embedded engine\n\n")
        except pipes.PipeError as error:
            return Reply(str(error))
        except Exception as error:  # a login must survive a programming error, and say so
            return Reply(f"\n  internal error of the embedded engine: {type(error).__name__}: {error}\n\n")

    async def interrupt(self) -> Reply:
        """Control-C: an open question is cancelled."""
        if self.question is None:
            return Reply("")
        question, self.question = self.question, None
        return Reply(await question(False))

    async def _line(self, text: str) -> Reply:
        if self.question is not None:
            question, self.question = self.question, None
            return Reply(await question(text.strip().lower() in ("", "y", "yes")))
        if text.strip():
            self.history = [*self.history, text.strip()][-HISTORY:]
        line = split(text)
        if not line.words:
            return Reply("" if not line.pipes else "\n  Invalid command: []\n\n")
        if self.configuring:
            return await self._configuration(line)
        return await self._operation(line)

    # -- operational mode ----------------------------------------------------------

    async def _operation(self, line: Line) -> Reply:
        words = opmode.resolve(line.words)
        if words[:4] == ["set", "terminal", "key", "query-help"]:
            self.query_help = words[4] != "disable"
        if words == ["configure"]:
            if line.pipes:
                raise pipes.PipeError("\n  Invalid command: [configure]\n\n")
            self.configuring = True
            self.level = []
            self._reset()
            return Reply("")
        if words[0] in ("exit", "logout"):
            return Reply("logout\n", close=True)
        return await self.run(words, line.pipes)

    async def run(self, words: list[str], pipe_words: list[list[str]]) -> Reply:
        """An operational command in full words, through its pipes."""
        output = opmode.pure(self.router, words)
        if words == ["show", "history"]:
            output = "".join(f"{number:5}  {line}\n" for number, line in enumerate(self.history, 1))
        if output is None:
            found = self.router.op(words)
            if hasattr(found, "__aiter__"):
                stream = cast(AsyncIterator[str], found)
                pipes.apply("", pipe_words)  # what is wrong with them is said first
                return Reply("", stream=pipes.stream(stream, pipe_words) if pipe_words else stream)
            output = await cast(Awaitable[Any], found)
        return Reply(pipes.apply(output, pipe_words))

    # -- configuration mode --------------------------------------------------------

    async def _configuration(self, line: Line) -> Reply:
        self.rebase()
        name, handler = configmode.find(line.words[0])
        if name == "run":
            words = opmode.resolve(line.words[1:])
            if words[0] in ("configure", "exit", "logout"):
                raise OpError(f"Invalid command: [{words[0]}]")
            return await self.run(words, line.pipes)
        if name == "exit":
            return self._leave(line.words[1:])
        result = handler(self, line.words[1:])
        output = result if isinstance(result, str) else await result
        if line.pipes:
            output = pipes.apply(output, line.pipes, configmode.pipe_sources(self, line.words[1:]))
        return Reply(output)

    def rebase(self) -> None:
        """Take in what other logins committed since this one last looked."""
        if self.router.running != self.base:
            self.candidate = Tree(merge(self.base.root, self.candidate.root, self.router.running.root))
            self.base = self.router.running.copy()

    def _reset(self) -> None:
        self.base = self.router.running.copy()
        self.candidate = self.base.copy()

    def discard(self) -> bool:
        """Drop the changes; False when there were none."""
        changed = self.modified
        self._reset()
        return changed

    def _leave(self, rest: list[str]) -> Reply:
        if rest == ["discard"]:
            self.discard()
        elif rest:
            return Reply(f"\n  Invalid command: exit [{rest[0]}]\n\n")
        elif self.level:
            self.level = []
            return Reply("")
        elif self.modified:
            return Reply("Cannot exit: configuration modified.\nUse 'exit discard' to discard the changes and exit.\n")
        warning = "" if self.router.running == self.router.saved else "Warning: configuration changes have not been saved.\n"
        self.configuring = False
        self.level = []
        return Reply(f"{warning}exit\n")
