"""Checks of pods and of what makes pods."""

from __future__ import annotations

import json
import re
from typing import Any

from leafspine_embedded.kube.errors import FieldError
from leafspine_embedded.kube.names import check_labels, label_error
from leafspine_embedded.kube.objects import Object
from leafspine_embedded.kube.selectors import matches_label_selector

_RESTART = ["Always", "OnFailure", "Never"]
_PULL = ["Always", "IfNotPresent", "Never"]
_DNS = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]
_PROTOCOLS = ["SCTP", "TCP", "UDP"]
_EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"]
_CONFIG_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', "
    "regex used for validation is '[-._a-zA-Z0-9]+')"
)
POD_FROZEN = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def check_pod_spec(spec: Object, path: str) -> list[FieldError]:
    """A pod's spec at `path` (`spec`, `spec.template.spec`), after defaulting."""
    errors: list[FieldError] = []
    volumes = {volume.get("name") for volume in spec.get("volumes", [])}
    errors.extend(_volumes(spec.get("volumes", []), f"{path}.volumes"))
    containers = spec.get("containers") or []
    if not containers:
        errors.append(FieldError.required(f"{path}.containers"))
    names: set[str] = set()
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field, [])):
            here = f"{path}.{field}[{index}]"
            errors.extend(_container(container, here, volumes))
            if container.get("name") in names:
                errors.append(FieldError.duplicate(f"{here}.name", container["name"]))
            names.add(container.get("name", ""))
    for field, allowed in (("restartPolicy", _RESTART), ("dnsPolicy", _DNS)):
        if spec.get(field) not in allowed:
            errors.append(FieldError.unsupported(f"{path}.{field}", spec.get(field), allowed))
    errors.extend(check_labels(spec.get("nodeSelector"), f"{path}.nodeSelector"))
    for index, toleration in enumerate(spec.get("tolerations", [])):
        errors.extend(_toleration(toleration, f"{path}.tolerations[{index}]"))
    return errors


def _volumes(volumes: list[Any], path: str) -> list[FieldError]:
    errors, seen = [], set()
    for index, volume in enumerate(volumes):
        name = volume.get("name", "")
        if not name:
            errors.append(FieldError.required(f"{path}[{index}].name"))
        elif problem := label_error(name):
            errors.append(FieldError.invalid(f"{path}[{index}].name", name, problem))
        if name in seen:
            errors.append(FieldError.duplicate(f"{path}[{index}].name", name))
        seen.add(name)
    return errors


def _container(container: Object, path: str, volumes: set[Any]) -> list[FieldError]:
    errors = []
    name = container.get("name", "")
    if not name:
        errors.append(FieldError.required(f"{path}.name"))
    elif problem := label_error(name):
        errors.append(FieldError.invalid(f"{path}.name", name, problem))
    image = container.get("image", "")
    if not image:
        errors.append(FieldError.required(f"{path}.image"))
    elif image != image.strip():
        errors.append(FieldError.invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    if container.get("imagePullPolicy") not in _PULL:
        errors.append(FieldError.unsupported(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL))
    for index, port in enumerate(container.get("ports", [])):
        errors.extend(_container_port(port, f"{path}.ports[{index}]"))
    for index, entry in enumerate(container.get("env", [])):
        if not entry.get("name"):
            errors.append(FieldError.required(f"{path}.env[{index}].name"))
        elif entry.get("value") and entry.get("valueFrom"):
            errors.append(FieldError.invalid(f"{path}.env[{index}].valueFrom", "", "may not be specified when `value` is not empty"))
    for index, mount in enumerate(container.get("volumeMounts", [])):
        here = f"{path}.volumeMounts[{index}]"
        if mount.get("name") not in volumes:
            errors.append(FieldError(f"{here}.name", "FieldValueNotFound", f'Not found: "{mount.get("name", "")}"'))
        if not mount.get("mountPath"):
            errors.append(FieldError.required(f"{here}.mountPath"))
    return errors


def _container_port(port: Object, path: str) -> list[FieldError]:
    errors = []
    for field in ("containerPort", "hostPort"):
        if field == "containerPort" and not port.get(field):
            errors.append(FieldError.required(f"{path}.containerPort"))
        elif port.get(field) and not 1 <= port[field] <= 65535:
            errors.append(FieldError.invalid(f"{path}.{field}", port[field], "must be between 1 and 65535, inclusive"))
    if port.get("protocol") not in _PROTOCOLS:
        errors.append(FieldError.unsupported(f"{path}.protocol", port.get("protocol"), _PROTOCOLS))
    return errors


def _toleration(toleration: Object, path: str) -> list[FieldError]:
    operator, effect = toleration.get("operator", "Equal"), toleration.get("effect")
    if operator not in {"Equal", "Exists"}:
        return [FieldError.unsupported(f"{path}.operator", operator, ["Equal", "Exists"])]
    if operator == "Exists" and toleration.get("value"):
        return [FieldError.invalid(f"{path}.operator", toleration["value"], "value must be empty when `operator` is 'Exists'")]
    if effect and effect not in _EFFECTS:
        return [FieldError.unsupported(f"{path}.effect", effect, _EFFECTS)]
    return []


def check_template(spec: Object) -> list[FieldError]:
    """Selector and pod template of a DaemonSet, Deployment or ReplicaSet."""
    errors: list[FieldError] = []
    selector, template = spec.get("selector"), spec.get("template")
    if template is None:
        return [FieldError.required("spec.template")]
    labels = template.get("metadata", {}).get("labels") or {}
    if selector is None:
        errors.append(FieldError.required("spec.selector"))
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        errors.append(FieldError.invalid("spec.selector", selector, "empty selector is invalid for workloads"))
    elif not matches_label_selector(selector, labels):
        shown = "{" + ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in sorted(labels.items())) + "}"
        text = f"Invalid value: {shown}: `selector` does not match template `labels`"
        errors.append(FieldError("spec.template.metadata.labels", "FieldValueInvalid", text))
    errors.extend(check_labels(labels, "spec.template.labels"))
    errors.extend(check_pod_spec(template["spec"], "spec.template.spec"))
    if template["spec"].get("restartPolicy") in {"OnFailure", "Never"}:
        errors.append(FieldError.unsupported("spec.template.spec.restartPolicy", template["spec"]["restartPolicy"], ["Always"]))
    return errors


def check_pod_update(spec: Object, old: Object) -> list[FieldError]:
    """Nearly all of a pod's spec is fixed; binding it to a node (nodeName from nothing) is what the scheduler does."""

    def frozen(value: Object) -> Object:
        kept = {key: item for key, item in value.items() if key not in {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"}}
        for field in ("containers", "initContainers"):
            if field in kept:
                kept[field] = [{key: item for key, item in container.items() if key != "image"} for container in kept[field]]
        if not old.get("nodeName"):
            kept.pop("nodeName", None)
        return kept

    if frozen(spec) != frozen(old):
        return [FieldError.forbidden("spec", POD_FROZEN)]
    if any(entry not in spec.get("tolerations", []) for entry in old.get("tolerations", [])):
        return [FieldError.forbidden("spec", POD_FROZEN)]
    return []


def check_taints(taints: list[Any]) -> list[FieldError]:
    """spec.taints of a node."""
    errors, seen = [], set()
    for index, taint in enumerate(taints):
        path = f"spec.taints[{index}]"
        if taint.get("effect") not in _EFFECTS:
            errors.append(FieldError.unsupported(f"{path}.effect", taint.get("effect", ""), _EFFECTS))
        errors.extend(check_labels({taint.get("key", ""): taint.get("value", "")}, f"{path}.key"))
        if (taint.get("key"), taint.get("effect")) in seen:
            errors.append(FieldError.duplicate(path, taint))
        seen.add((taint.get("key"), taint.get("effect")))
    return errors


def check_config_keys(obj: Object) -> list[FieldError]:
    """Keys of a ConfigMap's or Secret's data."""
    errors = []
    for field in ("data", "binaryData"):
        for key in obj.get(field) or {}:
            if not re.fullmatch(r"[-._a-zA-Z0-9]+", key) or key in {".", ".."}:
                errors.append(FieldError.invalid(f"{field}[{key}]", key, _CONFIG_KEY))
    return errors
