"""Makes kube/data/fields.json from the installed Kubernetes client: which fields each type has, and of which type they are.

A development tool: `python -m leafspine_embedded.kube.make_fields`. It reads the client's model files as text, because importing them
takes 150 MB. The result holds names and types only: {"ContainerPort": {"containerPort": "int!", "name": "str"}, ...}, where `!` means
required, `[]X` a list, `{}X` a map, `any` anything, `quantity` a number or its text, `port` an IntOrString.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from pathlib import Path

ROOTS = (
    "Namespace", "Node", "Pod", "Service", "Endpoints", "ConfigMap", "Secret", "ServiceAccount", "CoreV1Event", "DaemonSet", "Deployment", "ReplicaSet",
    "ControllerRevision", "EndpointSlice", "Lease", "PriorityClass", "StorageClass", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding",
    "CustomResourceDefinition", "SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview", "AuthenticationV1TokenRequest",
)  # fmt: skip
_SCALARS = {"str": "str", "int": "int", "bool": "bool", "float": "num", "datetime": "time", "bytearray": "str", "object": "any"}
# The client's models have plain text or `object` where the API takes a Quantity or an IntOrString.
_QUANTITIES = {
    ("ResourceRequirements", "limits"), ("ResourceRequirements", "requests"), ("VolumeResourceRequirements", "limits"),
    ("VolumeResourceRequirements", "requests"), ("NodeStatus", "capacity"), ("NodeStatus", "allocatable"), ("PodSpec", "overhead"),
    ("ContainerStatus", "allocatedResources"), ("EmptyDirVolumeSource", "sizeLimit"), ("ResourceFieldSelector", "divisor"),
}  # fmt: skip


def _class_values(path: Path) -> tuple[str, dict[str, str], dict[str, str], set[str]] | None:
    """(class name, types by attribute, JSON names by attribute, required attributes) of one model file."""
    for node in ast.parse(path.read_text()).body:
        if not isinstance(node, ast.ClassDef):
            continue
        tables: dict[str, dict[str, str]] = {}
        required = set()
        for item in node.body:
            if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
                continue
            if item.target.id in {"openapi_types", "attribute_map"} and item.value is not None:
                tables[item.target.id] = ast.literal_eval(item.value)
            elif not ast.unparse(item.annotation).startswith(("Optional", "ClassVar")):
                required.add(item.target.id)
        if {"openapi_types", "attribute_map"} <= tables.keys():
            return node.name, tables["openapi_types"], tables["attribute_map"], required
    return None


def _short(name: str) -> str:
    return name[2:] if name.startswith("V1") and not re.match(r"V1(alpha|beta)", name) else name


def _type(text: str) -> str:
    if match := re.fullmatch(r"(?:list|List)\[(.+)\]", text):
        return "[]" + _type(match[1])
    if match := re.fullmatch(r"(?:dict|Dict)[\[(]str, (.+)[\])]", text):
        return "{}" + _type(match[1])
    return _SCALARS.get(text) or _short(text)


def table(models: Path) -> dict[str, dict[str, str]]:
    """All types that the roots reach."""
    classes = {}
    for path in sorted(models.glob("*.py")):
        found = _class_values(path)
        if found is not None:
            classes[_short(found[0])] = found
    made: dict[str, dict[str, str]] = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name in made or name not in classes:
            continue
        _, types, names, required = classes[name]
        fields = {}
        for attribute, text in types.items():
            kind = _type(text)
            if (name, names[attribute]) in _QUANTITIES:
                kind = kind.replace("str", "quantity").replace("any", "quantity")
            fields[names[attribute]] = kind + ("!" if attribute in required else "")
            waiting.append(kind.lstrip("[]{}"))
        made[name] = fields
    return {name: made[name] for name in sorted(made)}


def main() -> None:
    spec = importlib.util.find_spec("kubernetes")
    if spec is None or spec.origin is None:
        raise SystemExit("the kubernetes client is not installed")
    target = Path(__file__).parent / "data" / "fields.json"
    rows = [
        f"{json.dumps(name)}: {json.dumps(fields, separators=(',', ':'))}" for name, fields in table(Path(spec.origin).parent / "client" / "models").items()
    ]
    target.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    print(f"{target}: {len(rows)} types, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
