"""SSH options of the configuration."""

from __future__ import annotations

import asyncssh
import pytest
from ansible_collections.leafspine.calico.tests.integration.helpers.frr_boxes import tree
from leafspine_embedded.vyos import login, sshoptions
from leafspine_embedded.vyos.schema import grammar


def test_nothing_configured_is_the_server_s_own_choice() -> None:
    assert sshoptions.options(tree("set service ssh port 22")) == {}


def test_algorithms_and_rekeying() -> None:
    found = sshoptions.options(
        tree(
            "set service ssh ciphers aes256-ctr",
            "set service ssh ciphers aes128-gcm@openssh.com",
            "set service ssh mac hmac-sha2-256",
            "set service ssh key-exchange curve25519-sha256",
            "set service ssh rekey data 10",
            "set service ssh rekey time 60",
        )
    )
    assert found == {
        "encryption_algs": ["aes256-ctr", "aes128-gcm@openssh.com"],
        "mac_algs": ["hmac-sha2-256"],
        "kex_algs": ["curve25519-sha256"],
        "rekey_bytes": 10 * 1024 * 1024,
        "rekey_seconds": 3600,
    }


@pytest.mark.parametrize(("name", "option"), [("ciphers", "encryption_algs"), ("mac", "mac_algs"), ("key-exchange", "kex_algs")])
def test_the_server_knows_every_algorithm_the_table_takes(name: str, option: str) -> None:
    choices = grammar().children["service"].children["ssh"].children[name].choices
    assert len(choices) > 5
    for choice in choices:
        asyncssh.SSHServerConnectionOptions(server_factory=asyncssh.SSHServer, **{option: [choice]})
    with pytest.raises(ValueError):
        asyncssh.SSHServerConnectionOptions(server_factory=asyncssh.SSHServer, **{option: ["bogus"]})


USERS = ["set system login user vyos full-name x", "set system login user ops full-name y"]
ACCESS = "set service ssh access-control"


@pytest.mark.parametrize(
    ("lines", "users"),
    [
        ([], ["ops", "vyos"]),
        ([f"{ACCESS} deny user ops"], ["vyos"]),
        ([f"{ACCESS} allow user ops"], ["ops"]),
        ([f"{ACCESS} allow user ops", f"{ACCESS} deny user ops"], []),
        ([f"{ACCESS} allow group sudo"], ["ops", "vyos"]),
        ([f"{ACCESS} allow group wheel"], []),
        ([f"{ACCESS} deny group vyattacfg"], []),
        ([f"{ACCESS} deny group wheel"], ["ops", "vyos"]),
        (["set system login user ops disable"], ["vyos"]),
    ],
)
def test_access_control(lines: list[str], users: list[str]) -> None:
    assert login.users(tree(*USERS, *lines)) == users


def test_banners_and_timeout() -> None:
    made = tree("set system login banner pre-login 'one\\ntwo'", "set system login timeout 600")
    assert sshoptions.banner(made, "pre-login") == "one\ntwo\n"
    assert sshoptions.banner(made, "post-login") is None
    assert sshoptions.idle_seconds(made) == 600
    assert sshoptions.idle_seconds(tree()) is None
