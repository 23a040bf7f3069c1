"""The patch types of the API, applied to plain objects."""

from __future__ import annotations

from typing import Any

from leafspine_embedded.kube import schema, strategic
from leafspine_embedded.kube.errors import ApiError, BadRequest, UnsupportedMediaType
from leafspine_embedded.kube.objects import Object, clone
from leafspine_embedded.kube.resources import Resource

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
BUILTIN_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)


def check_media(res: Resource, media: str) -> None:
    """Raises UnsupportedMediaType for a type that is not served, server-side apply among them, whether the object exists or not."""
    accepted = (JSON_PATCH, MERGE_PATCH) if res.custom else BUILTIN_TYPES
    if media.startswith("application/apply-patch"):
        raise UnsupportedMediaType(
            "server-side apply is not supported by the embedded engine (application/apply-patch+yaml); apply on the client's side instead "
            "(kubectl apply without --server-side). accepted media types include: " + ", ".join(accepted)
        )
    if media not in accepted:
        raise UnsupportedMediaType("the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted))


def apply(res: Resource, obj: Object, body: Any, media: str) -> Object:
    """The patched copy. Raises UnsupportedMediaType, BadRequest or ApiError(422)."""
    check_media(res, media)
    if media == JSON_PATCH:
        return _json_patch(obj, body)
    if not isinstance(body, dict):
        raise BadRequest("json: cannot unmarshal array into Go value of type map[string]interface {}")
    if media == MERGE_PATCH:
        merged: Object = merge(obj, body)
        return merged
    return strategic.merge(obj, body, schema.type_of(res.kind))


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return clone(patch)
    result = clone(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def _json_patch(obj: Object, body: Any) -> Object:
    import jsonpatch  # only here: most clients never send one

    if not isinstance(body, list):
        raise BadRequest("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        patched: Object = jsonpatch.apply_patch(clone(obj), body)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError) as error:
        raise ApiError(f"the server rejected our request due to an error in our request: {error}", code=422, reason="Invalid", details={}) from None
    return patched
