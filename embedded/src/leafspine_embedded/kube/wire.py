"""Requests and answers as the API sees them: paths, bodies, media types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from leafspine_embedded.kube import protobuf
from leafspine_embedded.kube.errors import ApiError, BadRequest, PathNotFound, UnsupportedMediaType
from leafspine_embedded.kube.objects import Object
from leafspine_embedded.kube.resources import Registry, Resource

MAX_BODY = 3 * 1024 * 1024  # what the real API server takes
_NAMESPACE_PARTS = {"status", "finalize"}


@dataclass(frozen=True)
class Target:
    """What a path names. `version`: the one in the path (custom resources may serve several)."""

    resource: Resource
    version: str
    namespace: str
    name: str
    subresource: str
    rest: str = ""


def parse_path(registry: Registry, path: str) -> Target:
    """A resource path. Raises PathNotFound."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) >= 3 and parts[1] == "v1":
        group, version, rest = "", "v1", parts[2:]
    elif parts[:1] == ["apis"] and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise PathNotFound
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and not (group == "" and rest[2] in _NAMESPACE_PARTS):
        namespace, rest = rest[1], rest[2:]
    res = registry.find(group, rest[0])
    if res is None or version not in res.versions or (namespace and not res.namespaced):
        raise PathNotFound
    name = rest[1] if len(rest) > 1 else ""
    if name and res.namespaced and not namespace:
        raise PathNotFound
    return Target(res, version, namespace, name, rest[2] if len(rest) > 2 else "", "/".join(rest[3:]))


async def body(request: web.BaseRequest) -> Any:
    """The request's body as a JSON value; None when there is none. Takes JSON and YAML."""
    raw = await _read(request)
    if not raw.strip():
        return None
    media = request.headers.get("Content-Type", "application/json").partition(";")[0].strip().lower()
    if media == protobuf.MEDIA:
        return protobuf.decode(raw)
    if media in {"application/yaml", "application/apply-patch+yaml"}:
        import yaml  # only here: it costs time and memory, and nearly every client sends JSON

        try:
            return yaml.safe_load(raw)
        except yaml.YAMLError as error:
            raise BadRequest(f"error converting YAML to JSON: {error}") from None
    if media.endswith("json") or media in {"", "application/octet-stream", "text/plain"}:
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"couldn't get version/kind; json parse error: {error}") from None
    accepted = f"application/json, application/yaml, {protobuf.MEDIA}"
    raise UnsupportedMediaType(f"the body of the request was in an unknown format - accepted media types include: {accepted}")


async def _read(request: web.BaseRequest) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        text = f"Request entity too large: limit is {MAX_BODY}"
        raise ApiError(text, code=413, reason="RequestEntityTooLarge", details={}) from None


@dataclass(frozen=True)
class Shape:
    """How the client wants the answer: "" (the object itself), Table, PartialObjectMetadata(List) or an aggregated discovery document."""

    kind: str = ""


def negotiate(accept: str, *, aggregated: bool = False) -> Shape:
    """The first media type of an Accept header that is served. Raises ApiError 406."""
    for entry in accept.split(",") if accept.strip() else ["*/*"]:
        media, _, parameters = entry.strip().partition(";")
        if media.strip() not in {"application/json", "application/*", "*/*"}:
            continue
        options = dict(part.strip().partition("=")[::2] for part in parameters.split(";") if "=" in part)
        wanted = options.get("as", "")
        if not wanted:
            return Shape()
        if options.get("g") == "meta.k8s.io" and options.get("v") == "v1" and wanted in {"Table", "PartialObjectMetadata", "PartialObjectMetadataList"}:
            return Shape(wanted.removesuffix("List"))
        if aggregated and options.get("g") == "apidiscovery.k8s.io" and options.get("v") == "v2":
            return Shape("Aggregated")
    raise ApiError("only the following media types are accepted: application/json", code=406, reason="NotAcceptable", details={})


def answer(value: Any, code: int = 200, *, warnings: list[str] | None = None, media: str = "application/json") -> web.Response:
    """A JSON response; warnings go where kubectl prints them from."""
    response = web.Response(body=dumps(value), status=code, headers={"Content-Type": media, "Cache-Control": "no-cache, private"})
    for text in warnings or ():
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{quoted}"')
    return response


def dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def failure(error: ApiError) -> web.Response:
    response = answer(error.status(), error.code)
    if error.code == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="kubernetes-master"'
    return response


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean query parameter as Go reads it. Raises BadRequest."""
    text = query.get(name, "")
    if text in {"", "0", "f", "F", "false", "FALSE", "False"}:
        return False
    if text in {"1", "t", "T", "true", "TRUE", "True"}:
        return True
    raise BadRequest(f'unable to parse query parameter "{name}": strconv.ParseBool: parsing "{text}": invalid syntax')


def number(query: Mapping[str, str], name: str) -> int | None:
    """An integer query parameter; None when it is not there. Raises BadRequest."""
    text = query.get(name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def dry_run(query: Mapping[str, str], options: Object | None = None) -> bool:
    """dryRun=All, in the query or in DeleteOptions. Raises ApiError for any other value."""
    given = query.get("dryRun")
    values = [given] if given else list((options or {}).get("dryRun") or [])
    if any(value != "All" for value in values):
        raise ApiError(f'dryRun: Unsupported value: "{values[0]}": supported values: "All"', code=422, reason="Invalid", details={})
    return bool(values)
