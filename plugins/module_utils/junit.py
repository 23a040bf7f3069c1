# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A verification as JUnit's XML: one suite a subject, one case an expectation. Pure function over the document of lab_result."""

from __future__ import annotations

from typing import Any

try:
    from junitparser import Failure, JUnitXml, TestCase, TestSuite

    HAS_JUNITPARSER = True
except ImportError:
    HAS_JUNITPARSER = False

MISSING = "the Python package junitparser is needed on the controller for JUnit's XML (requirements/controller.in)"


def junit(result: dict[str, Any]) -> str:
    """The XML text. A case is named by its place and expectation; a false one carries expected, found and the command to look with.

    Raises RuntimeError without the package junitparser.
    """
    if not HAS_JUNITPARSER:
        raise RuntimeError(MISSING)
    document = JUnitXml(f"{result['kind']} {result['lab']}")
    for subject in result["subjects"]:
        suite = TestSuite(subject)
        suite.timestamp = result["started"]
        for key in ("lab", "engine"):
            suite.add_property(key, result[key])
        for one in (one for one in result["checks"] if one["subject"] == subject):
            case = TestCase(name=f"{one['where']}: {one['what']}", classname=".".join([result["lab"], subject.replace(" ", "_")]), time=0)
            if one["step"]:
                case.name = f"{one['step']}: {case.name}"
            if not one["ok"]:
                failure = Failure(f"expected {one['expected']}, found {one['found']}", type_="expectation")
                failure.text = f"expected: {one['expected']}\nfound: {one['found']}\nlook: {one['command']}"
                case.result = [failure]
            suite.add_testcase(case)
        document.add_testsuite(suite)
    document.update_statistics()
    document.time = result["seconds"]
    return document.tostring().decode("utf-8")
