"""Makes kube/data/wiretypes.json: protobuf field numbers of the types that kubectl's typed commands send (create configmap, auth can-i, drain).

A development tool: `python -m leafspine_embedded.kube.make_wiretypes <clone of kubernetes/api> <clone of kubernetes/apimachinery>`, bare
clones included. It reads the struct tags of the Go types. The result holds names, numbers and types only:
{"core.ContainerPort": {"1": "name str", "3": "containerPort int"}, ...}; `[]X` a list, `{}X` a map, a trailing `*` a pointer (its zero is a
value), a trailing `^` a struct whose fields JSON shows in its parent.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

_PACKAGES = {
    "core": ("api", "core/v1/types.go"),
    "apps": ("api", "apps/v1/types.go"),
    "rbac": ("api", "rbac/v1/types.go"),
    "authentication": ("api", "authentication/v1/types.go"),
    "authorization": ("api", "authorization/v1/types.go"),
    "coordination": ("api", "coordination/v1/types.go"),
    "discovery": ("api", "discovery/v1/types.go"),
    "policy": ("api", "policy/v1/types.go"),
    "scheduling": ("api", "scheduling/v1/types.go"),
    "storage": ("api", "storage/v1/types.go"),
    "meta": ("apimachinery", "pkg/apis/meta/v1/types.go"),
}
ROOTS = (
    "core.Namespace", "core.Node", "core.Pod", "core.Service", "core.Endpoints", "core.ConfigMap", "core.Secret", "core.ServiceAccount", "core.Event",
    "core.Binding", "apps.DaemonSet", "apps.Deployment", "apps.ReplicaSet", "apps.ControllerRevision", "rbac.Role", "rbac.RoleBinding",
    "rbac.ClusterRole", "rbac.ClusterRoleBinding", "discovery.EndpointSlice", "coordination.Lease", "scheduling.PriorityClass",
    "storage.StorageClass", "authorization.SelfSubjectAccessReview", "authorization.SelfSubjectRulesReview", "authentication.SelfSubjectReview",
    "authentication.TokenRequest", "policy.Eviction", "meta.DeleteOptions",
)  # fmt: skip
_SPECIAL = {
    "meta.Time": "time", "meta.MicroTime": "microtime", "resource.Quantity": "quantity", "intstr.IntOrString": "port", "runtime.RawExtension": "raw",
    "meta.FieldsV1": "raw", "types.UID": "str", "meta.Duration": "duration",
}  # fmt: skip
_BASIC = {
    "string": "str", "int32": "int", "int64": "int", "int": "int", "uint32": "int", "uint64": "int", "int16": "int", "bool": "bool",
    "byte": "byte", "float64": "num", "rune": "int",
}  # fmt: skip
_IMPORTS = {"metav1": "meta", "v1": "core", "corev1": "core", "apiv1": "core"}
_FIELD = re.compile(r'^\t(?:(\w+)\s+)?([\w.*\[\]]+)\s+`json:"([^",]*)(?:,([^"]*))?"[^`]* protobuf:"\w+,(\d+),\w+,[^"]*name=(\w+)')

Struct = dict[int, tuple[str, str]]


def _read(clones: dict[str, Path], clone: str, path: str) -> str:
    return subprocess.run(["git", "-C", str(clones[clone]), "show", f"HEAD:{path}"], capture_output=True, text=True, check=True).stdout


def parse(text: str) -> tuple[dict[str, Struct], dict[str, str]]:
    """(fields by struct, underlying type by other named type) of one types.go."""
    structs: dict[str, Struct] = {}
    aliases: dict[str, str] = {}
    current: Struct | None = None
    for line in text.splitlines():
        if match := re.match(r"^type (\w+) struct \{", line):
            current = structs.setdefault(match[1], {})
        elif match := re.match(r"^type (\w+) ([\w.\[\]*]+)$", line):
            aliases[match[1]] = match[2]
        elif line == "}":
            current = None
        elif current is not None and (match := _FIELD.match(line)):
            inline = "inline" in (match[4] or "") or not match[3]
            current[int(match[5])] = (match[6] if inline else match[3], match[2] + ("^" if inline else ""))
    return structs, aliases


class Table:
    """Resolves Go types to the table's."""

    def __init__(self, clones: dict[str, Path]) -> None:
        parsed = {name: parse(_read(clones, *place)) for name, place in _PACKAGES.items()}
        self._structs = {f"{package}.{name}": fields for package, (structs, _) in parsed.items() for name, fields in structs.items()}
        self._aliases = {f"{package}.{name}": (package, text) for package, (_, aliases) in parsed.items() for name, text in aliases.items()}

    def type(self, package: str, text: str) -> str:
        if text.endswith("^"):
            return self.type(package, text[:-1]) + "^"
        if text.startswith("*"):
            inner = self.type(package, text[1:])
            return inner if inner in self._structs else inner + "*"
        if text == "[]byte":
            return "bytes"
        if text.startswith("[]"):
            return "[]" + self.type(package, text[2:]).rstrip("*")
        if match := re.match(r"map\[[\w.]+\](.+)", text):
            return "{}" + self.type(package, match[1]).rstrip("*")
        if text in _BASIC:
            return _BASIC[text]
        prefix, _, name = text.rpartition(".")
        full = f"{_IMPORTS.get(prefix, prefix) or package}.{name}"
        if full in _SPECIAL:
            return _SPECIAL[full]
        if full in self._aliases:
            return self.type(*self._aliases[full])
        return full

    def table(self) -> dict[str, dict[str, str]]:
        made: dict[str, dict[str, str]] = {}
        waiting = list(ROOTS)
        while waiting:
            name = waiting.pop()
            if name in made or name not in self._structs:
                continue
            package = name.partition(".")[0]
            made[name] = {}
            for number, (field, text) in sorted(self._structs[name].items()):
                kind = self.type(package, text)
                made[name][str(number)] = f"{field} {kind}"
                waiting.append(kind.strip("[]{}*^"))
        return {name: made[name] for name in sorted(made)}


def main() -> None:
    clones = {"api": Path(sys.argv[1]), "apimachinery": Path(sys.argv[2])}
    target = Path(__file__).parent / "data" / "wiretypes.json"
    rows = [f"{json.dumps(name)}: {json.dumps(fields, separators=(',', ':'))}" for name, fields in Table(clones).table().items()]
    target.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    print(f"{target}: {len(rows)} types, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
