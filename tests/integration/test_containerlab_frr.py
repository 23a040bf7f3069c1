"""Commits against real FRR daemons: every measured commit of the corpus, one after the other in random order, by difference alone."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.leafspine.calico.tests.integration.helpers.frr_boxes import boxes, running, tree
from leafspine_embedded.common import process
from leafspine_embedded.vyos import daemons, frrdiff, render
from leafspine_embedded.vyos.apply import Box
from leafspine_embedded.vyos.model import CommitError
from leafspine_embedded.vyos.schema import PathError
from leafspine_embedded.vyos.tree import Tree
from leafspine_embedded.vyos.vty import Vty

pytestmark = pytest.mark.root
NAMESPACE = "tb-frr"
CORPUS = Path(__file__).parents[1] / "contract" / "data" / "vyos" / "commits.jsonl"


def corpus() -> dict[str, Tree]:
    found = {}
    for line in CORPUS.read_text().splitlines():
        row = json.loads(line)
        try:
            if row["committed"]:
                found[row["name"]] = tree(*row["lines"])
        except PathError as error:
            assert error.unsupported, row["name"]
    return found


@pytest.fixture
def box() -> Iterator[Box]:
    with boxes("leafspine-tb-frr", [NAMESPACE]) as (only,):
        yield only


def test_the_corpus_in_random_order_by_difference_alone(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    commits = corpus()
    assert len(commits) > 30
    seed = random.randrange(10**6)
    order = random.Random(seed).sample(sorted(commits), len(commits))
    for name in order:
        box.commit(commits[name])
        assert not caplog.records, f"seed {seed}, {name}: {caplog.text}"
        assert running(box).lines() == frrdiff.parse(render.frr_config(commits[name])).lines(), f"seed {seed}, {name}"


BASE = [
    "set protocols bgp system-as 65005",
    "set protocols bgp neighbor 10.0.0.2 remote-as 500",
    "set protocols bgp neighbor 10.0.0.2 address-family ipv4-unicast",
]


def test_what_somebody_changed_in_frr_is_found_and_put_right(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    box.commit(tree(*BASE))
    with Vty(daemons.socket_dir(box.directory) / "bgpd.vty") as vty:
        for line in ("configure terminal", "router bgp 65005", "neighbor 10.9.9.9 remote-as 9", "no neighbor 10.0.0.2"):
            assert vty.command(line)[0] == 0
    new = tree(*BASE, "set protocols bgp neighbor 10.0.0.2 description changed")
    box.commit(new)
    assert "differs" in caplog.text
    assert running(box).lines() == frrdiff.parse(render.frr_config(new)).lines()


def test_a_refusal_in_the_middle_goes_back(box: Box) -> None:
    box.commit(tree(*BASE))
    before = running(box).lines()
    peer = "set protocols bgp neighbor 10.0.0.2 address-family ipv4-unicast"
    refused = tree(
        *BASE,
        "set protocols bgp neighbor 10.0.0.3 remote-as 7",
        "set policy prefix-list PL rule 1 action permit",
        "set policy prefix-list PL rule 1 prefix 10.0.0.0/8",
        "set policy access-list 10 rule 1 action permit",
        "set policy access-list 10 rule 1 source any",
        f"{peer} prefix-list import PL",
        f"{peer} distribute-list import 10",
    )
    with pytest.raises(CommitError, match="co-exist") as caught:
        box.commit(refused)
    assert caught.value.section == "protocols bgp"
    assert running(box).lines() == before
    box.commit(tree(*BASE, "set protocols bgp neighbor 10.0.0.3 remote-as 7"))


def test_a_daemon_that_died_fails_the_commit_and_restore_brings_all_back(box: Box) -> None:
    full = tree(*BASE, "set policy prefix-list PL rule 1 action permit", "set policy prefix-list PL rule 1 prefix 10.0.0.0/8")
    box.commit(full)
    process.stop(box.directory, "bgpd", timeout=0)
    with pytest.raises(CommitError, match="bgpd"):
        box.commit(tree(*BASE, "set protocols bgp neighbor 10.0.0.3 remote-as 7"))
    daemons.start(box.directory, NAMESPACE, ["bgpd"])
    daemons.wait([box.directory], ["bgpd"])
    box.restore(full)
    assert running(box).lines() == frrdiff.parse(render.frr_config(full)).lines()


def test_passwords_stay_out_of_logs_and_messages(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = [*BASE, "set protocols bgp neighbor 10.0.0.2 password s3cret-word"]
    box.commit(tree(*secret))
    with Vty(daemons.socket_dir(box.directory) / "bgpd.vty") as vty:
        for line in ("configure terminal", "router bgp 65005", "no neighbor 10.0.0.2 password"):
            assert vty.command(line)[0] == 0
    box.commit(tree(*secret, "set protocols bgp neighbor 10.0.0.2 description changed"))
    assert "password ******" in caplog.text
    # FRR takes up to 80 characters.
    with pytest.raises(CommitError) as caught:
        box.commit(tree(*BASE, f"set protocols bgp neighbor 10.0.0.2 password s3cret-word{'x' * 100}"))
    for text in (caplog.text, str(caught.value)):
        assert "s3cret" not in text
