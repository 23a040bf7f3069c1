"""The report as a reader sees it: opened in a headless Chromium, in light and dark, on a wide and a narrow screen, and on paper."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import lab_report

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "plugins" / "module_utils"))

from report_samples import document

pytestmark = pytest.mark.root
OPTIONS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=2000"),
]
# Runs in the page: what is written there to be seen, and what the eye judges by.
PROBE = """
<script>
const luminance = colour => {
  const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
};
const behind = element => {
  for (let one = element; one; one = one.parentElement) {
    const colour = getComputedStyle(one).backgroundColor;
    if (!/, 0\\)$/.test(colour) && colour != 'transparent') return colour;
  }
  return 'rgb(255, 255, 255)';
};
const contrast = element => {
  const ink = getComputedStyle(element), own = element.closest('svg') ? ink.fill : ink.color;
  const [high, low] = [luminance(own), luminance(behind(element))].sort((a, b) => b - a);
  return (high + .05) / (low + .05);
};
const texts = [...document.querySelectorAll('h1, h2, h3, p, td, th, li, summary, a, .pill, .tile b, .tile span, .mark, .state, svg text')]
  .filter(one => one.textContent.trim() && one.checkVisibility() && !(one.localName == 'a' && one.closest('svg')));
const seen = {
  title: document.title,
  text: document.body.innerText,
  verdict: document.getElementById('verdict').innerText,
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  background: getComputedStyle(document.body).backgroundColor,
  faint: texts.filter(one => contrast(one) < 4.5).map(one => `${one.tagName} ${one.textContent.trim().slice(0, 40)}: ${contrast(one).toFixed(2)}`),
  lines: Object.fromEntries([...document.querySelectorAll('svg.fabric .edge')].map(one =>
    [one.querySelector('a').getAttribute('xlink:title'), getComputedStyle(one.querySelector('path')).stroke])),
  graph: [...document.querySelectorAll('svg.fabric text')].map(one => one.textContent.trim()),
  overlaps: [...document.querySelectorAll('svg.fabric .node text')].map(one => one.getBoundingClientRect()).filter((a, i, all) =>
    all.some((b, j) => j < i && a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3)).length,
  plots: [...document.querySelectorAll('svg.plot')].map(one => one.getBoundingClientRect()).map(one => [one.width, one.height]),
  rows: Object.fromEntries([...document.querySelectorAll('section')].map(one => [one.id, one.querySelectorAll('tr').length])),
};
document.documentElement.innerHTML = '<pre id="seen"></pre>';
document.getElementById('seen').textContent = JSON.stringify(seen);
</script>
"""
Seen = dict[str, Any]


@pytest.fixture(scope="module")
def chromium() -> str:
    """The browser; installed from the distribution where it is missing, as the lab's own packages are."""
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]):
        found = shutil.which("chromium")
        if found:
            return found
        subprocess.run(
            command, check=True, capture_output=True, timeout=600, env={"DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        )
    return shutil.which("chromium") or pytest.fail("chromium is not there although it was installed")


@pytest.fixture(scope="module")
def browse(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs the browser once with options, in a profile of its own."""

    def run(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
        profile = tmp_path_factory.mktemp("profile")
        command = [chromium, *OPTIONS, f"--user-data-dir={profile}", *options, page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        shutil.rmtree(profile, ignore_errors=True)
        assert done.returncode == 0, done.stderr
        return done

    yield run


@pytest.fixture(scope="module")
def look(browse: Callable[..., subprocess.CompletedProcess[str]], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Seen]:
    """What a reader sees of a report: {text, verdict, ...}, see PROBE."""

    @functools.cache
    def see(dark: bool = False, width: int = 1280, change: Callable[[str], str] = str, **options: bool) -> Seen:
        page = tmp_path_factory.mktemp("page") / "report.html"
        page.write_text(change(lab_report.page(document(**options))).replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
        done = browse(page, "--dump-dom", f"--window-size={width},1000", *(["--force-dark-mode"] if dark else []))
        match = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
        assert match, done.stdout[-500:]
        seen: Seen = json.loads(match[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
        return seen

    return see


def test_a_healthy_lab_looks_healthy(look: Callable[..., Seen]) -> None:
    seen = look()
    assert (seen["title"], seen["verdict"]) == ("th-lab: healthy", "healthy")
    assert "What is wrong" not in seen["text"]
    for words in (
        "4 / 4\nrouters up",
        "12 / 12\nsession ends established",
        "462 / 462\nexpectations hold",
        "1 / 1\ndrills hold",
        "462 of 462 expectations hold",
    ):
        assert words in seen["text"]
    assert seen["rows"]["sessions"] == 13
    assert seen["rows"]["prefixes"] == 11
    assert {"spine0", "AS 500", "leaf1", "worker3", "10.133.8.11"} <= set(seen["graph"])
    assert len(seen["lines"]) == 10
    assert len(set(seen["lines"].values())) == 1
    assert len(seen["plots"]) == 1
    assert min(seen["plots"][0]) > 100


def test_what_is_wrong_is_seen_first_and_in_red(look: Callable[..., Seen]) -> None:
    seen = look(sick=True)
    assert seen["verdict"] == "not as intended"
    text = seen["text"]
    assert text.index("What is wrong") < text.index("leaf0 eth1: the link to spine0 eth1 is down") < text.index("Topology", text.index("Versions and times"))
    assert "./lab shell leaf0 show bgp neighbors 10.133.10.2" in text
    assert "+ nat source rule 7 description '<b>x</b>'" in text
    assert "eBGP Active" in seen["graph"]
    strokes = seen["lines"]
    broken = next(colour for ends, colour in strokes.items() if ends.startswith("leaf0 eth1 - spine0 eth1"))
    assert [ends.split(",")[0] for ends, colour in strokes.items() if colour == broken] == ["leaf0 eth1 - spine0 eth1"]
    assert "161.2" in text


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("sick", [False, True], ids=["healthy", "sick"])
def test_everything_can_be_read(look: Callable[..., Seen], dark: bool, sick: bool) -> None:
    seen = look(**{name: True for name, on in (("dark", dark), ("sick", sick)) if on})
    red = int(re.findall(r"\d+", seen["background"])[0])
    assert (red < 64) == dark
    assert seen["faint"] == []
    assert seen["overlaps"] == 0


def test_a_narrow_screen_does_not_scroll_sideways(look: Callable[..., Seen]) -> None:
    assert look(width=500, sick=True)["overflow"] == 0


def test_text_that_cannot_be_read_and_a_page_that_is_too_wide_are_found(look: Callable[..., Seen]) -> None:
    """The detectors of the tests above can fail."""
    seen = look(width=500, change=lambda page: page.replace("--ink: #1c2430", "--ink: #d0d0d0").replace("<main>", '<main><div style="width:900px">x</div>'))
    assert len(seen["faint"]) > 10
    assert seen["overflow"] > 300


def test_without_a_lab_it_says_so(look: Callable[..., Seen]) -> None:
    seen = look(running=False, kept=False)
    assert seen["verdict"] == "nothing known yet"
    for words in ("not running", "Not run yet: ./lab verify", "None has been run yet.", "intended; no lab was running"):
        assert words in seen["text"]
    assert "Sessions" not in seen["text"]


def test_it_prints(browse: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    page, paper = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text(lab_report.page(document()), encoding="utf-8")
    browse(page, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    pages = len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))
    # The tables that are folded on a screen are open on paper.
    assert 8 < pages < 60
