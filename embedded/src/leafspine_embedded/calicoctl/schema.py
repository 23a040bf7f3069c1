"""The fields of each kind, in the order of Calico's own types. What is not listed here is an unknown field.

A type is a name ("str", "bool", "int", "asn", "map" of strings, "any"), a list with one type, or a dictionary of fields.
"""

from __future__ import annotations

from typing import Any

Type = Any

METADATA: dict[str, Type] = {
    "name": "str",
    "generateName": "str",
    "namespace": "str",
    "selfLink": "str",
    "uid": "str",
    "resourceVersion": "str",
    "generation": "int",
    "creationTimestamp": "str",
    "deletionTimestamp": "str",
    "deletionGracePeriodSeconds": "int",
    "labels": "map",
    "annotations": "map",
    "ownerReferences": ["any"],
    "finalizers": ["str"],
    "managedFields": ["any"],
}

_PASSWORD = {"secretKeyRef": {"name": "str", "key": "str", "optional": "bool"}}
_CIDRS = [{"cidr": "str"}]

BGP_CONFIGURATION: dict[str, Type] = {
    "logSeverityScreen": "str",
    "nodeToNodeMeshEnabled": "bool",
    "asNumber": "asn",
    "serviceLoadBalancerIPs": _CIDRS,
    "serviceExternalIPs": _CIDRS,
    "serviceClusterIPs": _CIDRS,
    "serviceLoadBalancerAggregation": "str",
    "communities": [{"name": "str", "value": "str"}],
    "prefixAdvertisements": [{"cidr": "str", "communities": ["str"]}],
    "listenPort": "int",
    "nodeMeshPassword": _PASSWORD,
    "nodeMeshMaxRestartTime": "duration",
    "bindMode": "str",
    "ignoredInterfaces": ["str"],
    "localWorkloadPeeringIPV4": "str",
    "localWorkloadPeeringIPV6": "str",
}

BGP_PEER: dict[str, Type] = {
    "node": "str",
    "nodeSelector": "str",
    "peerIP": "str",
    "asNumber": "asn",
    "localASNumber": "asn",
    "peerSelector": "str",
    "keepOriginalNextHop": "bool",
    "nextHopMode": "str",
    "password": _PASSWORD,
    "sourceAddress": "str",
    "maxRestartTime": "duration",
    "keepaliveTime": "duration",
    "numAllowedLocalASNumbers": "int",
    "ttlSecurity": "int",
    "reachableBy": "str",
    "filters": ["str"],
    "localWorkloadSelector": "str",
    "reversePeering": "str",
}

IP_POOL: dict[str, Type] = {
    "cidr": "str",
    "vxlanMode": "str",
    "ipipMode": "str",
    "natOutgoing": "bool",
    "disabled": "bool",
    "disableBGPExport": "bool",
    "blockSize": "int",
    "nodeSelector": "str",
    "namespaceSelector": "str",
    "allowedUses": ["str"],
    "assignmentMode": "str",
}

NODE: dict[str, Type] = {
    "bgp": {"asNumber": "asn", "ipv4Address": "str", "ipv6Address": "str", "ipv4IPIPTunnelAddr": "str", "routeReflectorClusterID": "str"},
    "ipv4VXLANTunnelAddr": "str",
    "vxlanTunnelMACAddr": "str",
    "ipv6VXLANTunnelAddr": "str",
    "vxlanTunnelMACAddrV6": "str",
    "orchRefs": [{"nodeName": "str", "orchestrator": "str"}],
    "wireguard": {"interfaceIPv4Address": "str", "interfaceIPv6Address": "str"},
    "addresses": [{"address": "str", "type": "str"}],
    "interfaces": [{"name": "str", "addresses": ["str"]}],
}

WORKLOAD_ENDPOINT: dict[str, Type] = {
    "orchestrator": "str",
    "workload": "str",
    "node": "str",
    "containerID": "str",
    "pod": "str",
    "endpoint": "str",
    "serviceAccountName": "str",
    "ipNetworks": ["str"],
    "ipNATs": ["any"],
    "ipv4Gateway": "str",
    "ipv6Gateway": "str",
    "profiles": ["str"],
    "interfaceName": "str",
    "mac": "str",
    "ports": [{"name": "str", "protocol": "any", "port": "int", "hostPort": "int", "hostIP": "str"}],
    "allowSpoofedSourcePrefixes": ["str"],
}

IPAM_CONFIGURATION: dict[str, Type] = {"strictAffinity": "bool", "maxBlocksPerHost": "int", "autoAllocateBlocks": "bool"}

CLUSTER_INFORMATION: dict[str, Type] = {"clusterGUID": "str", "clusterType": "str", "calicoVersion": "str", "datastoreReady": "bool", "variant": "str"}

# The engine reads none of these (its dataplane is not Felix), but keeps them: a typing error in a name is still refused.
_FELIX = """
allowIPIPPacketsFromWorkloads allowVXLANPacketsFromWorkloads awsSrcDstCheck bpfAttachType bpfCTLBLogFilter bpfConnectTimeLoadBalancing
bpfConnectTimeLoadBalancingEnabled bpfConntrackLogLevel bpfConntrackMode bpfConntrackTimeouts bpfDSROptoutCIDRs bpfDataIfacePattern
bpfDisableGROForIfaces bpfDisableUnprivileged bpfEnabled bpfEnforceRPF bpfExcludeCIDRsFromNAT bpfExportBufferSizeMB bpfExtToServiceConnmark
bpfExternalServiceMode bpfForceTrackPacketsFromIfaces bpfHostConntrackBypass bpfHostNetworkedNATWithoutCTLB bpfJITHardening
bpfKubeProxyHealthzPort bpfKubeProxyIptablesCleanupEnabled bpfKubeProxyMinSyncPeriod bpfL3IfacePattern bpfLogFilters bpfLogLevel
bpfMapSizeConntrack bpfMapSizeConntrackCleanupQueue bpfMapSizeConntrackScaling bpfMapSizeIPSets bpfMapSizeIfState bpfMapSizeNATAffinity
bpfMapSizeNATBackend bpfMapSizeNATFrontend bpfMapSizePerCpuConntrack bpfMapSizeRoute bpfOverlayHostSourceIP bpfPSNATPorts bpfPolicyDebugEnabled
bpfProfiling bpfRedirectToPeer cgroupV2Path chainInsertMode dataplaneDriver dataplaneWatchdogTimeout debugDisableLogDropping debugHost
debugMemoryProfilePath debugPort debugSimulateCalcGraphHangAfter debugSimulateDataplaneApplyDelay debugSimulateDataplaneHangAfter
defaultEndpointToHostAction deviceRouteProtocol deviceRouteSourceAddress deviceRouteSourceAddressIPv6 disableConntrackInvalidCheck
endpointReportingDelay endpointReportingEnabled endpointStatusPathPrefix externalNodesList failsafeInboundHostPorts failsafeOutboundHostPorts
featureDetectOverride featureGates floatingIPs flowLogsCollectorDebugTrace flowLogsFlushInterval flowLogsGoldmaneServer flowLogsLocalReporter
flowLogsPolicyEvaluationMode genericXDPEnabled goGCThreshold goMaxProcs goMemoryLimitMB healthEnabled healthHost healthPort healthTimeoutOverrides
interfaceExclude interfacePrefix interfaceRefreshInterval ipForwarding ipipEnabled ipipMTU ipsetsRefreshInterval iptablesBackend
iptablesFilterAllowAction iptablesFilterDenyAction iptablesLockProbeInterval iptablesMangleAllowAction iptablesMarkMask
iptablesNATOutgoingInterfaceFilter iptablesPostWriteCheckInterval iptablesRefreshInterval ipv6Support kubeNodePortRanges logActionRateLimit
logActionRateLimitBurst logDebugFilenameRegex logFilePath logPrefix logSeverityFile logSeverityScreen logSeveritySys maxIpsetSize metadataAddr
metadataPort mtuIfacePattern natOutgoingAddress natOutgoingExclusions natPortRange netlinkTimeout nftablesFilterAllowAction
nftablesFilterDenyAction nftablesMangleAllowAction nftablesMarkMask nftablesMode nftablesRefreshInterval openstackRegion policySyncPathPrefix
programClusterRoutes prometheusGoMetricsEnabled prometheusMetricsCAFile prometheusMetricsCertFile prometheusMetricsClientAuth
prometheusMetricsEnabled prometheusMetricsHost prometheusMetricsKeyFile prometheusMetricsPort prometheusProcessMetricsEnabled
prometheusWireGuardMetricsEnabled removeExternalRoutes reportingInterval reportingTTL requireMTUFile routeRefreshInterval routeSource
routeSyncDisabled routeTableRange routeTableRanges serviceLoopPrevention sidecarAccelerationEnabled usageReportingEnabled
usageReportingInitialDelay usageReportingInterval useInternalDataplaneDriver vxlanEnabled vxlanMTU vxlanMTUV6 vxlanPort vxlanVNI
windowsManageFirewallRules wireguardEnabled wireguardEnabledV6 wireguardHostEncryptionEnabled wireguardInterfaceName wireguardInterfaceNameV6
wireguardKeepAlive wireguardListeningPort wireguardListeningPortV6 wireguardMTU wireguardMTUV6 wireguardRoutingRulePriority
wireguardThreadingEnabled workloadSourceSpoofing xdpEnabled xdpRefreshInterval
"""
FELIX_CONFIGURATION: dict[str, Type] = dict.fromkeys(_FELIX.split(), "any")

SPECS: dict[str, dict[str, Type]] = {
    "BGPConfiguration": BGP_CONFIGURATION,
    "BGPPeer": BGP_PEER,
    "ClusterInformation": CLUSTER_INFORMATION,
    "FelixConfiguration": FELIX_CONFIGURATION,
    "IPAMConfiguration": IPAM_CONFIGURATION,
    "IPPool": IP_POOL,
    "Node": NODE,
    "WorkloadEndpoint": WORKLOAD_ENDPOINT,
}


def fields_of(kind: str) -> dict[str, Type]:
    """All fields of a resource of a kind."""
    status = {"status": {"wireguardPublicKey": "str", "wireguardPublicKeyV6": "str", "podCIDRs": ["str"]}} if kind == "Node" else {}
    return {"kind": "str", "apiVersion": "str", "metadata": METADATA, "spec": SPECS[kind], **status}
