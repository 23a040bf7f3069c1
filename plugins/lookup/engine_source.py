# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: engine_source
short_description: The embedded engine's source, ready to be carried to the lab host
description:
  - The lab host installs the embedded engine from the same checkout (or installed collection) that the playbook runs from.
  - Packs the folder C(embedded) and its hash-locked requirements the same way every time, so that the digest tells whether anything differs.
options:
  _terms:
    description: >-
      V(digest) is a SHA-256 over everything, V(archive) all of it as a gzipped tar archive in base64.
    choices: [digest, archive]
    required: true
author:
  - The leafspine.calico authors (@leafspine)
"""

EXAMPLES = r"""
- ansible.builtin.debug:
    msg: "{{ lookup('leafspine.calico.engine_source', 'digest') }}"
"""

RETURN = r"""
_raw:
  description: What was asked for, one string a term.
  type: list
  elements: str
"""

import base64
import gzip
import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

# Of the package only what runs: no caches, no build leftovers.
SUFFIXES = {".py", ".toml", ".yaml", ".yml", ".json", ".typed", ".sh"}


REQUIREMENTS = ("bootstrap.txt", "embedded.txt")


def collection_root() -> Path:
    return Path(__file__).resolve().parents[2]


def source_files(root: Path) -> list[Path]:
    """Files of the package and its requirements, in a stable order."""
    package = (path for path in (root / "embedded").rglob("*") if path.is_file() and path.suffix in SUFFIXES and not path.name.startswith("."))
    kept = sorted(path for path in package if "__pycache__" not in path.parts and not any(part.endswith(".egg-info") for part in path.parts))
    return [*kept, *(root / "requirements" / name for name in REQUIREMENTS)]


def archive(root: Path) -> bytes:
    """The source as tar.gz; the same bytes for the same content (no times, no owners)."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for path in source_files(root):
            entry = tarfile.TarInfo(str(path.relative_to(root)))
            data = path.read_bytes()
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


class LookupModule(LookupBase):
    """Adapter: reads the checkout on the controller."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        source = archive(collection_root())
        answers = {"digest": hashlib.sha256(source).hexdigest(), "archive": base64.encodebytes(source).decode()}
        unknown = [term for term in terms if term not in answers]
        if unknown:
            raise AnsibleLookupError(f"engine_source: {', '.join(unknown)}; allowed: {', '.join(answers)}")
        return [answers[term] for term in terms]
