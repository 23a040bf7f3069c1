"""The API over HTTP, in process: what goes over the wire and who may send it. (TLS and client certificates: tests/integration.)"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from leafspine_embedded.kube import tokens
from leafspine_embedded.kube.app import Api
from leafspine_embedded.kube.context import ClusterContext
from leafspine_embedded.kube.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, CONFIGMAPS, CRDS, DAEMONSETS, NODES, PODS, ROLEBINDINGS, ROLES, SERVICEACCOUNTS
from leafspine_embedded.kube.server import _request
from leafspine_embedded.kube.store import Store

Make = Callable[..., dict[str, Any]]
KEY = b"secret"
PODS_PATH = "/api/v1/namespaces/default/pods"
DS_PATH = "/apis/apps/v1/namespaces/default/daemonsets"
SVC_PATH = "/api/v1/namespaces/default/services"
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
MERGE = {"Content-Type": "application/merge-patch+json"}
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


class FakeProcess:
    """Echoes standard input, says its command, and ends with the code it was made with."""

    def __init__(self, command: Sequence[str], stdin: asyncio.StreamReader | None, tty: bool) -> None:
        self.stdout, self.stderr = asyncio.StreamReader(), None if tty else asyncio.StreamReader()
        self.sizes: list[tuple[int, int]] = []
        self.killed = False
        self._task = asyncio.create_task(self._run(list(command), stdin))

    async def _run(self, command: list[str], stdin: asyncio.StreamReader | None) -> int:
        self.stdout.feed_data(" ".join(command).encode())
        if self.stderr is not None:
            self.stderr.feed_data(b"oops")
        while stdin is not None and (data := await stdin.read(1000)):
            self.stdout.feed_data(data)
        self.stdout.feed_eof()
        if self.stderr is not None:
            self.stderr.feed_eof()
        return int(command[-1])

    async def wait(self) -> int:
        return await self._task

    def kill(self) -> None:
        self.killed = True
        self._task.cancel()

    def resize(self, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))


class FakeRuntime:
    """Every pod runs."""

    def __init__(self) -> None:
        self.started: list[FakeProcess] = []

    async def exec(self, namespace: str, pod: str, container: str, command: Sequence[str], stdin: asyncio.StreamReader | None, tty: bool) -> FakeProcess:
        self.started.append(FakeProcess(command, stdin, tty))
        return self.started[-1]

    async def logs(self, namespace: str, pod: str, container: str, follow: bool, tail: int | None, previous: bool = False) -> AsyncIterator[bytes]:
        yield f"{pod}/{container} {follow} {tail} {previous}\n".encode()
        yield b"second\n"


class Client:
    """Requests as one user."""

    def __init__(self, session: aiohttp.ClientSession, root: str, token: str) -> None:
        self.session, self.root = session, root
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any, Any]:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **self.headers, **(headers or {})}
        async with self.session.request(method, self.root + path, data=data, headers=sent) as reply:
            raw = await reply.read()
            return reply.status, json.loads(raw) if reply.content_type == "application/json" else raw.decode(), reply.headers


@pytest.fixture
async def api(store: Store, tmp_path: Path) -> AsyncIterator[Callable[[str], Client]]:
    store.create(
        CLUSTERROLEBINDINGS,
        {
            "metadata": {"name": "root"},
            "roleRef": {"kind": "ClusterRole", "name": "root"},
            "subjects": [{"kind": "ServiceAccount", "name": "admin", "namespace": "default"}],
        },
    )
    store.create(CLUSTERROLES, {"metadata": {"name": "root"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]})
    tokens_of = {}
    for name in ("admin", "nobody"):
        made = store.create(SERVICEACCOUNTS, {"metadata": {"name": name, "namespace": "default"}})
        tokens_of[name] = tokens.mint(KEY, "default", name, made["metadata"]["uid"])
    store.create(NODES, {"metadata": {"name": "n1"}})
    context = ClusterContext("tc", tmp_path, "10.244.0.0/16", "10.96.0.0/16", [], runtime=FakeRuntime())
    application = Api(store, store.admission, context, "127.0.0.1:0", KEY)  # type: ignore[arg-type]
    runner = web.ServerRunner(web.Server(application.handle, request_factory=_request, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    async with aiohttp.ClientSession() as session:

        def client(name: str) -> Client:
            return Client(session, f"http://127.0.0.1:{port}", tokens_of.get(name) or name)

        client.context = context  # type: ignore[attr-defined]
        yield client
    store.close()
    await runner.cleanup()


# -- who asks


@pytest.mark.parametrize(
    ("path", "code"), [("/healthz", 200), ("/version", 200), ("/version/", 200), ("/api", 401), (PODS_PATH, 401), ("/", 401), ("/openapi/v2", 401)]
)
async def test_without_credentials_only_health_and_version_answer(api: Any, path: str, code: int) -> None:
    status, body, _ = await api("").call("GET", path)
    assert status == code
    if code == 401:
        assert body["reason"] == "Unauthorized" and body["kind"] == "Status"


async def test_a_forged_an_expired_and_an_orphaned_token_are_refused(api: Any, store: Store) -> None:
    uid = store.get(SERVICEACCOUNTS, "default", "admin")["metadata"]["uid"]
    for token in (
        tokens.mint(b"other", "default", "admin", uid),
        tokens.mint(KEY, "default", "admin", uid, seconds=-1),
        tokens.mint(KEY, "default", "admin", "wrong"),
        "x.y.z",
    ):
        assert (await api(token).call("GET", "/api"))[0] == 401
    assert (await api(tokens.mint(KEY, "default", "admin", uid)).call("GET", "/api"))[0] == 200


async def test_rbac_gives_exactly_what_a_role_says(api: Any, store: Store) -> None:
    status, body, _ = await api("nobody").call("GET", PODS_PATH)
    assert status == 403
    assert body["message"] == (
        'pods is forbidden: User "system:serviceaccount:default:nobody" cannot list resource "pods" in API group "" in the namespace "default"'
    )
    store.create(ROLES, {"metadata": {"name": "r", "namespace": "default"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]})
    subjects = [{"kind": "ServiceAccount", "name": "nobody", "namespace": "default"}]
    store.create(ROLEBINDINGS, {"metadata": {"name": "r", "namespace": "default"}, "roleRef": {"kind": "Role", "name": "r"}, "subjects": subjects})
    assert (await api("nobody").call("GET", PODS_PATH))[0] == 200
    for method, path in (("GET", PODS_PATH + "/x"), ("GET", "/api/v1/pods"), ("POST", PODS_PATH), ("GET", SVC_PATH)):
        assert (await api("nobody").call(method, path, {} if method == "POST" else None))[0] == 403


async def test_access_reviews_and_impersonation(api: Any) -> None:
    review = {"spec": {"resourceAttributes": {"verb": "create", "resource": "pods", "namespace": "default"}}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert (await api("admin").call("POST", path, review))[1]["status"]["allowed"] is True
    assert (await api("nobody").call("POST", path, review))[1]["status"]["allowed"] is False
    other = {"Impersonate-User": "system:serviceaccount:default:nobody"}
    assert (await api("admin").call("POST", path, review, other))[1]["status"]["allowed"] is False
    assert (await api("nobody").call("GET", "/api", None, {"Impersonate-User": "root"}))[0] == 403


# -- reading and writing


async def test_create_get_list_delete(api: Any, pod: Make) -> None:
    root = api("admin")
    status, made, _ = await root.call("POST", PODS_PATH, pod())
    assert status == 201 and made["kind"] == "Pod" and made["status"]["phase"] == "Pending"
    assert (await root.call("GET", PODS_PATH + "/p"))[1] == made
    listed = (await root.call("GET", "/api/v1/pods"))[1]
    assert listed["kind"] == "PodList" and [entry["metadata"]["name"] for entry in listed["items"]] == ["p"]
    status, body, _ = await root.call("DELETE", PODS_PATH + "/p")
    assert status == 200
    status, body, _ = await root.call("GET", PODS_PATH + "/p")
    assert status == 404
    assert body == {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": 'pods "p" not found', "reason": "NotFound",
        "details": {"name": "p", "kind": "pods"}, "code": 404,
    }  # fmt: skip


async def test_unknown_fields_by_validation_level(api: Any, daemonset: Make) -> None:
    bad = daemonset(foo=1)
    bad["spec"]["template"]["spec"]["containers"][0]["imagex"] = "y"
    status, body, _ = await api("admin").call("POST", DS_PATH + "?fieldValidation=Strict", bad)
    assert status == 400
    assert body["message"] == (
        'DaemonSet in version "v1" cannot be handled as a DaemonSet: strict decoding error: unknown field "spec.foo", '
        'unknown field "spec.template.spec.containers[0].imagex"'
    ) or body["message"].endswith('unknown field "spec.template.spec.containers[0].imagex", unknown field "spec.foo"')
    status, made, headers = await api("admin").call("POST", DS_PATH, bad)
    assert status == 201 and "foo" not in made["spec"]
    assert '299 - "unknown field \\"spec.foo\\""' in headers.getall("Warning")
    await api("admin").call("DELETE", DS_PATH + "/app")
    assert "Warning" not in (await api("admin").call("POST", DS_PATH + "?fieldValidation=Ignore", bad))[2]
    assert (await api("admin").call("POST", DS_PATH + "?fieldValidation=Maybe", bad))[0] == 422


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "code", "text"),
    [
        ("POST", PODS_PATH, b"{", {}, 400, "json parse error"),
        ("POST", PODS_PATH, {"kind": "Service"}, {}, 400, 'Service in version "v1" cannot be handled as a Pod'),
        ("POST", PODS_PATH, {"apiVersion": "v2"}, {}, 400, "the API version in the data (v2) does not match the expected API version (v1)"),
        ("POST", PODS_PATH, {"metadata": {"name": "a", "namespace": "other"}}, {}, 400, "the namespace of the provided object does not match"),
        ("POST", PODS_PATH, {"spec": {"containers": {}}}, {}, 400, "object into Go struct field PodSpec.spec.containers of type []v1.Container"),
        ("POST", PODS_PATH, {"spec": {"hostNetwork": "yes"}}, {}, 400, "string into Go struct field PodSpec.spec.hostNetwork of type bool"),
        ("POST", PODS_PATH, {"spec": {}}, {}, 422, "metadata.name: Required value: name or generateName is required"),
        ("POST", PODS_PATH, {"metadata": {"name": "a"}}, {}, 422, "spec.containers: Required value"),
        ("POST", PODS_PATH, {"metadata": {"name": "a", "resourceVersion": "1"}}, {}, 400, "resourceVersion should not be set on objects to be created"),
        ("POST", PODS_PATH, b"x", {"Content-Type": "application/xml"}, 415, "accepted media types include"),
        ("POST", PODS_PATH, b"k8s\x00\xff\xff", {"Content-Type": "application/vnd.kubernetes.protobuf"}, 400, "protobuf"),
        ("POST", PODS_PATH, b"x" * 3_200_000, {}, 413, "Request entity too large"),
        ("GET", "/apis/nothing.io/v1/things", None, {}, 404, "the server could not find the requested resource"),
        ("GET", PODS_PATH + "?labelSelector=a+b", None, {}, 400, "unable to parse requirement"),
        ("GET", PODS_PATH + "?watch=maybe", None, {}, 400, "strconv.ParseBool"),
        ("GET", PODS_PATH, None, {"Accept": "text/html"}, 406, "only the following media types are accepted"),
        ("PUT", PODS_PATH, {}, {}, 405, "does not allow this method"),
        ("DELETE", "/api/v1/namespaces/default", None, {}, 403, "this namespace may not be deleted"),
        ("DELETE", PODS_PATH + "/nosuch", None, {}, 404, 'pods "nosuch" not found'),
        ("POST", PODS_PATH + "?dryRun=Some", {"metadata": {"name": "a"}}, {}, 422, "dryRun: Unsupported value"),
        ("PATCH", SVC_PATH + "/nosuch", {}, STRATEGIC, 404, 'services "nosuch" not found'),
        ("POST", PODS_PATH + "/nosuch/portforward", None, {}, 501, "portforward is not supported by the embedded engine"),
    ],
)  # fmt: skip
async def test_refusals(api: Any, store: Store, method: str, path: str, body: Any, headers: dict[str, str], code: int, text: str) -> None:
    version = store.version
    status, answer, _ = await api("admin").call(method, path, body, headers)
    assert status == code and text in answer["message"] and answer["kind"] == "Status" and answer["code"] == code
    assert store.version == version


async def test_updates_and_conflicts(api: Any, service: Make) -> None:
    root = api("admin")
    made = (await root.call("POST", SVC_PATH, service()))[1]
    same = (await root.call("PUT", SVC_PATH + "/svc", made))[1]
    assert same == made
    changed = {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}}
    assert (await root.call("PUT", SVC_PATH + "/svc", changed))[0] == 200
    status, body, _ = await root.call("PUT", SVC_PATH + "/svc", changed)
    assert status == 409 and body["reason"] == "Conflict"
    assert (await root.call("PUT", SVC_PATH + "/other", made))[0] == 400


async def test_patches(api: Any, service: Make) -> None:
    root = api("admin")
    await root.call("POST", SVC_PATH, service(type="NodePort"))
    patched = (await root.call("PATCH", SVC_PATH + "/svc", {"spec": {"externalTrafficPolicy": "Local"}}, STRATEGIC))[1]
    assert patched["spec"]["externalTrafficPolicy"] == "Local"
    stale = {"metadata": {"resourceVersion": "1"}, "spec": {"externalTrafficPolicy": "Cluster"}}
    assert (await root.call("PATCH", SVC_PATH + "/svc", stale, MERGE))[0] == 409
    status, body, _ = await root.call("PATCH", SVC_PATH + "/svc?fieldValidation=Strict", {"spec": {"foo": 1}}, STRATEGIC)
    assert status == 422 and 'strict decoding error: unknown field "spec.foo"' in body["message"]
    status, body, _ = await root.call("PATCH", SVC_PATH + "/svc?dryRun=All", {"spec": {"sessionAffinity": "ClientIP"}}, STRATEGIC)
    assert body["spec"]["sessionAffinity"] == "ClientIP"
    assert (await root.call("GET", SVC_PATH + "/svc"))[1] == patched
    for name in ("svc", "not-there"):
        status, body, _ = await root.call("PATCH", f"{SVC_PATH}/{name}", b"a: b", {"Content-Type": "application/apply-patch+yaml"})
        assert status == 415 and "server-side apply is not supported by the embedded engine" in body["message"]


async def test_delete_options(api: Any, store: Store, pod: Make) -> None:
    root = api("admin")
    made = (await root.call("POST", PODS_PATH, pod(nodeName="n1")))[1]
    assert (await root.call("DELETE", PODS_PATH + "/p", {"preconditions": {"uid": "other"}}))[0] == 409
    assert (await root.call("DELETE", PODS_PATH + "/p?dryRun=All"))[0] == 200
    assert "deletionTimestamp" not in store.get(PODS, "default", "p")["metadata"]
    assert (await root.call("DELETE", PODS_PATH + "/p", {"propagationPolicy": "Sideways"}))[0] == 422
    marked = (await root.call("DELETE", PODS_PATH + "/p", {"gracePeriodSeconds": 5, "preconditions": {"uid": made["metadata"]["uid"]}}))[1]
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 5
    await root.call("DELETE", PODS_PATH + "/p?gracePeriodSeconds=0")
    assert store.find(PODS, "default", "p") is None


async def test_delete_a_collection_by_label(api: Any, store: Store) -> None:
    for name, value in (("a", "1"), ("b", "2")):
        store.create(CONFIGMAPS, {"metadata": {"name": name, "namespace": "default", "labels": {"l": value}}})
    await api("admin").call("DELETE", "/api/v1/namespaces/default/configmaps?labelSelector=l%3D1")
    assert [entry["metadata"]["name"] for entry in store.list(CONFIGMAPS, "default")] == ["b", "kube-root-ca.crt"]


async def test_tables_and_partial_metadata(api: Any, store: Store, pod: Make) -> None:
    store.create(PODS, pod())
    table = (await api("admin").call("GET", PODS_PATH, None, TABLE))[1]
    assert table["kind"] == "Table" and table["rows"][0]["cells"][:3] == ["p", "0/1", "Pending"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert "object" not in (await api("admin").call("GET", PODS_PATH + "?includeObject=None", None, TABLE))[1]["rows"][0]
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
    assert "spec" not in (await api("admin").call("GET", PODS_PATH, None, accept))[1]["items"][0]


async def test_tokens_that_the_api_hands_out_work(api: Any) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/admin/token"
    made = (await api("admin").call("POST", path, {"spec": {"expirationSeconds": 600}}))[1]
    assert (await api(made["status"]["token"]).call("GET", PODS_PATH))[0] == 200
    assert (await api("nobody").call("POST", path, {}))[0] == 403


async def test_binding_and_eviction(api: Any, store: Store, pod: Make) -> None:
    store.create(PODS, pod())
    root = api("admin")
    assert (await root.call("POST", PODS_PATH + "/p/binding", {"target": {"name": "nosuch"}}))[0] == 404
    assert (await root.call("POST", PODS_PATH + "/p/binding", {"target": {"name": "n1"}}))[0] == 201
    assert store.get(PODS, "default", "p")["spec"]["nodeName"] == "n1"
    assert (await root.call("POST", PODS_PATH + "/p/binding", {"target": {"name": "n1"}}))[0] == 409
    assert (await root.call("POST", PODS_PATH + "/p/eviction", {}))[0] == 201
    assert "deletionTimestamp" in store.get(PODS, "default", "p")["metadata"]


# -- discovery


async def test_discovery_old_and_aggregated(api: Any, store: Store, definition: Make) -> None:
    store.create(CRDS, definition())
    root = api("admin")
    groups = [entry["name"] for entry in (await root.call("GET", "/apis"))[1]["groups"]]
    assert {"apps", "example.com", "authorization.k8s.io"} <= set(groups)
    names = {entry["name"] for entry in (await root.call("GET", "/api/v1"))[1]["resources"]}
    assert {"pods", "pods/exec", "pods/log", "pods/status", "nodes/status", "serviceaccounts/token"} <= names
    _, body, headers = await root.call(
        "GET", "/apis", None, {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"}
    )
    assert headers["Content-Type"].startswith("application/json;g=apidiscovery.k8s.io;v=v2")
    widgets = next(item for item in body["items"] if item["metadata"]["name"] == "example.com")
    assert widgets["versions"][0]["resources"][0]["resource"] == "widgets" and body["kind"] == "APIGroupDiscoveryList"
    only_protobuf = {"Accept": "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"}
    assert (await root.call("GET", "/openapi/v2", None, only_protobuf))[0] == 406


async def test_openapi_tells_clients_what_they_look_for(api: Any, store: Store, definition: Make) -> None:
    store.create(CRDS, definition({"type": "object", "properties": {"spec": {"type": "object"}}}))
    root = api("admin")
    index = (await root.call("GET", "/openapi/v3"))[1]["paths"]
    before = index["apis/example.com/v1"]["serverRelativeURL"]
    apps = (await root.call("GET", index["apis/apps/v1"]["serverRelativeURL"]))[1]
    patch = apps["paths"]["/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "DaemonSet"}
    assert {"dryRun", "fieldValidation"} <= {entry["name"] for entry in patch["parameters"]}
    schemas = apps["components"]["schemas"]
    assert schemas["PodSpec"]["properties"]["containers"]["x-kubernetes-patch-merge-key"] == "name"
    references = [value for value in json.dumps(apps).split('"') if value.startswith("#/components/schemas/")]
    assert references and all(reference.rpartition("/")[2] in schemas for reference in references)
    changed = store.get(CRDS, None, "widgets.example.com")
    changed["spec"]["names"]["shortNames"] = ["w"]
    store.update(CRDS, changed)
    assert (await root.call("GET", "/openapi/v3"))[1]["paths"]["apis/example.com/v1"]["serverRelativeURL"] != before
    assert "Pod" in (await root.call("GET", "/openapi/v2"))[1]["definitions"]


# -- watches


async def events(client: Client, path: str, count: int, headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    async with client.session.get(client.root + path, headers={**client.headers, **(headers or {})}) as reply:
        async for line in reply.content:
            seen.append(json.loads(line))
            if len(seen) == count:
                break
    return seen


async def test_a_watch_sees_what_enters_and_leaves_its_selection(api: Any, store: Store) -> None:
    path = "/api/v1/namespaces/default/configmaps?watch=1&labelSelector=l%3D1&resourceVersion=" + str(store.version)
    watching = asyncio.create_task(events(api("admin"), path, 3))
    await asyncio.sleep(0.1)
    made = store.create(CONFIGMAPS, {"metadata": {"name": "a", "namespace": "default"}})
    for value in ("1", "2"):
        made["metadata"]["labels"] = {"l": value}
        made = store.update(CONFIGMAPS, made)
    made["metadata"]["labels"] = {"l": "1"}
    store.update(CONFIGMAPS, made)
    seen = await asyncio.wait_for(watching, 5)
    assert [entry["type"] for entry in seen] == ["ADDED", "DELETED", "ADDED"]


async def test_a_watch_without_a_version_lists_first_and_ends_in_time(api: Any, store: Store, pod: Make) -> None:
    store.create(PODS, pod())
    seen = await asyncio.wait_for(events(api("admin"), PODS_PATH + "?watch=true&timeoutSeconds=1", 5), 5)
    assert [(entry["type"], entry["object"]["metadata"]["name"]) for entry in seen] == [("ADDED", "p")]


async def test_streaming_lists_end_with_a_bookmark(api: Any, store: Store, pod: Make) -> None:
    store.create(PODS, pod())
    path = PODS_PATH + "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    seen = await asyncio.wait_for(events(api("admin"), path, 2), 5)
    assert [entry["type"] for entry in seen] == ["ADDED", "BOOKMARK"]
    assert seen[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_from_forgotten_history_says_so(api: Any, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_oldest", store.version)
    seen = await asyncio.wait_for(events(api("admin"), PODS_PATH + "?watch=true&resourceVersion=1", 1), 5)
    assert seen[0]["type"] == "ERROR" and seen[0]["object"]["code"] == 410


async def test_watched_tables(api: Any, store: Store, pod: Make) -> None:
    store.create(PODS, pod())
    seen = await asyncio.wait_for(events(api("admin"), PODS_PATH + "?watch=true", 1, TABLE), 5)
    assert seen[0]["object"]["kind"] == "Table" and seen[0]["object"]["rows"][0]["cells"][0] == "p"


# -- streams


async def run(client: Client, query: str, *, protocol: str = "v5.channel.k8s.io", send: bytes | None = None) -> tuple[dict[int, bytes], dict[str, Any]]:
    channels: dict[int, bytes] = {}
    url = f"{client.root}{PODS_PATH}/p/exec?{query}"
    async with client.session.ws_connect(url, headers=client.headers, protocols=[protocol]) as socket:
        if send is not None:
            await socket.send_bytes(b"\x00" + send)
            await socket.send_bytes(b"\xff\x00")
        async for message in socket:
            channels[message.data[0]] = channels.get(message.data[0], b"") + message.data[1:]
    return channels, json.loads(channels.pop(3))


async def test_exec_carries_output_and_exit_codes(api: Any, store: Store, pod: Make) -> None:
    store.create(PODS, pod(nodeName="n1"))
    for protocol in ("v4.channel.k8s.io", "v5.channel.k8s.io"):
        channels, status = await run(api("admin"), "command=echo&command=0&stdout=true&stderr=true", protocol=protocol)
        assert channels == {1: b"echo 0", 2: b"oops"} and status["status"] == "Success"
    _, status = await run(api("admin"), "command=7&stdout=true")
    assert status["reason"] == "NonZeroExitCode" and status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]


async def test_exec_carries_input_until_the_client_closes_it(api: Any, store: Store, pod: Make) -> None:
    store.create(PODS, pod(nodeName="n1"))
    data = b"x" * 200_000
    channels, status = await run(api("admin"), "command=0&stdin=true&stdout=true", send=data)
    assert channels[1] == b"0" + data and status["status"] == "Success"


async def test_a_client_that_leaves_ends_its_process(api: Any, store: Store, pod: Make) -> None:
    store.create(PODS, pod(nodeName="n1"))
    client = api("admin")
    async with client.session.ws_connect(
        f"{client.root}{PODS_PATH}/p/exec?command=0&stdin=true&tty=true&stdout=true", headers=client.headers, protocols=["v4.channel.k8s.io"]
    ) as socket:
        await socket.send_bytes(b"\x04" + b'{"Width": 100, "Height": 30}')
        await socket.receive()
    started = api.context.runtime.started[0]
    for _ in range(100):
        if started.killed:
            break
        await asyncio.sleep(0.02)
    assert started.killed and started.sizes == [(100, 30)]


@pytest.mark.parametrize(
    ("query", "headers", "code", "text"),
    [
        ("", {}, 400, "you must specify at least one command"),
        ("command=x", {}, 400, "speaks WebSocket (v5.channel.k8s.io, v4.channel.k8s.io), not SPDY"),
        ("command=x&container=nosuch", {}, 400, "container nosuch is not valid for pod p"),
        ("command=x", {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Protocol": "z"}, 400, "none of the offered WebSocket subprotocols"),
    ],
)  # fmt: skip
async def test_exec_refusals(api: Any, store: Store, pod: Make, query: str, headers: dict[str, str], code: int, text: str) -> None:
    store.create(PODS, pod(nodeName="n1"))
    status, body, _ = await api("admin").call("POST", f"{PODS_PATH}/p/exec?{query}", None, headers)
    assert status == code and text in body["message"]


async def test_logs(api: Any, store: Store, pod: Make) -> None:
    store.create(PODS, pod(nodeName="n1"))
    root = api("admin")
    assert (await root.call("GET", PODS_PATH + "/p/log?tailLines=5"))[1] == "p/c False 5 False\nsecond\n"
    assert (await root.call("GET", PODS_PATH + "/p/log?limitBytes=3"))[1] == "p/c"
    assert (await root.call("GET", PODS_PATH + "/p/log?tailLines=-1"))[0] == 422
    assert (await root.call("GET", PODS_PATH + "/nosuch/log"))[0] == 404


async def test_a_pod_without_a_node_and_one_of_two_containers(api: Any, store: Store, pod: Make) -> None:
    store.create(PODS, pod())
    assert "does not have a host assigned" in (await api("admin").call("GET", PODS_PATH + "/p/log"))[1]["message"]
    store.create(PODS, pod("q", nodeName="n1", containers=[{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]))
    message = (await api("admin").call("GET", PODS_PATH + "/q/log"))[1]["message"]
    assert message == "a container name must be specified for pod q, choose one of: [a b]"


async def test_daemonsets_over_the_wire_keep_their_status_apart(api: Any, store: Store, daemonset: Make) -> None:
    root = api("admin")
    await root.call("POST", DS_PATH, daemonset())
    made = (await root.call("PATCH", DS_PATH + "/app/status", {"status": {"numberReady": 3}}, MERGE))[1]
    assert made["status"]["numberReady"] == 3
    assert (await root.call("PATCH", DS_PATH + "/app", {"status": {"numberReady": 0}}, MERGE))[1]["status"]["numberReady"] == 3
    assert store.get(DAEMONSETS, "default", "app")["status"]["numberReady"] == 3
