import Diagnostics
import Kubernetes
import Testing

@Suite struct MigrationTests {
    private func apps(_ items: String...) throws -> [MigratedApp] {
        var inventory = Inventory()
        try inventory.add(
            Array(#"{"kind":"List","items":[\#(items.joined(separator: ","))]}"#.utf8),
            file: "cluster.json"
        )
        return Migration(inventory: inventory, root: "%h/.hecate", host: "node").apps()
    }

    private func workload(
        _ name: String = "web",
        kind: String = "Deployment",
        namespace: String = "default",
        container: String = "",
        pod: String = "",
        spec: String = ""
    ) -> String {
        """
        {"kind":"\(kind)","metadata":{"name":"\(name)","namespace":"\(namespace)"},"spec":{"replicas":1,
         "selector":{"matchLabels":{"app":"\(name)"}}\(spec),
         "template":{"metadata":{"labels":{"app":"\(name)"}},
          "spec":{"containers":[{"name":"main","image":"web:1.0.0"\(container)}]\(pod)}}}}
        """
    }

    private func unit(_ app: MigratedApp, _ name: String = "web.container") throws -> [String] {
        try #require(app.units[name], "\(app.units.keys)").split(separator: "\n").map(String.init)
    }

    @Test func commandAndArgumentsKeepTheirWords() throws {
        let container = #","command":["/bin/sh","-c"],"args":["echo \"$HOME\" 100%; sleep 1","", "a b"]"#
        let lines = try unit(try apps(workload(container: container))[0])
        #expect(lines.contains("Entrypoint=/bin/sh"))
        #expect(lines.contains(#"Exec=-c "echo \"$$HOME\" 100%%; sleep 1" "" "a b""#), "\(lines)")
    }

    @Test func noValueLeavesItsLine() throws {
        // CR and LF, and a quote with an accent, are one character to Swift and two to systemd.
        let container = #","args":["a\r\nExecStartPre=/bin/evil","b\"\u0301 $\u0301 %\u0301"]"#
        let text = try #require(try apps(workload(container: container))[0].units["web.container"])
        let lines = text.unicodeScalars.split(separator: "\n").map(String.init)
        let line = try #require(lines.first { $0.hasPrefix("Exec=") })
        #expect(line == "Exec=\"a\\r\\nExecStartPre=/bin/evil\" \"b\\\"\u{301} $$\u{301} %%\u{301}\"", "\(line)")
        #expect(!lines.contains { $0.hasPrefix("ExecStartPre") })
    }

    @Test func theEnvironmentIsResolvedInKubernetesOrder() throws {
        let settings = #"{"kind":"ConfigMap","metadata":{"name":"c","namespace":"default"},"data":{"A":"1","B":"map"}}"#
        let secret = #"{"kind":"Secret","metadata":{"name":"s","namespace":"default"},"data":{"KEY":"czNjcjN0"}}"#
        let container = """
            ,"envFrom":[{"configMapRef":{"name":"c"}},{"configMapRef":{"name":"none","optional":true}}],
            "env":[{"name":"B","value":"own"},{"name":"C","value":"$(A)-$(B)-$$(A)-$(NONE)"},
             {"name":"P","valueFrom":{"secretKeyRef":{"name":"s","key":"KEY"}}},
             {"name":"N","valueFrom":{"fieldRef":{"fieldPath":"spec.nodeName"}}}]
            """
        let app = try apps(settings, secret, workload(container: container))[0]
        let lines = try unit(app)
        #expect(
            lines.filter { $0.hasPrefix("Environment") } == [
                "Environment=A=1", "Environment=B=own", "Environment=C=1-own-$$(A)-$$(NONE)", "Environment=N=node",
                "EnvironmentFile=%h/.hecate/secrets/k3s/web/web.env",
            ]
        )
        #expect(app.files.map(\.path) == ["secrets/k3s/web/web.env"])
        #expect(app.files[0].isPrivate && String(decoding: app.files[0].bytes, as: UTF8.self) == "P=s3cr3t\n")
        #expect(!app.findings.hasErrors)
    }

    @Test func volumesComeFromClaimsMapsAndFolders() throws {
        let claim =
            #"{"kind":"PersistentVolumeClaim","metadata":{"name":"data","namespace":"default"},"spec":{"volumeName":"pv"}}"#
        let volume = #"{"kind":"PersistentVolume","metadata":{"name":"pv"},"spec":{"hostPath":{"path":"/srv/pv"}}}"#
        let map = #"{"kind":"ConfigMap","metadata":{"name":"c","namespace":"default"},"data":{"a.conf":"x","b":"y"}}"#
        let container = """
            ,"volumeMounts":[{"name":"d","mountPath":"/data"},{"name":"c","mountPath":"/etc/a.conf","subPath":"a.conf"},
             {"name":"t","mountPath":"/tmp"},{"name":"h","mountPath":"/host","readOnly":true}]
            """
        let pod = """
            ,"volumes":[{"name":"d","persistentVolumeClaim":{"claimName":"data"}},{"name":"c","configMap":{"name":"c"}},
             {"name":"t","emptyDir":{"medium":"Memory"}},{"name":"h","hostPath":{"path":"/opt"}}]
            """
        let app = try apps(claim, volume, map, workload(container: container, pod: pod))[0]
        let lines = try unit(app)
        for expected in [
            "Volume=data.volume:/data", "Volume=%h/.hecate/config/k3s/web/c/a.conf:/etc/a.conf:ro", "Tmpfs=/tmp",
            "Volume=/opt:/host:ro",
        ] {
            #expect(lines.contains(expected), "\(expected): \(lines)")
        }
        #expect(app.volumes.map(\.source) == ["/srv/pv"] && app.volumes.map(\.name) == ["data"])
        #expect(app.units["data.volume"] == "[Volume]\nVolumeName=data\n")
    }

    @Test func servicesBecomeNamesAndPorts() throws {
        let inner = """
            {"kind":"Service","metadata":{"name":"api","namespace":"default"},"spec":{"selector":{"app":"web"},
             "ports":[{"port":80,"targetPort":"http"}]}}
            """
        let outer = """
            {"kind":"Service","metadata":{"name":"open","namespace":"default"},"spec":{"type":"NodePort",
             "selector":{"app":"web"},"ports":[{"port":80,"targetPort":8080,"nodePort":30080,"protocol":"UDP"}]}}
            """
        let container = #","ports":[{"name":"http","containerPort":8080}]"#
        let app = try apps(inner, outer, workload(container: container))[0]
        let lines = try unit(app)
        #expect(lines.contains("PodmanArgs=--network-alias=api.default.svc.cluster.local"))
        #expect(lines.contains("PublishPort=30080:8080/udp"))
        #expect(app.findings.warnings.contains { $0.message.contains("led port 80 to 8080") })
    }

    @Test func limitsRightsAndHealthAreKept() throws {
        let container = """
            ,"resources":{"limits":{"memory":"64Mi","cpu":"250m","nvidia.com/gpu":"1"}},
            "securityContext":{"runAsUser":1000,"readOnlyRootFilesystem":true,"capabilities":{"drop":["ALL"],"add":["CHOWN"]}},
            "livenessProbe":{"exec":{"command":["pg_isready","-U","x"]},"periodSeconds":2,"initialDelaySeconds":5}
            """
        let app = try apps(workload(container: container))[0]
        let lines = try unit(app)
        for expected in [
            "PodmanArgs=--memory=67108864", "PodmanArgs=--cpus=0.25", "User=1000", "ReadOnly=true",
            "DropCapability=all", "AddCapability=CAP_CHOWN", #"HealthCmd=["pg_isready","-U","x"]"#, "HealthInterval=2s",
            "HealthStartPeriod=5s", "Notify=healthy",
        ] {
            #expect(lines.contains(expected), "\(expected): \(lines)")
        }
        #expect(app.findings.warnings.map(\.message).contains { $0.contains("limits.nvidia.com/gpu: is not carried") })
    }

    @Test func severalContainersShareAPodAndInitContainersComeFirst() throws {
        let pod = #","initContainers":[{"name":"prepare","image":"i:1"}],"volumes":[{"name":"x","emptyDir":{}}]"#
        let one = workload("both", pod: pod).replacing(
            #""containers":["#,
            with: #""containers":[{"name":"side","image":"s:1","volumeMounts":[{"name":"x","mountPath":"/x"}]},"#
        )
        let app = try apps(one)[0]
        #expect(
            app.units.keys.sorted() == [
                "both-init-prepare.container", "both-main.container", "both-side.container", "both-x.volume",
                "both.pod", "k3s.network",
            ]
        )
        let lines = try unit(app, "both-side.container")
        #expect(lines.contains("Requires=both-init-prepare.service") && lines.contains("Pod=both.pod"))
        #expect(try unit(app, "both-init-prepare.container").contains("Type=oneshot"))
    }

    @Test func whatCannotBeCarriedOverIsNamed() throws {
        let pod = #","affinity":{"x":1},"volumes":[{"name":"v","csi":{"driver":"d"}}]"#
        let container = #","envFrom":[{"secretRef":{"name":"gone"}}],"lifecycle":{"preStop":{}}, "grpc":{"a":1}"#
        let app = try apps(workload(container: container, pod: pod))[0]
        let text = app.findings.all.map(\.description).joined(separator: "\n")
        for expected in [
            "Deployment default/web: volumes.v: a volume of kind 'csi' cannot be carried over",
            "the Secret 'gone' is not in the inventory", "spec.template.spec.affinity: is not carried over",
            "containers.main.lifecycle: is not carried over",
        ] {
            #expect(text.contains(expected), "\(expected): \(text)")
        }
    }

    @Test func namesNeverMeetAndSharedClaimsMoveTogether() throws {
        let pod = #","volumes":[{"name":"d","persistentVolumeClaim":{"claimName":"shared"}}]"#
        let found = try apps(
            workload("web", namespace: "a"),
            workload("web", namespace: "b"),
            workload("one", namespace: "c", pod: pod),
            workload("two", namespace: "c", pod: pod)
        )
        #expect(found.map(\.name).sorted() == ["a-web", "b-web", "one"])
        #expect(found.first { $0.name == "one" }?.workloads.map(\.object.name) == ["one", "two"])
    }

    @Test func dataOfAnotherMachineIsRefused() throws {
        let claim =
            #"{"kind":"PersistentVolumeClaim","metadata":{"name":"data","namespace":"default"},"spec":{"volumeName":"pv"}}"#
        let volume = """
            {"kind":"PersistentVolume","metadata":{"name":"pv"},"spec":{"local":{"path":"/srv/pv"},"nodeAffinity":{"required":
             {"nodeSelectorTerms":[{"matchExpressions":[{"key":"kubernetes.io/hostname","operator":"In","values":["beam02"]}]}]}}}}
            """
        let pod = #","volumes":[{"name":"d","persistentVolumeClaim":{"claimName":"data"}}]"#
        let app = try apps(claim, volume, workload(pod: pod))[0]
        #expect(app.findings.errors.map(\.message) == ["volumes.d: the data of 'data' lies on 'beam02'"])
    }
}
