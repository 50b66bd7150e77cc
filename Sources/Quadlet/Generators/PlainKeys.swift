/// How keys become arguments of an older Podman.
enum PlainKeys {
    /// One way a key is said.
    enum Form {
        /// The last assignment, after a flag.
        case value(String)
        /// Every assignment, each after the flag.
        case repeated(String)
        /// Every word of every assignment, each after the flag.
        case words(String)
        /// The same in lower case.
        case lowered(String)
        /// `--security-opt` with this before the value.
        case security(String)
        /// The same for every word of every assignment.
        case securities(String)
        /// These words when the key is true.
        case option([String])
        /// `flag=true` or `flag=false`.
        case choice(String)
        /// The last assignment, a size, in bytes: Podman before 4 counts a kilobyte as 1000 here.
        case size(String)
    }

    static let table: [String: [String: Form]] = [
        "Container": [
            "AddCapability": .lowered("--cap-add"), "AddDevice": .words("--device"), "AddHost": .repeated("--add-host"),
            "Annotation": .words("--annotation"), "DNS": .repeated("--dns"), "DNSOption": .repeated("--dns-option"),
            "DNSSearch": .repeated("--dns-search"), "DropCapability": .lowered("--cap-drop"),
            "Entrypoint": .value("--entrypoint"), "Environment": .words("--env"),
            "EnvironmentFile": .repeated("--env-file"), "EnvironmentHost": .option(["--env-host"]),
            "ExposeHostPort": .repeated("--expose"), "GIDMap": .repeated("--gidmap"),
            "GroupAdd": .repeated("--group-add"),
            "HealthCmd": .value("--health-cmd"), "HealthInterval": .value("--health-interval"),
            "HealthRetries": .value("--health-retries"), "HealthStartPeriod": .value("--health-start-period"),
            "HealthTimeout": .value("--health-timeout"), "HostName": .value("--hostname"), "IP": .value("--ip"),
            "IP6": .value("--ip6"), "Label": .words("--label"), "LogDriver": .value("--log-driver"),
            "LogOpt": .repeated("--log-opt"), "Mask": .securities("mask="), "Memory": .value("--memory"),
            "Mount": .repeated("--mount"), "Network": .repeated("--network"),
            "NetworkAlias": .repeated("--network-alias"),
            "NoNewPrivileges": .option(["--security-opt", "no-new-privileges"]), "PidsLimit": .value("--pids-limit"),
            "Pod": .value("--pod"), "PublishPort": .repeated("--publish"), "Pull": .value("--pull"),
            "ReadOnly": .choice("--read-only"), "ReadOnlyTmpfs": .choice("--read-only-tmpfs"),
            "RunInit": .choice("--init"), "SeccompProfile": .security("seccomp="), "Secret": .repeated("--secret"),
            "SecurityLabelDisable": .option(["--security-opt", "label=disable"]),
            "SecurityLabelFileType": .security("label=filetype:"), "SecurityLabelLevel": .security("label=level:"),
            "SecurityLabelNested": .option(["--security-opt", "label=nested"]),
            "SecurityLabelType": .security("label=type:"), "ShmSize": .size("--shm-size"),
            "StopSignal": .value("--stop-signal"), "StopTimeout": .value("--stop-timeout"),
            "SubGIDMap": .value("--subgidname"), "SubUIDMap": .value("--subuidname"), "Sysctl": .words("--sysctl"),
            "Timezone": .value("--tz"), "Tmpfs": .repeated("--tmpfs"), "UIDMap": .repeated("--uidmap"),
            "Ulimit": .repeated("--ulimit"), "Unmask": .securities("unmask="), "UserNS": .value("--userns"),
            "VolatileTmp": .option(["--tmpfs", "/tmp:rw,size=512M,mode=1777"]), "Volume": .repeated("--volume"),
            "WorkingDir": .value("--workdir"),
        ],
        "Volume": ["Driver": .value("--driver"), "Label": .words("--label")],
        "Network": [
            "DisableDNS": .option(["--disable-dns"]), "Driver": .value("--driver"), "Gateway": .value("--gateway"),
            "IPRange": .value("--ip-range"), "IPv6": .option(["--ipv6"]), "Internal": .option(["--internal"]),
            "Label": .words("--label"), "Options": .words("--opt"), "Subnet": .value("--subnet"),
        ],
        "Pod": [
            "AddHost": .repeated("--add-host"), "DNS": .repeated("--dns"), "DNSOption": .repeated("--dns-opt"),
            "DNSSearch": .repeated("--dns-search"), "HostName": .value("--hostname"), "IP": .value("--ip"),
            "Label": .words("--label"), "Network": .repeated("--network"), "NetworkAlias": .repeated("--network-alias"),
            "PublishPort": .repeated("--publish"),
        ],
        "Kube": [
            "ConfigMap": .repeated("--configmap"), "LogDriver": .value("--log-driver"),
            "Network": .repeated("--network"),
        ],
        "Image": [
            "AllTags": .option(["--all-tags"]), "Arch": .value("--arch"), "AuthFile": .value("--authfile"),
            "CertDir": .value("--cert-dir"), "Creds": .value("--creds"), "OS": .value("--os"),
            "TLSVerify": .choice("--tls-verify"), "Variant": .value("--variant"),
        ],
        "Build": [
            "Annotation": .words("--annotation"), "Arch": .value("--arch"), "AuthFile": .value("--authfile"),
            "DNS": .repeated("--dns"), "DNSOption": .repeated("--dns-option"), "DNSSearch": .repeated("--dns-search"),
            "Environment": .words("--env"), "File": .value("--file"), "ForceRM": .choice("--force-rm"),
            "ImageTag": .repeated("--tag"), "Label": .words("--label"), "Network": .repeated("--network"),
            "Secret": .repeated("--secret"), "TLSVerify": .choice("--tls-verify"), "Target": .value("--target"),
            "Variant": .value("--variant"), "Volume": .repeated("--volume"),
        ],
    ]

    /// Keys that have code of their own.
    static let handled: [String: Set<String>] = [
        "Container": [
            "AutoUpdate", "CgroupsMode", "ContainerName", "Exec", "GlobalArgs", "Group", "Image", "Notify",
            "PodmanArgs",
            "Rootfs", "ServiceName", "StartWithPod", "User",
        ],
        "Volume": [
            "Copy", "Device", "GlobalArgs", "Group", "Options", "PodmanArgs", "ServiceName", "Type", "User",
            "VolumeName",
        ],
        "Network": ["GlobalArgs", "NetworkName", "PodmanArgs", "ServiceName"],
        "Pod": ["GlobalArgs", "PodName", "PodmanArgs", "ServiceName"],
        "Kube": ["GlobalArgs", "PodmanArgs", "ServiceName", "Yaml"],
        "Image": ["GlobalArgs", "Image", "ImageTag", "PodmanArgs", "ServiceName"],
        "Build": ["GlobalArgs", "PodmanArgs", "ServiceName", "SetWorkingDirectory"],
    ]

    /// Keys that a newer Podman takes more than once, and an older one only once.
    static let single: [String: Set<String>] = ["Network": ["Subnet", "Gateway", "IPRange"], "Kube": ["Yaml"]]

    /// The first Podman that can do what a key asks for.
    static let since: [String: [String: [Int]]] = [
        "Container": [
            "HealthOnFailure": [4, 2], "Secret": [3, 1], "SubGIDMap": [4, 0], "SubUIDMap": [4, 0],
            "SecurityLabelNested": [4, 3], "HealthStartupCmd": [4, 3], "Retry": [5, 0], "RetryDelay": [5, 0],
            "HealthLogDestination": [5, 3], "HealthMaxLogCount": [5, 3], "HealthMaxLogSize": [5, 3],
        ],
        "Build": ["Secret": [3, 2], "Retry": [5, 0], "RetryDelay": [5, 0]],
        "Network": ["IPAMDriver": [4, 0]], "Image": ["Retry": [5, 0], "RetryDelay": [5, 0]],
        "Kube": ["PublishPort": [4, 4], "UserNS": [4, 3]],
    ]
}
