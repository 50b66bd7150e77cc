/// A version of Podman, as far as its generator differs: `5.4`.
package struct PodmanVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    package var major: Int
    package var minor: Int

    package init(_ major: Int, _ minor: Int) { (self.major, self.minor) = (major, minor) }

    /// Reads `5.4`, `5.4.2` or `5`; nil for anything else.
    package init?(_ text: String) {
        let numbers = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...3).contains(numbers.count), let major = numbers[0], major >= 0,
            numbers.allSatisfy({ $0.map { $0 >= 0 } ?? false })
        else { return nil }
        self.init(major, numbers.count > 1 ? numbers[1] ?? 0 : 0)
    }

    /// The first with a generator.
    package static let oldest = PodmanVersion(4, 4)
    /// One that takes every key.
    static let newest = PodmanVersion(.max, 0)
    /// The one whose generator the tests run.
    package static let tested = PodmanVersion(5, 4)

    package var description: String { "\(major).\(minor)" }

    package static func < (one: Self, other: Self) -> Bool { (one.major, one.minor) < (other.major, other.minor) }
}

/// The keys of Quadlet's own sections, each with the first Podman whose generator takes it.
///
/// Source: for 5.4 its generator itself, which the tests ask for every key; for the others the release notes of Podman.
enum QuadletKeys {
    private static let added: [String: [String: String]] = [
        "Container": [
            "4.4": """
            AddCapability AddDevice Annotation ContainerName DropCapability Environment EnvironmentFile \
            EnvironmentHost Exec ExposeHostPort Group Image Label Network NoNewPrivileges Notify PodmanArgs \
            PublishPort ReadOnly RemapGid RemapUid RemapUidSize RemapUsers RunInit SeccompProfile \
            SecurityLabelDisable SecurityLabelFileType SecurityLabelLevel SecurityLabelType Timezone User \
            VolatileTmp Volume
            """,
            "4.5": """
            HealthCmd HealthInterval HealthOnFailure HealthRetries HealthStartPeriod HealthStartupCmd \
            HealthStartupInterval HealthStartupRetries HealthStartupSuccess HealthStartupTimeout HealthTimeout \
            IP IP6 LogDriver Mount Rootfs Secret Tmpfs UserNS
            """,
            "4.6": "AutoUpdate HostName Mask Pull SecurityLabelNested Sysctl Unmask WorkingDir",
            "4.7": "DNS DNSOption DNSSearch PidsLimit ShmSize Ulimit",
            "4.8": "ContainersConfModule GIDMap GlobalArgs ReadOnlyTmpfs SubGIDMap SubUIDMap UIDMap",
            "5.0": "Entrypoint Pod StopTimeout",
            "5.1": "GroupAdd",
            "5.2": "LogOpt NetworkAlias StopSignal",
            "5.3": """
            AddHost CgroupsMode HealthLogDestination HealthMaxLogCount HealthMaxLogSize ServiceName StartWithPod
            """,
            "5.5": "Memory ReloadCmd ReloadSignal Retry RetryDelay",
            "5.7": "HttpProxy",
            "5.8": "AppArmor",
            "6.1": "ImageVolume",
        ],
        "Volume": [
            "4.4": "Copy Device Group Label Options Type User",
            "4.6": "PodmanArgs",
            "4.7": "VolumeName",
            "4.8": "ContainersConfModule Driver GlobalArgs Image",
            "5.3": "ServiceName",
        ],
        "Network": [
            "4.4": "DisableDNS Driver Gateway IPAMDriver IPRange IPv6 Internal Label Options Subnet",
            "4.6": "PodmanArgs",
            "4.7": "DNS NetworkName",
            "4.8": "ContainersConfModule GlobalArgs",
            "5.3": "ServiceName",
            "5.5": "NetworkDeleteOnStop",
            "5.6": "InterfaceName",
        ],
        "Pod": [
            "5.0": "ContainersConfModule GlobalArgs Network PodName PodmanArgs PublishPort Volume",
            "5.2": "NetworkAlias",
            "5.3": """
            AddHost DNS DNSOption DNSSearch GIDMap IP IP6 RemapGid RemapUid RemapUidSize RemapUsers ServiceName \
            SubGIDMap SubUIDMap UIDMap UserNS
            """,
            "5.4": "ShmSize",
            "5.5": "HostName",
            "5.6": "ExitPolicy Label",
            "5.7": "StopTimeout",
        ],
        "Kube": [
            "4.4": "ConfigMap Network PublishPort RemapGid RemapUid RemapUidSize RemapUsers Yaml",
            "4.5": "LogDriver UserNS",
            "4.6": "AutoUpdate ExitCodePropagation PodmanArgs",
            "4.7": "SetWorkingDirectory",
            "4.8": "ContainersConfModule GlobalArgs KubeDownForce",
            "5.2": "LogOpt",
            "5.3": "ServiceName",
        ],
        "Image": [
            "4.8": """
            AllTags Arch AuthFile CertDir ContainersConfModule Creds DecryptionKey GlobalArgs Image ImageTag OS \
            PodmanArgs TLSVerify Variant
            """,
            "5.3": "ServiceName",
            "5.5": "Retry RetryDelay",
            "5.6": "Policy",
        ],
        "Build": [
            "5.2": """
            Annotation Arch AuthFile ContainersConfModule DNS DNSOption DNSSearch Environment File ForceRM \
            GlobalArgs GroupAdd ImageTag Label Network PodmanArgs Pull Secret SetWorkingDirectory TLSVerify Target \
            Variant Volume
            """,
            "5.3": "ServiceName",
            "5.5": "Retry RetryDelay",
            "5.7": "BuildArg IgnoreFile",
        ],
        "Quadlet": ["5.3": "DefaultDependencies"],
    ]

    /// The first Podman that takes each key, by section.
    static let since: [String: [String: PodmanVersion]] = added.mapValues { versions in
        var result: [String: PodmanVersion] = [:]
        for (version, keys) in versions {
            for key in keys.split(separator: " ") { result[String(key)] = PodmanVersion(version) ?? .oldest }
        }
        return result
    }

    /// All that any Podman takes, by section.
    static let all = since.mapValues { Set($0.keys) }
}
