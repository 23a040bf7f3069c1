"""What the module calicoctl does for each state: read, compare, change what differs, say what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils.calico_resources import (
    API_VERSION,
    BadResource,
    Identity,
    applied_form,
    checked,
    document,
    find,
    for_reading,
    identity,
    identity_of,
    patch_problem,
    same,
    without_duplicates,
)
from ansible_collections.leafspine.calico.plugins.module_utils.calicoctl_client import Calicoctl, failure
from ansible_collections.leafspine.calico.plugins.module_utils.calicoctl_errors import SILENT
from ansible_collections.leafspine.calico.plugins.module_utils.tool import Failure, Result
from ansible_collections.leafspine.calico.plugins.module_utils.yaml_text import to_yaml

RETRY = {"update_conflict", "already_exists"}
PARALLEL_GETS = 4
_DONE = {"delete": "deleted", "patch": "patched"}


@dataclass
class Change:
    """One resource that is not as wanted: `before` is None for a new one, `after` is None for one to be deleted."""

    identity: Identity
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    patch: dict[str, Any] | None = None

    def done_in(self, live: Iterable[dict[str, Any]]) -> bool:
        now = find(live, self.identity)
        return now is None if self.after is None else now is not None and same(now, self.after)

    def diff(self) -> dict[str, str]:
        shown = {side: for_reading(value) for side, value in (("before", self.before), ("after", self.after))}
        texts = {side: to_yaml(value) if value else "" for side, value in shown.items()}
        return {**texts, "before_header": str(self.identity), "after_header": str(self.identity)}


@dataclass
class Wish:
    """One entry of the task: a resource (present), only its identity (absent, query), or an identity with a patch (patched)."""

    identity: Identity
    resource: dict[str, Any] | None = None
    patch: dict[str, Any] | None = None


def read_wishes(state: str, entries: Sequence[Any]) -> list[Wish]:
    """The entries of the option resources, checked.

    Raises: BadResource with the place in the list for an entry that does not fit the state.
    """
    wishes = [_read_wish(state, entry, f"resources[{index}]") for index, entry in enumerate(entries)]
    if state != "patched":
        without_duplicates(wish.identity for wish in wishes)
    return wishes


def _read_wish(state: str, entry: Any, place: str) -> Wish:
    if state == "present":
        resource = checked(entry, place)
        return Wish(identity_of(resource), resource)
    if not isinstance(entry, dict) or not isinstance(entry.get("kind"), str) or not entry["kind"]:
        raise BadResource(f"{place}: must be a dictionary with kind and name")
    given = entry.get("metadata")
    metadata: dict[str, Any] = given if isinstance(given, dict) else {}
    name = entry.get("name") or metadata.get("name") or ""
    if not isinstance(name, str) or not (name or state == "query"):
        raise BadResource(f"{place} ({entry['kind']}): name is missing")
    namespace = entry.get("namespace") or metadata.get("namespace")
    one = identity(entry["kind"], name, namespace)
    if not name and not namespace:
        one = one._replace(namespace="")
    if state != "patched":
        return Wish(one)
    if problem := patch_problem(entry.get("patch"), f"{place} ({one})"):
        raise BadResource(problem)
    return Wish(one, patch=entry["patch"])


class Manager:
    """Brings the resources of one datastore into the wanted state.

    datastore_exists=False: there is nothing to read from; everything counts as absent and calicoctl is not asked.
    """

    def __init__(
        self,
        client: Calicoctl,
        *,
        kubernetes: bool = True,
        replace: bool = False,
        datastore_exists: bool = True,
        check_mode: bool = False,
        validate: bool = True,
    ) -> None:
        self.client = client
        self.kubernetes = kubernetes
        self.replace = replace
        self.datastore_exists = datastore_exists
        self.check_mode = check_mode
        self.validate = validate

    def run(self, state: str, entries: Sequence[Any]) -> dict[str, Any]:
        """Do it; returns the module's result. Raises: Failure."""
        try:
            wishes = read_wishes(state, entries)
            if not self.datastore_exists and not self.check_mode and state in ("present", "patched"):
                raise BadResource("datastore_exists=false is for check mode, and for state absent and query: without a datastore nothing can be written")
            if state == "query":
                return {"changed": False, "resources": self._query(wishes)}
            return self._write(state, wishes)
        except BadResource as error:
            raise Failure(str(error), reason="bad_resource", applied=[], not_applied=[], unknown=[]) from error

    def _query(self, wishes: Sequence[Wish]) -> list[dict[str, Any]]:
        named = self._read([wish.identity for wish in wishes if wish.identity.name])
        for wish in wishes:
            if not wish.identity.name and self.datastore_exists:
                named += self.client.get(wish.identity.kind, namespace=wish.identity.namespace)
        return named

    def _read(self, identities: Iterable[Identity]) -> list[dict[str, Any]]:
        """The live resources among `identities`: one `get` per kind, several of them at once."""
        groups: dict[tuple[str, str], list[str]] = {}
        for one in identities:
            names = groups.setdefault((one.kind, one.namespace), [])
            if one.name not in names:
                names.append(one.name)
        if not groups or not self.datastore_exists:
            return []
        with ThreadPoolExecutor(min(len(groups), PARALLEL_GETS)) as pool:
            answers = pool.map(lambda group: self.client.get(group[0][0], group[1], group[0][1]), groups.items())
            return [resource for answer in answers for resource in answer]

    def _live(self, state: str, identities: Sequence[Identity]) -> list[dict[str, Any]]:
        """What is there of what is to be changed. A cluster without Calico's definitions has nothing to delete."""
        try:
            return self._read(identities)
        except Failure as failed:
            if state == "absent" and failed.reason == "crds_missing":
                return []
            raise

    def _plan(self, state: str, wishes: Sequence[Wish], live: Sequence[dict[str, Any]]) -> dict[Identity, Change]:
        changes: dict[Identity, Change] = {}
        for wish in wishes:
            before = find(live, wish.identity)
            if state == "absent":
                if before is not None:
                    changes[wish.identity] = Change(wish.identity, before, None)
                continue
            # Two patches of one resource: the second meets what the first made of it.
            earlier = changes.get(wish.identity)
            after = self._after(wish, earlier.after if earlier else before)
            patch = _joined(earlier.patch or {}, wish.patch or {}) if earlier else wish.patch
            changes.pop(wish.identity, None)
            if before is None or not same(before, after):
                changes[wish.identity] = Change(wish.identity, before, after, patch)
        return changes

    def _after(self, wish: Wish, live: dict[str, Any] | None) -> dict[str, Any]:
        kubernetes = self.kubernetes and self.datastore_exists
        if wish.resource is not None:
            return applied_form(wish.resource, live, replace=self.replace, kubernetes=kubernetes)
        patch = wish.patch or {}
        if live is None and self.datastore_exists:
            raise BadResource(f"{wish.identity} does not exist, there is nothing to patch: make it with state=present first")
        place = {"name": wish.identity.name, **({"namespace": wish.identity.namespace} if wish.identity.namespace else {})}
        wanted = {**patch, "apiVersion": API_VERSION, "kind": wish.identity.kind, "metadata": {**(patch.get("metadata") or {}), **place}}
        return applied_form(wanted, live, replace=False, kubernetes=kubernetes)

    def _write(self, state: str, wishes: Sequence[Wish]) -> dict[str, Any]:
        total: dict[Identity, Change] = {}
        tries = 0
        while True:
            tries += 1
            live = self._live(state, [wish.identity for wish in wishes])
            changes = self._plan(state, wishes, live)
            for key, change in changes.items():
                # A second try finds some of it done; what is reported is the way from before the first.
                first = total.get(key)
                total[key] = change if first is None else Change(key, first.before, change.after, change.patch)
            if not changes:
                break
            if self.check_mode:
                return self._result(wishes, total, live, tries) | {"validated": self._validated(changes)}
            result = self._send(state, changes)
            if result is None:
                break
            what, answer = result
            failed = failure(answer, what)
            if failed.reason not in RETRY or tries == 2:
                raise self._explained(failed, total)
        return self._result(wishes, total, live, tries)

    def _send(self, state: str, changes: dict[Identity, Change]) -> tuple[str, Result] | None:
        """Carry out the changes; the first call that fails ends it and is returned with its name."""
        if state == "present":
            answer = self.client.apply([document(change.after, kubernetes=self.kubernetes) for change in changes.values() if change.after])
            return None if answer.rc == 0 else ("apply", answer)
        if state == "patched":
            for key, change in changes.items():
                answer = self.client.patch(key.kind, key.name, key.namespace, change.patch or {})
                if answer.rc != 0:
                    return f"patch {key}", answer
            return None
        groups: dict[tuple[str, str], list[str]] = {}
        for key in changes:
            groups.setdefault((key.kind, key.namespace), []).append(key.name)
        for (kind, namespace), names in groups.items():
            answer = self.client.delete(kind, names, namespace)
            if answer.rc != 0:
                return f"delete {kind}", answer
        return None

    def _validated(self, changes: dict[Identity, Change]) -> bool:
        """In check mode: let calicoctl judge what would be applied. False when it could not be asked."""
        documents = [document(change.after, kubernetes=self.kubernetes and self.datastore_exists) for change in changes.values() if change.after]
        if not self.validate or not documents or self.client.tool.find() is None:
            return False
        answer = self.client.validate(documents)
        if answer.rc == 0:
            return True
        failed = failure(answer, "validate", applied=[], not_applied=[str(key) for key in changes], unknown=[])
        if failed.reason == "bad_call":
            return False
        raise failed

    def _explained(self, failed: Failure, changes: dict[Identity, Change]) -> Failure:
        """Add what has been applied and what has not: asked of the datastore, since calicoctl only tells how many."""
        applied: list[str] = []
        missing: list[str] = []
        unknown: list[str] = []
        try:
            if failed.reason in SILENT:
                raise failed
            live = self._read(changes)
        except Failure:
            unknown = [str(key) for key in changes]
        else:
            for key, change in changes.items():
                (applied if change.done_in(live) else missing).append(str(key))
        done = next((word for verb, word in _DONE.items() if f"calicoctl {verb} " in failed.message), "applied")
        parts = [(done, applied), (f"not {done}", missing), (f"unknown whether {done}", unknown)]
        told = "; ".join(f"{word}: {', '.join(names)}" for word, names in parts if names)
        failed.message = f"{failed.message} ({len(applied)} of {len(changes)} {done}; {told})"
        failed.details |= {"applied": applied, "not_applied": missing, "unknown": unknown, "changed": bool(applied)}
        return failed

    def _result(self, wishes: Sequence[Wish], changes: dict[Identity, Change], live: Sequence[dict[str, Any]], tries: int) -> dict[str, Any]:
        words = {
            "created": [str(key) for key, change in changes.items() if change.before is None and change.after is not None],
            "updated": [str(key) for key, change in changes.items() if change.before is not None and change.after is not None],
            "deleted": [str(key) for key, change in changes.items() if change.after is None],
        }
        identities = list(dict.fromkeys(wish.identity for wish in wishes))
        unchanged = [key for key in identities if key not in changes]
        after = [changes[key].after if key in changes else find(live, key) for key in identities]
        return {
            "changed": bool(changes),
            **words,
            "unchanged": [str(key) for key in unchanged],
            "resources": [resource for resource in after if resource is not None],
            "retried": tries > 1,
            "diff": [change.diff() for change in changes.values()],
        }


def _joined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two merge patches as one; nulls stay, for they remove."""
    result = dict(first)
    for key, value in second.items():
        old = result.get(key)
        result[key] = _joined(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result
