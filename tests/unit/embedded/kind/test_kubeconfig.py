from __future__ import annotations

import base64
import ssl
from pathlib import Path

import pytest
import yaml
from leafspine_embedded.kind import certs, kubeconfig, network
from leafspine_embedded.kind.errors import KindError
from leafspine_embedded.kind.options import duration, parse

FOREIGN = """# mine
apiVersion: v1
kind: Config
clusters: [{name: other, cluster: {server: "https://x"}}]
contexts: [{name: other, context: {cluster: other, user: other}}]
users: [{name: other, user: {token: t}}]
current-context: other
"""


def rendered(server: str = "https://1.2.3.4:6443") -> dict[str, object]:
    return kubeconfig.render("tc", server, "CA", "CERT", "KEY")


def test_entries_are_merged_and_taken_out_again(tmp_path: Path) -> None:
    path = tmp_path / "dir" / "config"
    path.parent.mkdir()
    path.write_text(FOREIGN)
    before = yaml.safe_load(FOREIGN)
    kubeconfig.merge(path, rendered())
    merged = yaml.safe_load(path.read_text())
    assert [entry["name"] for entry in merged["clusters"]] == ["other", "kind-tc"]
    assert merged["current-context"] == "kind-tc" and path.stat().st_mode & 0o777 == 0o600
    assert base64.b64decode(merged["users"][1]["user"]["client-key-data"]) == b"KEY"
    kubeconfig.merge(path, rendered("https://5.6.7.8:6443"))
    assert [entry["cluster"]["server"] for entry in yaml.safe_load(path.read_text())["clusters"]] == ["https://x", "https://5.6.7.8:6443"]
    assert kubeconfig.remove(path, "tc") and not kubeconfig.remove(path, "tc")
    after = yaml.safe_load(path.read_text())
    assert {key: after[key] for key in ("clusters", "contexts", "users")} == {key: before[key] for key in ("clusters", "contexts", "users")}
    assert after["current-context"] == ""


def test_a_new_file_is_private_and_a_missing_one_stays_missing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config"
    kubeconfig.merge(path, rendered())
    assert path.stat().st_mode & 0o777 == 0o600
    assert not kubeconfig.remove(tmp_path / "nothing", "tc") and not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("text", ["[", "- a", "clusters: {}"])
def test_a_file_that_is_no_kubeconfig_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    if text == "clusters: {}":
        kubeconfig.merge(path, rendered())  # an empty map where a list belongs holds nothing
        assert [entry["name"] for entry in yaml.safe_load(path.read_text())["clusters"]] == ["kind-tc"]
        return
    with pytest.raises(KindError, match="failed to load kubeconfig"):
        kubeconfig.merge(path, rendered())
    assert path.read_text() == text


def test_certificates_verify_against_their_authority_only(tmp_path: Path) -> None:
    issuer, stranger = certs.authority(), certs.authority()
    server = certs.server(issuer, ["localhost"], ["127.0.0.1"])
    for name, text in (("ca", issuer.pair.certificate), ("other", stranger.pair.certificate), ("crt", server.certificate), ("key", server.key)):
        (tmp_path / name).write_text(text)
    assert handshake(tmp_path, "ca", "localhost") == "kube-apiserver"
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, "other", "localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, "ca", "elsewhere")


def handshake(directory: Path, trusted: str, name: str) -> str:
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(directory / "crt", directory / "key")
    trust = ssl.create_default_context(cafile=str(directory / trusted))
    trust.verify_flags |= ssl.VERIFY_X509_STRICT  # what Python 3.13 asks for
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = trust.wrap_bio(back, there, server_hostname=name)
    two = listening.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for side in (one, two):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    subject = one.getpeercert()["subject"]  # type: ignore[index]
    return str(subject[0][0][1])


def test_flags_are_read_as_cobra_reads_them() -> None:
    known = {"name": True, "retain": False, "wait": True}
    parsed = parse(["--name=a", "--retain", "word", "-q", "--wait", "5s", "--", "--x"], known)
    assert parsed.flags == {"name": "a", "retain": "true", "quiet": "true", "wait": "5s"} and parsed.words == ["word", "--x"]
    assert parsed.on("retain") and not parsed.on("nothing") and not parse(["--retain=false"], known).on("retain")
    for words, text in ((["--bogus"], "unknown flag: --bogus"), (["-x"], "unknown shorthand flag: 'x' in -x"), (["--name"], "flag needs an argument: --name")):
        with pytest.raises(KindError, match=text):
            parse(words, known)


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("30s", 30), ("1m30s", 90), ("1.5h", 5400), ("100ms", 0.1), ("-1s", -1)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["5", "", "s", "5x", "1s2"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(KindError, match='for "--wait" flag'):
        duration(text)


def test_interface_names_fit_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KIND_EXPERIMENTAL_DOCKER_NETWORK", raising=False)
    names = {network.bridge_name(cluster) for cluster in ("a", "b", "a" * 50)} | {network.port_name("a" * 50, 255)}
    assert len(names) == 4 and all(len(name) <= 15 for name in names)
    monkeypatch.setenv("KIND_EXPERIMENTAL_DOCKER_NETWORK", "mine")
    assert network.bridge_name("a") == "mine"
    monkeypatch.setenv("KIND_EXPERIMENTAL_DOCKER_NETWORK", "far-too-long-a-name")
    with pytest.raises(KindError, match="at most 15 characters"):
        network.bridge_name("a")
