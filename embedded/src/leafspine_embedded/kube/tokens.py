"""Service account tokens: signed (HS256 JWT) with a key of the cluster, bound to the account's uid."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

ISSUER = "https://kubernetes.default.svc.cluster.local"


def mint(key: bytes, namespace: str, account: str, uid: str, *, seconds: int = 3607) -> str:
    """A token for a service account, valid for `seconds`."""
    issued = int(time.time())
    claims = {
        "aud": [ISSUER],
        "exp": issued + seconds,
        "iat": issued,
        "iss": ISSUER,
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": account, "uid": uid}},
        "sub": f"system:serviceaccount:{namespace}:{account}",
    }
    signed = _encode({"alg": "HS256", "typ": "JWT"}) + "." + _encode(claims)
    return signed + "." + _base64(_sign(key, signed))


def verify(key: bytes, token: str) -> dict[str, Any] | None:
    """The claims of a token that this key signed and that has not expired; else None."""
    signed, _, signature = token.rpartition(".")
    try:
        good = hmac.compare_digest(_unbase64(signature), _sign(key, signed))
        claims = json.loads(_unbase64(signed.partition(".")[2])) if good else None
    except ValueError:
        return None
    return claims if isinstance(claims, dict) and claims.get("exp", 0) > time.time() else None


def _sign(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _encode(value: Any) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
