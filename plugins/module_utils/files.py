"""Files that a module keeps on the lab host: read, compare, replace as a whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping


def read_text(path: str) -> str | None:
    """The file's text, or None when there is no such file."""
    if "\0" in path:  # no file can have such a name
        return None
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except FileNotFoundError:
        return None


def make_private(folder: str) -> None:
    """Make a folder and those above it that are missing, all of mode 0700 (``os.makedirs`` gives its mode to the last one only)."""
    if not os.path.isdir(folder):
        make_private(os.path.dirname(folder))
        os.mkdir(folder, mode=0o700)


def write_atomic(path: str, text: str, mode: int = 0o600) -> None:
    """Replace the file in one step, so that a reader or a crash never meets half of it."""
    folder = os.path.dirname(path)
    make_private(folder)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".new-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_texts(folder: str, texts: Mapping[str, str]) -> None:
    """Replace files of a folder, text by file name, each as a whole; what has to be made is private."""
    for name, text in texts.items():
        write_atomic(os.path.join(folder, name), text)
