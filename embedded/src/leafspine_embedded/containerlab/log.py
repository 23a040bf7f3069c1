"""Log lines as containerlab writes them: to standard error, never to standard output."""

from __future__ import annotations

import sys
import time

_LEVELS = {"trace": 0, "debug": 1, "info": 2, "warning": 3, "warn": 3, "error": 4, "fatal": 5}
_threshold = _LEVELS["info"]


def set_level(name: str) -> bool:
    """Choose what is shown; False for an unknown level."""
    global _threshold
    if name not in _LEVELS:
        return False
    _threshold = _LEVELS[name]
    return True


def _write(level: str, text: str) -> None:
    if _LEVELS[level] >= _threshold:
        word = {"warning": "WARN", "error": "ERRO"}.get(level, level.upper())
        print(f"{time.strftime('%H:%M:%S')} {word} {text}", file=sys.stderr, flush=True)


def info(text: str) -> None:
    _write("info", text)


def debug(text: str) -> None:
    _write("debug", text)


def warning(text: str) -> None:
    _write("warning", text)
