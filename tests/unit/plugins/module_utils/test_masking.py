"""Secrets in texts: none stays, everything else does."""

from __future__ import annotations

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.masking import MASK, mask

KEY = "EC PRIVATE" + " KEY"  # in two parts: no key stands in this file


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("set protocols bgp neighbor 10.1.10.2 password 'Abc 123'", f"set protocols bgp neighbor 10.1.10.2 password {MASK}"),
        (" neighbor 10.1.10.2 password hunter2\n neighbor 10.1.10.2 timers 3 9", f" neighbor 10.1.10.2 password {MASK}\n neighbor 10.1.10.2 timers 3 9"),
        (
            "set system login user vyos authentication encrypted-password '$6$salt$abcDEF'",
            f"set system login user vyos authentication encrypted-password {MASK}",
        ),
        ('  encrypted-password "$6$salt$abcDEF./"\n}', f"  encrypted-password {MASK}\n}}"),
        ('  password "secret";\n  hold time 9;', f"  password {MASK};\n  hold time 9;"),
        ("    client-key-data: LS0tLS1CRUdJTg==\n    x: y", f"    client-key-data: {MASK}\n    x: y"),
        ('{"token": "eyJhbGciOi.x.y", "name": "a"}', f'{{"token": "{MASK}", "name": "a"}}'),
        (
            f"-----BEGIN {KEY}-----\nMHcCAQEE\n-----END {KEY}-----\n-----BEGIN CERTIFICATE-----\nMIIB\n",
            f"-----BEGIN {KEY}-----{MASK}-----END {KEY}-----\n-----BEGIN CERTIFICATE-----\nMIIB\n",
        ),
        ("root:$6$abc$ZZZZZZZZZZ:1:", f"root:$6${MASK}:1:"),
    ],
)
def test_what_a_format_calls_a_secret(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    ["set protocols bgp neighbor 10.1.10.2 remote-as 500", "service-account-token controller", "show configuration | match password", "costs $5 and $6 more"],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text


def test_known_values_go_wherever_they_stand() -> None:
    assert mask("login vyos/Xk3mmPq9, again Xk3mmPq9", ["Xk3mmPq9", "abc"]) == f"login vyos/{MASK}, again {MASK}"
    assert mask("abcdef", ["abc"]) == "abcdef"
    assert mask("longer-secret-value", ["longer-secret", "longer-secret-value"]) == MASK
