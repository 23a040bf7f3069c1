"""The report's document and page; what a reader sees of it in a browser is tested in tests/integration/test_report_page.py."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import drill_plot, lab_report
from report_samples import document, drill


class Outline(HTMLParser):
    """Ids, links, and what a page would load from elsewhere."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.anchors: list[str] = []
        self.elsewhere: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if tag == "a" and name == "href" and value:
                self.anchors.append(value)
            if name in ("src", "srcset", "data") or (name in ("href", "xlink:href") and not str(value).startswith("#")):
                self.elsewhere.append(f"{tag} {name}={value}")
        if tag in ("script", "link", "iframe", "object", "embed"):
            self.elsewhere.append(tag)


@pytest.mark.parametrize(("running", "kept"), [(True, True), (True, False), (False, True), (False, False)], ids=["all", "no results", "no lab", "nothing"])
def test_a_document_fits_its_schema_and_makes_a_page(running: bool, kept: bool) -> None:
    found = document(running=running, kept=kept)
    lab_report.validate(json.loads(json.dumps(found)))
    page = lab_report.page(found)
    outline = Outline(page)
    assert outline.elsewhere == []
    assert "url(http" not in page
    assert len(outline.ids) == len(set(outline.ids))
    assert {anchor.removeprefix("#") for anchor in outline.anchors} <= set(outline.ids)
    assert lab_report.verdict(found)["word"] == ("healthy" if running or kept else "unknown")


def test_a_sick_lab_is_told_at_the_top() -> None:
    found = document(sick=True)
    verdict = lab_report.verdict(found)
    assert verdict["word"] == "trouble"
    assert verdict["lines"] == [
        "leaf0 eth1: the link to spine0 eth1 is down",
        "spine0: session with leaf0 (10.133.10.1): Connect",
        "leaf0: session with spine0 (10.133.10.2): Active",
        "leaf0: 2 lines differ from the intent: delete nat source rule 7 description '<b>x</b>'",
        "verify: 5 of 454 expectations do not hold",
        "drill uplink, run 1: 1 of 2 expectations do not hold",
    ]
    page = lab_report.page(found)
    for line in verdict["lines"]:
        assert f"<li>{html.escape(line).replace('&#x27;', '&#39;')}</li>" in page
    assert "<b>x</b>" not in page


def test_differences_have_their_sign() -> None:
    found = {one["router"]: one["lines"] for one in lab_report.differences(document(sick=True))}
    assert found["leaf1"] == []
    assert [line["sign"] for line in found["leaf0"]] == ["+", "-"]
    assert found["leaf0"][1]["text"] == "protocols bgp neighbor 10.133.10.2 remote-as 500"


def test_flows_are_paired_by_direction() -> None:
    rows = lab_report.flow_rows(document())
    assert len(rows) >= 16
    assert {row["way"] for row in rows} == {"requests", "replies"} or all(row["requests"] and row["replies"] for row in rows)
    assert all(row["requests"]["ok"] and row["replies"]["ok"] for row in rows)


def test_results_of_another_lab_are_left_out() -> None:
    found = document()
    other = {**found["verify"], "lab": "another"}
    made = lab_report.report(found["intent"], {"engine": "embedded", "made": found["made"], "versions": {}}, None, [other])
    assert made["verify"] is None


@pytest.mark.parametrize(
    ("spoiled", "words"),
    [
        (lambda one: one.pop("holds"), r"drill result, \$: 'holds' is a required property"),
        (lambda one: one["flows"][0].update(lost=-1), r"drill result, \$\.flows\[0\]\.lost: -1 is less than the minimum of 0"),
        (lambda one: one.update(kind="movie"), "a result of kind 'movie'; known: verify, drill, report"),
    ],
    ids=["no verdict", "fewer than none", "no such kind"],
)
def test_a_result_that_is_none_is_refused_with_its_place(spoiled: Any, words: str) -> None:
    one = drill(0)
    spoiled(one)
    with pytest.raises(ValueError, match=words):
        lab_report.report(document()["intent"], {"engine": "e", "made": one["started"], "versions": {}}, None, [one])


def test_versions_come_from_what_runs() -> None:
    node = {"status": {"nodeInfo": {"kernelVersion": "6.1.0", "kubeletVersion": "v1.34.4"}}}
    pod = {"spec": {"containers": [{"name": "calico-node", "image": "calico/node:v3"}]}}
    found = lab_report.versions({"nodes": [node], "pods": [pod]}, ["Version:          VyOS 1.4-embedded\n", "FRRouting 8.4.4 (vm)"], {"ansible-core": "2.19.5"})
    assert (found["kernel"], found["Kubernetes"], found["image of calico-node"]) == ("6.1.0", "v1.34.4", "calico/node:v3")
    assert found["router"] == "VyOS 1.4-embedded"
    assert found["FRR"] == "8.4.4"
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["leafspine.calico"])
    assert lab_report.versions(None, [], {"ansible-core": "", "a": "1"}).keys() == {"leafspine.calico", "a"}


# --- plots ---------------------------------------------------------------------------------------------------------------


def test_flows_that_lost_nothing_share_a_row() -> None:
    rows, others = drill_plot.rows(drill(31)["flows"])
    assert [drill_plot.label(one) for one in rows[:2]] == ["udp 42001 requests", "udp 42004 requests"]
    assert (len(rows), others) == (3, "14 more flows, nothing lost")
    assert drill_plot.rows(drill(0)["flows"][:2]) == ([{"lost": 0, "longest_gap_ms": 0, "outages": []}], "2 flows, nothing lost")


def test_a_plot_is_text_in_the_pages_colours() -> None:
    drawn = drill_plot.svg(drill(31))
    for text in ("udp 42001 requests", "bound 50", "14 more flows, nothing lost", "longest gap, ms"):
        assert f">{text}</text>" in drawn, text
    assert "var(--down)" in drawn
    assert re.search(r"#0[1-6]0[1-6]0[1-6]", drawn) is None
    assert drawn == drill_plot.svg(drill(31))
    quiet = [one for one in drill(0)["flows"] if not one["lost"]]
    assert "var(--down)" not in drill_plot.svg({**drill(0), "flows": quiet})


def test_a_drill_without_flows_has_no_plot() -> None:
    assert drill_plot.svg({**drill(0), "flows": []}) == ""


def test_a_missing_matplotlib_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill_plot, "HAS_MATPLOTLIB", False)
    with pytest.raises(RuntimeError, match="matplotlib is needed"):
        drill_plot.svg(drill(0))
