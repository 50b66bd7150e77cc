/// The keys of Quadlet's own sections.
///
/// Source: podman-systemd.unit(5) of Podman 5.4.
enum QuadletKeys {
    static let table: [String: Set<String>] = [
        "Container": [
            "AddCapability", "AddDevice", "AddHost", "Annotation", "AutoUpdate", "CgroupsMode", "ContainerName",
            "ContainersConfModule", "DNS", "DNSOption", "DNSSearch", "DropCapability", "Entrypoint", "Environment",
            "EnvironmentFile", "EnvironmentHost", "Exec", "ExposeHostPort", "GIDMap", "GlobalArgs", "Group", "GroupAdd",
            "HealthCmd", "HealthInterval", "HealthLogDestination", "HealthMaxLogCount", "HealthMaxLogSize",
            "HealthOnFailure", "HealthRetries", "HealthStartPeriod", "HealthStartupCmd", "HealthStartupInterval",
            "HealthStartupRetries", "HealthStartupSuccess", "HealthStartupTimeout", "HealthTimeout", "HostName",
            "Image",
            "IP", "IP6", "Label", "LogDriver", "LogOpt", "Mask", "Memory", "Mount", "Network", "NetworkAlias",
            "NoNewPrivileges", "Notify", "PidsLimit", "Pod", "PodmanArgs", "PublishPort", "Pull", "ReadOnly",
            "ReadOnlyTmpfs", "RemapGid", "RemapUid", "RemapUidSize", "RemapUsers", "Retry", "RetryDelay", "Rootfs",
            "RunInit", "SeccompProfile", "Secret", "SecurityLabelDisable", "SecurityLabelFileType",
            "SecurityLabelLevel", "SecurityLabelNested", "SecurityLabelType", "ServiceName", "ShmSize", "StartWithPod",
            "StopSignal", "StopTimeout", "SubGIDMap", "SubUIDMap", "Sysctl", "Timezone", "Tmpfs", "UIDMap", "Ulimit",
            "Unmask", "User", "UserNS", "VolatileTmp", "Volume", "WorkingDir",
        ],
        "Volume": [
            "ContainersConfModule", "Copy", "Device", "Driver", "GlobalArgs", "Group", "Image", "Label", "Options",
            "PodmanArgs", "ServiceName", "Type", "User", "VolumeName",
        ],
        "Network": [
            "ContainersConfModule", "DNS", "DisableDNS", "Driver", "Gateway", "GlobalArgs", "IPAMDriver", "IPRange",
            "IPv6", "Internal", "Label", "NetworkDeleteOnStop", "NetworkName", "Options", "PodmanArgs", "ServiceName",
            "Subnet",
        ],
        "Pod": [
            "AddHost", "ContainersConfModule", "DNS", "DNSOption", "DNSSearch", "GIDMap", "GlobalArgs", "HostName",
            "IP",
            "IP6", "Label", "Network", "NetworkAlias", "PodName", "PodmanArgs", "PublishPort", "RemapGid", "RemapUid",
            "RemapUidSize", "RemapUsers", "ServiceName", "ShmSize", "SubGIDMap", "SubUIDMap", "UIDMap", "UserNS",
            "Volume",
        ],
        "Kube": [
            "AutoUpdate", "ConfigMap", "ContainersConfModule", "ExitCodePropagation", "GlobalArgs", "KubeDownForce",
            "LogDriver", "Network", "PodmanArgs", "PublishPort", "RemapGid", "RemapUid", "RemapUidSize", "RemapUsers",
            "ServiceName", "SetWorkingDirectory", "UserNS", "Yaml",
        ],
        "Image": [
            "AllTags", "Arch", "AuthFile", "CertDir", "ContainersConfModule", "Creds", "DecryptionKey", "GlobalArgs",
            "Image", "ImageTag", "OS", "PodmanArgs", "Retry", "RetryDelay", "ServiceName", "TLSVerify", "Variant",
        ],
        "Build": [
            "Annotation", "Arch", "AuthFile", "ContainersConfModule", "DNS", "DNSOption", "DNSSearch", "Environment",
            "File", "ForceRM", "GlobalArgs", "GroupAdd", "ImageTag", "Label", "Network", "PodmanArgs", "Pull", "Retry",
            "RetryDelay", "Secret", "ServiceName", "SetWorkingDirectory", "TLSVerify", "Target", "Variant", "Volume",
        ],
    ]
}
