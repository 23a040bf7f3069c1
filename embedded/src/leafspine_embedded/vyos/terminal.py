"""Line editing on a terminal, without I/O: keys in, text for the screen and finished lines out.

Typed text at the end of a line is echoed as it is and never wrapped or drawn again: programs (network_cli) read their own echo. Only editing
that a program does not do (moving left, history) draws the line again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ESCAPE = re.compile(r"\x1b(\[[0-9;]*[A-Za-z~]|O[A-Z]|[^\[O])")
MAX_LINE = 65536
HISTORY = 500


@dataclass(frozen=True)
class Line:
    """A finished line."""

    text: str


@dataclass(frozen=True)
class Interrupt:
    """Control-C."""


@dataclass(frozen=True)
class EndOfFile:
    """Control-D on an empty line."""


@dataclass(frozen=True)
class Complete:
    """Tab: the text before the position."""

    text: str


@dataclass(frozen=True)
class Help:
    """A question mark: the text before the position."""

    text: str


Event = Line | Interrupt | EndOfFile | Complete | Help


class Terminal:
    """State of one terminal: the line being typed, the position in it, the history."""

    def __init__(self, *, echo: bool = True) -> None:
        self.echo = echo
        self.completes = False  # Tab and `?` are events, not characters
        self.prompt = ""
        self.text = ""
        self.position = 0
        self._history: list[str] = []
        self._at = 0
        self._escape = ""
        self._after_return = False

    def start(self, prompt: str) -> None:
        """A new prompt is on the screen (its last line counts for drawing again)."""
        self.prompt = prompt.rsplit("\n", 1)[-1]
        self.text, self.position, self._at = "", 0, len(self._history)

    def key(self, character: str) -> tuple[str, Event | None]:
        """One character: what to write to the screen, and what happened."""
        if self._escape or character == "\x1b":
            return self._escaped(character), None
        if character == "\n" and self._after_return:
            self._after_return = False
            return "", None
        self._after_return = character == "\r"
        if character in "\r\n":
            return ("\r\n" if self.echo else ""), self._finish()
        if character == "\x03":
            self.text, self.position = "", 0
            return "^C\r\n", Interrupt()
        if character == "\x04":
            return ("", EndOfFile()) if not self.text else ("", None)
        if self.completes and character in "\t?":
            before = self.text[: self.position]
            return "", Complete(before) if character == "\t" else Help(before)
        return self._edit(character), None

    def insert(self, text: str) -> str:
        """Text that was not typed (a completion, a literal `?`): what to write to the screen."""
        return "".join(self._edit(character) for character in text)

    def again(self) -> str:
        """Prompt and text once more, behind a list that was printed."""
        back = len(self.text) - self.position
        return f"{self.prompt}{self.text}" + (f"\x1b[{back}D" if back else "")

    def _finish(self) -> Line:
        text, self.text, self.position = self.text, "", 0
        if text.strip() and self._history[-1:] != [text]:
            self._history = [*self._history, text][-HISTORY:]
        return Line(text)

    def _edit(self, character: str) -> str:
        if character in "\x7f\x08":
            return self._erase(self.position - 1, self.position)
        if character == "\x15":
            return self._erase(0, self.position)
        if character == "\x0b":
            return self._erase(self.position, len(self.text))
        if character == "\x17":
            return self._erase(self.text[: self.position].rstrip().rfind(" ") + 1, self.position)
        if character in "\x01\x05":
            self.position = 0 if character == "\x01" else len(self.text)
            return self._draw()
        if character == "\t":
            character = " "
        if not character.isprintable() or len(self.text) >= MAX_LINE:
            return ""
        at_end = self.position == len(self.text)
        self.text = self.text[: self.position] + character + self.text[self.position :]
        self.position += 1
        if not self.echo:
            return ""
        return character if at_end else self._draw()

    def _erase(self, begin: int, end: int) -> str:
        if begin < 0 or begin == end:
            return ""
        one_at_end = end == len(self.text) and end - begin == 1
        self.text = self.text[:begin] + self.text[end:]
        self.position = begin
        if not self.echo:
            return ""
        return "\b \b" if one_at_end else self._draw()

    def _escaped(self, character: str) -> str:
        self._escape += character
        if not _ESCAPE.fullmatch(self._escape):
            if len(self._escape) > 16:
                self._escape = ""
            return ""
        sequence, self._escape = self._escape[-1], ""
        if sequence == "D" and self.position > 0:
            self.position -= 1
            return "\b"
        if sequence == "C" and self.position < len(self.text):
            self.position += 1
            return self.text[self.position - 1]
        if sequence in "HF":
            self.position = 0 if sequence == "H" else len(self.text)
            return self._draw()
        if sequence == "A" and self._at > 0:
            return self._recall(self._at - 1)
        if sequence == "B" and self._at < len(self._history):
            return self._recall(self._at + 1)
        return ""

    def _recall(self, number: int) -> str:
        self._at = number
        self.text = self._history[number] if number < len(self._history) else ""
        self.position = len(self.text)
        return self._draw()

    def _draw(self) -> str:
        if not self.echo:
            return ""
        back = len(self.text) - self.position
        return f"\r\x1b[K{self.prompt}{self.text}" + (f"\x1b[{back}D" if back else "")
