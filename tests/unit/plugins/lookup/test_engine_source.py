"""The engine's source as it is carried to the lab host: complete, the same every time, different when something differs."""

from __future__ import annotations

import base64
import io
import tarfile
from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.leafspine.calico.plugins.lookup import engine_source
from ansible_collections.leafspine.calico.plugins.lookup.engine_source import LookupModule

FILES = {
    "embedded/pyproject.toml": "[project]\n",
    "embedded/src/engine/__init__.py": "",
    "embedded/src/engine/calico.yaml": "kind: DaemonSet\n",
    "embedded/src/engine/data/fields.json": "{}\n",
    "requirements/bootstrap.txt": "uv==1\n",
    "requirements/embedded.txt": "aiohttp==3\n",
}
LEFT_OUT = {
    "embedded/src/engine/__pycache__/x.py": "",
    "embedded/src/engine/x.pyc": "",
    "embedded/src/engine.egg-info/setup.py": "",
    "embedded/src/engine/.x.py.swp": "",
}


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, FILES)
    monkeypatch.setattr(engine_source, "collection_root", lambda: tmp_path)
    return tmp_path


def ask(*terms: str) -> list[str]:
    return LookupModule().run(list(terms), {})


def contents() -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(ask("archive")[0]))) as tar:
        return {member.name: (tar.extractfile(member) or io.BytesIO()).read().decode() for member in tar.getmembers()}


def test_the_archive_holds_what_runs(root: Path) -> None:
    write(root, LEFT_OUT)
    assert contents() == FILES


def test_the_digest_is_the_same_for_the_same_content(root: Path) -> None:
    before = ask("digest")
    write(root, LEFT_OUT | {"README.md": "elsewhere"})
    for path in root.rglob("*.py"):
        path.touch()
        path.chmod(0o755)
    assert ask("digest") == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"embedded/src/engine/__init__.py": "x = 1\n"}, id="a changed file"),
        pytest.param({"embedded/src/engine/more.py": ""}, id="a further file"),
        pytest.param({"requirements/embedded.txt": "aiohttp==4\n"}, id="other requirements"),
    ],
)
def test_the_digest_differs_when_something_differs(root: Path, change: dict[str, str]) -> None:
    before = ask("digest")
    write(root, change)
    assert ask("digest") != before


def test_a_file_renamed_gives_another_digest(root: Path) -> None:
    before = ask("digest")
    (root / "embedded/src/engine/calico.yaml").rename(root / "embedded/src/engine/other.yaml")
    assert ask("digest") != before


def test_terms_are_answered_in_order(root: Path) -> None:
    assert ask("archive", "digest") == [ask("archive")[0], ask("digest")[0]]
    assert len(ask("digest")[0]) == 64


def test_an_unknown_term_is_refused_with_what_is_allowed(root: Path) -> None:
    with pytest.raises(AnsibleLookupError, match="checksum; allowed: digest, archive"):
        ask("digest", "checksum")


def test_everything_the_real_package_reads_at_run_time_is_carried() -> None:
    """A file of the package with a suffix that the archive does not know would be missing on the lab host only."""
    root = engine_source.collection_root()
    package = root / "embedded" / "src" / "leafspine_embedded"
    carried = {path.relative_to(package) for path in engine_source.source_files(root) if path.is_relative_to(package)}
    present = {path.relative_to(package) for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert present - carried == set()
    assert carried
