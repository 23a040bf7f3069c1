from __future__ import annotations

import pytest
from leafspine_embedded.kind.config import image_version, parse
from leafspine_embedded.kind.errors import KindError

HEAD = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n"
CNI = HEAD + "networking: {disableDefaultCNI: true}\n"
REFERENCE = (
    HEAD
    + """name: clab
networking:
  disableDefaultCNI: true
  podSubnet: 10.244.0.0/16
  serviceSubnet: 10.96.0.0/16
containerdConfigPatches:
- |
  [plugins]
nodes:
- role: control-plane
  kubeadmConfigPatches:
  - |
    kind: InitConfiguration
    nodeRegistration:
      kubeletExtraArgs:
        node-ip: "10.1.5.10"
        node-labels: "rack=rack0"
- role: worker
  labels: {zone: a}
  kubeadmConfigPatches:
  - |
    kind: JoinConfiguration
    nodeRegistration:
      kubeletExtraArgs: {node-ip: "10.1.5.11", v: "4"}
- role: worker
  kubeadmConfigPatches:
  - |
    kind: InitConfiguration
    nodeRegistration:
      kubeletExtraArgs: {node-ip: "10.9.9.9"}
- role: worker
"""
)


def test_the_reference_labs_configuration() -> None:
    config = parse(REFERENCE)
    assert [node.name for node in config.nodes] == ["clab-control-plane", "clab-worker", "clab-worker2", "clab-worker3"]
    assert [node.node_ip for node in config.nodes] == ["10.1.5.10", "10.1.5.11", "", ""]
    assert [dict(node.labels) for node in config.nodes] == [{"rack": "rack0"}, {"zone": "a"}, {}, {}]
    assert [bool(node.taints) for node in config.nodes] == [True, False, False, False]
    assert config.notes == (
        "containerdConfigPatches has no effect in the embedded engine",
        "kubelet argument v of clab-worker has no effect in the embedded engine",
    )


def test_the_command_line_wins_over_the_file() -> None:
    config = parse(REFERENCE, name="other", image="reg:5000/mine/node:v1.27.3@sha256:0")
    assert config.name == "other" and config.version == "v1.27.3" and config.nodes[0].name == "other-control-plane"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: Cluster\n", "unknown apiVersion: "),
        ("apiVersion: kind.x-k8s.io/v1alpha4\nkind: Klaster\n", "unknown kind Klaster for apiVersion: kind.x-k8s.io/v1alpha4"),
        ("[1]", "could not determine kind / apiVersion for config"),
        ("a: [", "could not determine kind / apiVersion for config: yaml: line"),
        (CNI + "nodes: x\n", "line 4: cannot unmarshal !!str `x` into []v1alpha4.Node"),
        (CNI + "nodes:\n- role: worker\n  rolle: x\n", "line 6: field rolle not found in type v1alpha4.Node"),
        (CNI + "name: a\nname: b\n", 'line 5: mapping key "name" already defined at line 4'),
        (HEAD + "networking: {disableDefaultCNI: maybe}\n", "line 3: cannot unmarshal !!str `maybe` into bool"),
        (HEAD + "networking: {disableDefaultCNI: true, apiServerPort: many}\n", "into int32"),
        (HEAD, "networking.disableDefaultCNI must be true: the embedded engine has no default CNI (kindnet); install Calico"),
        (HEAD + "networking: {disableDefaultCNI: true, podSubnet: 10.0.0.0/99}\n", "invalid pod subnet invalid CIDR address: 10.0.0.0/99"),
        (HEAD + "networking: {disableDefaultCNI: true, podSubnet: 'fd00::/64'}\n", "expected IPv4 CIDR"),
        (HEAD + "networking: {disableDefaultCNI: true, kubeProxyMode: ipvs}\n", "ipvs is not supported by the embedded engine"),
        (HEAD + "networking: {disableDefaultCNI: true, kubeProxyMode: magic}\n", "invalid kubeProxyMode: magic"),
        (HEAD + "networking: {disableDefaultCNI: true, ipFamily: dual}\n", "the embedded engine has ipv4 only"),
        (CNI + "nodes: [{role: boss}]\n", '"boss" is not a valid node role'),
        (CNI + "nodes: [{role: worker}]\n", "must have at least one control-plane node"),
        (CNI + "nodes: [{role: control-plane}, {role: control-plane}]\n", "runs exactly one control-plane node, not 2"),
        (CNI + "nodes: [{role: control-plane, extraPortMappings: [{containerPort: 80}]}]\n", "extraPortMappings are not supported by the embedded engine"),
        (CNI + "nodes: [{image: 'kindest/node:v1.30.0'}, {role: worker, image: 'kindest/node:v1.31.0'}]\n", "one Kubernetes version a cluster"),
        (CNI + "kubeadmConfigPatches: ['a: b']\n", "a kubeadmConfigPatches entry needs a `kind`"),
        (CNI + "kubeadmConfigPatches: ['[']\n", "cannot parse kubeadmConfigPatches"),
        (CNI + "name: " + "a" * 51 + "\n", "at most 50 fit"),
    ],
)  # fmt: skip
def test_bad_configurations_are_refused(text: str, message: str) -> None:
    with pytest.raises(KindError) as caught:
        parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize("image", ["kindest/node", "kindest/node:latest", "kindest/node:v1.99.0", "kindest/node:1.34.4", "kindest/node:v9.9.9"])
def test_images_that_nobody_published(image: str) -> None:
    with pytest.raises(KindError, match="failed to pull image"):
        image_version(image)


def arguments(text: str, kind: str = "InitConfiguration") -> str:
    return (
        CNI
        + "nodes:\n- role: control-plane\n  kubeadmConfigPatches:\n  - |\n    kind: "
        + kind
        + "\n    nodeRegistration:\n      kubeletExtraArgs: "
        + text
        + "\n"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{node-ip: "10.1.5.300"}', '"10.1.5.300" is not an IP address'),
        ('{node-ip: "fd00::1"}', "the embedded engine has IPv4 only"),
        ('{node-labels: "rack"}', "is not a label: key=value is needed"),
        ('{node-labels: "a b=c"}', "is not a label"),
        ('{node-labels: "node-role.kubernetes.io/worker="}', "'k8s.io' labels specified with --node-labels: [node-role.kubernetes.io/worker]"),
        ("{max-pods: 5}", "json: cannot unmarshal number into Go struct field NodeRegistrationOptions.nodeRegistration.kubeletExtraArgs of type string"),
        ("[{name: a, value: b}]", "of type map[string]string"),
    ],
)  # fmt: skip
def test_bad_kubelet_arguments_are_refused(text: str, message: str) -> None:
    with pytest.raises(KindError) as caught:
        parse(arguments(text))
    assert message in str(caught.value)


def test_labels_kubernetes_allows_and_a_newer_kubeadms_list() -> None:
    allowed = parse(arguments('{node-labels: "topology.kubernetes.io/zone=a,node.kubernetes.io/x=y,own/label=1"}'))
    assert len(allowed.nodes[0].labels) == 3
    newer = parse(arguments("[{name: node-ip, value: 10.0.0.1}]"), image="kindest/node:v1.36.0")
    assert newer.nodes[0].node_ip == "10.0.0.1"
    with pytest.raises(KindError, match="cannot unmarshal object"):
        parse(arguments("{node-ip: 10.0.0.1}"), image="kindest/node:v1.36.0")


def test_taints_of_a_patch_replace_the_control_planes() -> None:
    patch = CNI + "nodes:\n- kubeadmConfigPatches:\n  - |\n    kind: InitConfiguration\n    nodeRegistration: {taints: %s}\n"
    assert parse(patch % "[]").nodes[0].taints == ()
    assert parse(patch % "[{key: a, value: b, effect: NoExecute}]").nodes[0].taints == (("a", "b", "NoExecute"),)
    with pytest.raises(KindError, match="effect is one of"):
        parse(patch % "[{key: a, effect: Sometimes}]")
