# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An archive for a bug report: texts and files with every secret masked. What is a secret by its nature is left out."""

from __future__ import annotations

import fnmatch
import io
import os
import tarfile
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.leafspine.calico.plugins.module_utils.files import make_private
from ansible_collections.leafspine.calico.plugins.module_utils.masking import SHORTEST, mask

# Files that hold nothing but secrets, keys, or the whole store of a cluster with its tokens.
LEFT_OUT = ("*/secrets/*", "*.key", "*_key", "*/store/*", "*.sock", "*.ctl", "*.tar.gz", "*.lock")
MOST = 2 << 20  # bytes of a file that are taken, its end


def known_secrets(directory: str) -> list[str]:
    """Values of the files in the lab's folder of secrets, as they are and in base64."""
    found = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as handle:
            value = handle.read().strip()
        if len(value) >= SHORTEST:
            found += [value, b64encode(value.encode()).decode()]
    return found


def files(paths: Iterable[str]) -> Iterator[str]:
    """Regular files of the paths and below them, in order, each once, without what is left out. Links below a path are not followed, a
    path that is one itself is when it ends with a slash."""
    known: set[str] = set()
    for path in paths:
        below = [os.path.join(folder, name) for folder, _folders, names in os.walk(path) for name in names] if os.path.isdir(path) else [path]
        for one in sorted(below):
            regular = os.path.isfile(one) and not os.path.islink(one) and os.path.realpath(one) not in known
            if regular and not any(fnmatch.fnmatchcase(one, pattern) for pattern in LEFT_OUT):
                known.add(os.path.realpath(one))
                yield one


def content(path: str, secrets: Iterable[str]) -> tuple[bytes, str]:
    """A file's end, masked where it is text, and a remark ("" for none). A binary file in which a secret stands is not given out."""
    size = os.path.getsize(path)
    with open(path, "rb") as handle:
        handle.seek(max(0, size - MOST))
        data = handle.read(MOST)
    remark = f"the last {MOST} of {size} bytes" if size > MOST else ""
    if b"\0" in data[:4096]:
        if any(secret.encode() in data for secret in secrets):
            return b"", "left out: a secret stands in it"
        return data, remark
    return mask(data.decode("utf-8", errors="replace"), secrets).encode(), remark


def write(target: str, name: str, texts: Mapping[str, str], paths: Iterable[str], secrets: Iterable[str]) -> list[str]:
    """Make the archive ``target`` (mode 0600, gzip), everything below a folder ``name``; returns what is in it, with remarks.

    ``texts``: by path in the archive. ``paths``: files and folders of this host. Raises OSError.
    """
    known = list(secrets)
    make_private(os.path.dirname(target))
    told = []
    temporary = f"{target}.new"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle, tarfile.open(fileobj=handle, mode="w:gz") as tar:

        def add(path: str, data: bytes, remark: str = "") -> None:
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size, entry.mode = len(data), 0o600
            tar.addfile(entry, io.BytesIO(data))
            told.append(f"{path}: {remark}" if remark else path)

        for path, text in sorted(texts.items()):
            add(path, mask(text, known).encode())
        for path in files(paths):
            try:
                data, remark = content(path, known)
            except OSError as error:
                data, remark = b"", f"could not be read: {error.strerror}"
            add(f"files/{path.lstrip('/')}", data, remark)
        contents = list(told)
        add("CONTENTS", "\n".join([*contents, ""]).encode())
    os.replace(temporary, target)
    return contents
