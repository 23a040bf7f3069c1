# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets in texts that leave the lab host: known values wherever they stand, and what the formats of this project call a secret.

Pure functions. Formats: set-lines and config.boot of VyOS, FRR's and BIRD's configuration, kubeconfig, PEM, Kubernetes Secrets as
JSON or YAML, password hashes of crypt(3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "********"

# Each pattern keeps its group "before" (and "after", where it has one) and loses the rest.
_PATTERNS = (
    # A key in PEM, also where line ends are written as \n (JSON).
    re.compile(r"(?P<before>-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----).*?(?P<after>-----END [A-Z0-9 ]*PRIVATE KEY-----)", re.DOTALL),
    # VyOS: plaintext-password 'x', encrypted-password x, password x. FRR: neighbor A password x. BIRD: password "x";
    re.compile(r"(?P<before>\b(?:plaintext-|encrypted-)?password[ \t]+)(?:'[^'\n]*'|\"[^\"\n]*\"|[^\s;{}]+)(?P<after>)"),
    # kubeconfig and other YAML or JSON: a key that names a secret, with its value on the same line.
    re.compile(
        r"(?P<before>\"?\b(?:client-key-data|token|password|secret|(?:plaintext|encrypted)-password|router_password|router_salt)\"?:[ \t]*\"?)"
        r"[^\s\",{}\[\]]+(?P<after>)",
        re.IGNORECASE,
    ),
    # Hashes of crypt(3): $6$salt$hash.
    re.compile(r"(?P<before>\$(?:1|2[aby]?|5|6|y)\$)[./A-Za-z0-9=,$]{8,}(?P<after>)"),
)
SHORTEST = 6  # a secret shorter than this is not looked for by its value: it would hit anything


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without any of the secrets and without what looks like one."""
    for secret in sorted({one for one in secrets if len(one) >= SHORTEST}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(lambda match: f"{match['before']}{MASK}{match['after'] or ''}", text)
    return text
