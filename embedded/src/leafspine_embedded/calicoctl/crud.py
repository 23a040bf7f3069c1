"""apply, create, replace, delete, get, patch, validate, label: many resources in one call, each by itself, no rollback."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import documents, output
from .arguments import Arguments
from .datastore import Calico
from .errors import AlreadyExists, CommandError, DoesNotExist, ParseError, ResourceError, go_list
from .kinds import API_VERSION, BY_NAME, ELSEWHERE, Kind, Object, by_alias
from .session import check_version, try_connect
from .validation import validate

PAST = {"apply": "applied", "create": "created", "replace": "replaced", "validate": "validated", "delete": "deleted"}


@dataclass
class Result:
    """What came of a call: what to print, and the error the command ends with."""

    stdout: str = ""
    error: str = ""


@dataclass
class _Run:
    """single: the kind when all resources are of one."""

    total: int
    single: str
    done: list[Object] = field(default_factory=list)
    errors: list[ResourceError] = field(default_factory=list)


def _place(obj: Object, args: Arguments) -> None:
    """Fill in or check a resource's namespace. Raises ResourceError."""
    kind, metadata = BY_NAME[obj["kind"]], obj["metadata"]
    own, asked, every = metadata.get("namespace", ""), args.values.get("namespace", ""), "all-namespaces" in args.flags
    if not kind.namespaced:
        if own:
            raise ResourceError(f"namespace should not be specified for a non-namespaced resource. {kind.name} is not a namespaced resource")
        if asked or every:
            raise ResourceError(f"{kind.name} is not namespaced")
        return
    if every and asked:
        raise ResourceError("cannot use both --namespace and --all-namespaces flags at the same time")
    if every:
        metadata.pop("namespace", None)
    elif own and asked and own != asked:
        raise ResourceError(f"resource namespace does not match client namespace. {own} != {asked}")
    else:
        metadata["namespace"] = own or asked or "default"


def _named(args: Arguments) -> list[Object]:
    """The resources the operands name. Raises CommandError."""
    text, *names = args.operands
    kind = by_alias(text)
    if kind is None:
        known = ELSEWHERE.get(text.lower())
        raise CommandError(f"resource type '{text}' is not supported{' by the embedded engine' if known else ''}")
    if any(name == "" for name in names) or (args.command == "delete" and not names):
        raise CommandError("resource name may not be empty")
    return [{"kind": kind.name, "apiVersion": API_VERSION, "metadata": {"name": name} if name else {}, "spec": {}} for name in names or [""]]


def _resources(args: Arguments) -> list[Object]:
    if "filename" not in args.values:
        return _named(args)
    return documents.load(args.values["filename"], recursive="recursive" in args.flags, skip_empty="skip-empty" in args.flags)


def _start(args: Arguments) -> tuple[list[Object], Calico]:
    """Versions first, then the files, then the complaint about the configuration: the order of the real tool. Raises CommandError, ParseError."""
    calico, problem = try_connect(args)
    check_version(args, calico)
    resources = _resources(args)
    if calico is None:
        raise problem or CommandError("no datastore")
    return resources, calico


def _each(resources: list[Object], action: Callable[[Kind, Object], Object], args: Arguments) -> _Run:
    kinds = {obj["kind"] for obj in resources}
    run = _Run(len(resources), resources[0]["kind"] if len(kinds) == 1 else "")
    for obj in resources:
        try:
            _place(obj, args)
            run.done.append(action(BY_NAME[obj["kind"]], obj))
        except AlreadyExists as error:
            (run.done if "skip-exists" in args.flags else run.errors).append(obj if "skip-exists" in args.flags else error)  # type: ignore[arg-type]
        except DoesNotExist as error:
            (run.done if "skip-not-exists" in args.flags else run.errors).append(obj if "skip-not-exists" in args.flags else error)  # type: ignore[arg-type]
        except ResourceError as error:
            run.errors.append(error)
    return run


def _report(args: Arguments, run: _Run) -> Result:
    verb, past, handled = args.command, PAST[args.command], len(run.done)
    quoted = f" '{run.single}'" if run.single else ""
    if handled == 0:
        if run.total == 1:
            return Result(error=f"failed to {verb} '{run.single}' resource: {go_list(run.errors)}")
        return Result(error=f"failed to {verb} any{quoted} resources: {go_list(run.errors)}")
    if not run.errors:
        return Result(f"Successfully {past} {handled}{quoted} resource(s)\n")
    partial = f"Partial success: {past} the first {handled} out of {run.total}{quoted} resources:\n"
    # The real tool is silent about what it did when there are as many errors as successes.
    return Result(partial if handled > len(run.errors) else "", f"hit error{'' if verb == 'create' else '(s)'}: {go_list(run.errors)}")


def write(args: Arguments) -> Result:
    """apply, create and validate."""
    try:
        if args.command == "validate":
            resources = _resources(args)
        else:
            resources, calico = _start(args)
    except ParseError as error:
        return Result(error=f"failed to execute command: {error}")
    if not resources:
        return Result("No resources specified\n")
    if args.command == "validate":
        return _report(args, _each(resources, _validated, args))
    calico.ensure_initialised()
    return _report(args, _each(resources, calico.apply if args.command == "apply" else calico.create, args))


def _validated(kind: Kind, obj: Object) -> Object:
    validate(obj)
    return obj


def replace(args: Arguments) -> Result:
    """replace: the real tool counts what failed as handled, and shows the last error only."""
    try:
        resources, calico = _start(args)
    except ParseError as error:
        return Result(error=f"failed to execute command: {error}")
    if not resources:
        return Result("No resources specified\n")
    calico.ensure_initialised()
    run = _each(resources, calico.update, args)
    quoted = f" '{run.single}'" if run.single else ""
    if not run.errors:
        return Result(f"Successfully replaced {run.total}{quoted} resource(s)\n")
    return Result(f"Partial success: replaced the first {run.total} out of {run.total}{quoted} resources:\n", f"hit error: {run.errors[-1]}")


def delete(args: Arguments) -> Result:
    try:
        resources, calico = _start(args)
    except ParseError as error:
        return Result(error=f"failed to execute command: {error}")
    if not resources:
        return Result("No resources specified\n")

    def remove(kind: Kind, obj: Object) -> Object:
        calico.delete(kind, obj["metadata"].get("name", ""), obj["metadata"].get("namespace", ""))
        return obj

    run = _each(resources, remove, args)
    quoted = f" '{run.single}'" if run.single else ""
    out = f"Successfully deleted {len(run.done)}{quoted} resource(s)\n" if run.done else ""
    return Result(out, "".join(f"Failed to delete{quoted} resource: {error}\n" for error in run.errors))


def get(args: Arguments) -> Result:
    namespaces = "all-namespaces" in args.flags or bool(args.values.get("namespace"))
    clients: list[Calico] = []
    show = output.printer(args.values.get("output", "ps"), namespaces=namespaces, default_asn=lambda: _default_asn(clients[0]))
    try:
        resources, calico = _start(args)
    except ParseError as error:
        return Result(error=f"failed to execute command: {error}")
    except CommandError as error:
        raise error if error.stdout or str(error).startswith("Failed to create") else CommandError(f"failed to get resources: {error}") from None
    clients.append(calico)

    def read(kind: Kind, obj: Object) -> Object:
        name, namespace = obj["metadata"].get("name", ""), obj["metadata"].get("namespace", "")
        if not name:
            return calico.list_all(kind, namespace)
        if kind.namespaced and not namespace:
            raise ResourceError("cannot use --all-namespace flag for getting a single resource")
        found = calico.get(kind, name, namespace)
        return _exported(found) if "export" in args.flags else found

    run = _each(resources, read, args)
    return Result(show(run.done), "\n".join(str(error) for error in run.errors))


def _exported(obj: Object) -> Object:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in ("uid", "resourceVersion", "namespace", "creationTimestamp")}
    return {**obj, "metadata": {**metadata, "creationTimestamp": None}}


def _default_asn(calico: Calico) -> str:
    try:
        found = calico.get(BY_NAME["BGPConfiguration"], "default")
    except DoesNotExist:
        return "64512"
    except ResourceError:
        return "unknown"
    return str(found["spec"].get("asNumber") or 64512)


def merge(live: Any, patch: Any) -> Any:
    """A strategic merge for Calico's types, none of which merges lists: maps are merged, null removes, everything else replaces."""
    if not isinstance(live, dict) or not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(live)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key, {} if isinstance(value, dict) else None), value)
    return result


def _directives(patch: Any) -> list[str]:
    if isinstance(patch, dict):
        return [key for key in patch if str(key).startswith("$")] + [name for value in patch.values() for name in _directives(value)]
    return [name for value in patch for name in _directives(value)] if isinstance(patch, list) else []


def patch(args: Arguments) -> Result:
    if args.values.get("type", "strategic") != "strategic":
        raise CommandError(f"patch type '{args.values['type']}' is not supported, only strategic")
    resources, calico = _start(args)
    obj = resources[0]
    kind = BY_NAME[obj["kind"]]
    try:
        _place(obj, args)
        live = calico.get(kind, obj["metadata"]["name"], obj["metadata"].get("namespace", ""))
    except ResourceError as error:
        return Result(error=f"hit error: {error}")
    try:
        wanted = json.loads(args.values["patch"])
    except ValueError:
        wanted = None
    if not isinstance(wanted, dict):
        return Result(error="hit error: performing strategic merge patch: invalid JSON document")
    if _directives(wanted):
        return Result(error=f"hit error: performing strategic merge patch: directive {_directives(wanted)[0]} is not supported by the embedded engine")
    try:
        patched = documents.resource(merge(live, wanted))
    except ParseError as error:
        return Result(error=f"hit error: creating resource from patched data: {error}")
    try:
        calico.update(kind, patched, current=live)
    except ResourceError as error:
        return Result(error=f"hit error: updating existing resource: {error}")
    return Result(f"Successfully patched 1 '{kind.name}' resource\n")


def label(args: Arguments) -> Result:
    shown, name, text = args.operands
    key, equals, value = text.partition("=")
    removing = "remove" in args.flags
    if (not equals and not removing) or (removing and (equals or "overwrite" in args.flags)) or "=" in value:
        raise CommandError(f"invalid label {text}")
    args.operands = [shown, name]
    resources, calico = _start(args)
    obj, kind = resources[0], BY_NAME[resources[0]["kind"]]
    try:
        _place(obj, args)
        live = calico.get(kind, name, obj["metadata"].get("namespace", ""))
    except ResourceError as error:
        raise CommandError(f"failed to get {shown} {name}, error {error}") from None
    labels = live["metadata"].setdefault("labels", {})
    present = key in labels
    if removing:
        if not present:
            raise CommandError(f"cannot remove label of {shown} {name}, key {key} does not exist")
        del labels[key]
    elif present and "overwrite" not in args.flags and labels[key] != value:
        raise CommandError(f"failed to update label of {shown} {name}, key {key} is already present. please use '--overwrite' to set a new value.")
    else:
        labels[key] = value
    try:
        calico.update(kind, live)
    except ResourceError:
        raise CommandError(f"failed to update {shown} {name}, label not changed") from None
    if removing:
        return Result(f"Successfully removed label {key} from {shown} {name}\n")
    return Result(f"Successfully {'updated' if present else 'set'} label {key} on {shown} {name}\n")
