"""Verification on recorded observations: nothing is false about a healthy lab, and only what was looked at is judged."""

from __future__ import annotations

from ansible_collections.leafspine.calico.plugins.module_utils import checks, lab_checks
from observed_lab import all_checks, findings, healthy, observed


def test_nothing_is_false_about_a_healthy_lab() -> None:
    assert findings() == []


def test_every_subject_is_judged() -> None:
    subjects = checks.summary(all_checks(healthy()))["subjects"]
    assert set(subjects) == {
        *("node", "calico", "app", "kernel route", "unexplained route", "interface", "session", "configuration", "BGP path"),
        *("pod to pod", "source address", "MTU", "negative twin", "service", "outside to pod", "flow"),
    }
    assert min(passed for passed, _failed in subjects.values()) > 3


def test_what_was_not_looked_at_is_not_judged() -> None:
    lab = healthy()
    assert lab_checks.lab_checks({}, lab["fabric"]) == []
    seen = observed(lab)
    one = lab_checks.lab_checks({"look": seen["look"], "routers": {"leaf0": seen["routers"]["leaf0"]}}, lab["fabric"])
    assert {check["where"] for check in one} == {"leaf0"}
    assert checks.failed(one) == []
    assert lab_checks.lab_checks({"look": seen["look"]}, lab["fabric"]) == []


def test_a_step_is_said_in_front_of_every_place() -> None:
    lab = healthy()
    assert {check["where"].split(": ")[0] for check in lab_checks.lab_checks(observed(lab), lab["fabric"], "drill x")} == {"drill x"}
