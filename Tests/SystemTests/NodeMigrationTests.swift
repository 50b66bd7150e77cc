import JSON
import Subprocess
import TestSupport
import Testing

extension NodeTests {
    /// From a k3s cluster to a node and back.
    ///
    /// k3s cannot be had here: its place is taken by a kubectl of a few lines that keeps its objects in files. What
    /// happens on the node is real.
    @Suite(.serialized) struct Migrations {
        /// Answers `get`, `scale` and `patch` as kubectl does.
        private static let kubectl = #"""
            #!/bin/sh
            cd ~/elsewhere/cluster || exit 1
            pods() {
                for file in replicas/*; do
                    name=${file#replicas/}
                    [ "$(cat $file)" -gt 0 ] || continue
                    printf '%s{"kind":"Pod","metadata":{"name":"%s-1","namespace":"default","labels":{"app":"%s"}},' "$comma" $name $name
                    printf '"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}'
                    comma=,
                done
            }
            case "$1 $*" in
            "get "*" pods") printf '{"kind":"List","items":['; pods; printf ']}' ;;
            "get "*)
                printf '{"kind":"List","items":['
                for file in replicas/*; do
                    set -- "$@" -e "s/@${file#replicas/}@/$(cat $file)/"
                done
                shift 5
                sed "$@" objects
                comma=,
                pods
                printf ']}' ;;
            "scale "*) echo $6 >replicas/${4#*/} ;;
            "patch "*) case "$*" in *'"true"'*) echo 0 ;; *) echo 1 ;; esac >replicas/${4#*/} ;;
            esac
            """#

        private static let tricky = #"a \"quoted\" $HOME %h ${X} \\ 'x'"#

        private static let sleeper = #""command":["sh","-c","trap exit TERM; while true; do sleep 0.2; done"]"#

        /// A rootless network of Podman 3.0 needs an image from the Internet; there the pods have the host's.
        private static func deployment(
            _ name: String,
            _ network: String,
            _ container: String,
            _ pod: String = ""
        ) -> String {
            """
            {"kind":"Deployment","metadata":{"name":"\(name)","namespace":"default"},"spec":{"replicas":@\(name)@,
             "selector":{"matchLabels":{"app":"\(name)"}},"template":{"metadata":{"labels":{"app":"\(name)"}},
             "spec":{"terminationGracePeriodSeconds":2,\(network)\(pod)
              "containers":[{"name":"main","image":"localhost/web:1.0.0",\(sleeper)\(container)}]}}}}
            """
        }

        private static func objects(_ network: String) -> String {
            [
                #"{"kind":"Service","metadata":{"name":"api","namespace":"default"},"spec":{"selector":{"app":"web"}}}"#,
                deployment(
                    "web",
                    network,
                    """
                    ,"envFrom":[{"secretRef":{"name":"keys"}}],"env":[{"name":"TRICKY","value":"\(tricky)"}],
                    "volumeMounts":[{"name":"data","mountPath":"/data"},{"name":"pages","mountPath":"/pages"}],
                    "readinessProbe":{"exec":{"command":["test","-f","/data/kept"]},"periodSeconds":1}
                    """,
                    """
                    "volumes":[{"name":"data","persistentVolumeClaim":{"claimName":"web-data"}},
                               {"name":"pages","configMap":{"name":"pages"}}],
                    """
                ),
                deployment("bad", network, #","readinessProbe":{"exec":{"command":["false","x"]},"periodSeconds":1}"#),
                deployment("never", network, "", #""volumes":[{"name":"v","nfs":{"server":"s"}}],"#),
                #"{"kind":"Secret","metadata":{"name":"keys","namespace":"default"},"data":{"TOKEN":"czNjcjN0"}}"#,
                #"{"kind":"Secret","metadata":{"name":"hecate-secrets","namespace":"hecate"},"data":{"GROQ_API_KEY":"Z3Jx"}}"#,
                #"{"kind":"ConfigMap","metadata":{"name":"pages","namespace":"default"},"data":{"index.html":"hello"}}"#,
                #"{"kind":"PersistentVolumeClaim","metadata":{"name":"web-data","namespace":"default"},"spec":{"volumeName":"pv"}}"#,
                #"{"kind":"PersistentVolume","metadata":{"name":"pv"},"spec":{"hostPath":{"path":"\#(Node.home)/elsewhere/pv"}}}"#,
                #"{"kind":"Ingress","metadata":{"name":"web","namespace":"default"},"spec":{}}"#,
                #"{"kind":"Deployment","metadata":{"name":"coredns","namespace":"kube-system"},"spec":{}}"#,
                #"{"kind":"Node","metadata":{"name":"node"}}"#,
            ].joined(separator: ",\n")
        }

        private func prepared(isOld: Bool) async throws -> Node {
            let node = try Node(isOld: isOld)
            try await node.clean()
            _ = try await node.shell(
                "systemctl --user stop 'web*' 'bad*' 'k3s*' 2>/dev/null; podman volume rm -a -f >/dev/null 2>&1; rm -rf ~/elsewhere"
            )
            try await node.write(Self.kubectl, to: "../../elsewhere/kubectl")
            try await node.write(
                Self.objects(isOld ? "\"hostNetwork\":true," : ""),
                to: "../../elsewhere/cluster/objects"
            )
            _ = try await node.shell(
                """
                cd ~/elsewhere && chmod +x kubectl && mkdir -p cluster/replicas pv k3s/server && echo 2 >cluster/replicas/web
                echo 3 >cluster/replicas/bad; echo 1 >cluster/replicas/never; echo data >pv/kept; echo token >k3s/server/token
                """
            )
            return node
        }

        private func k3s(_ node: Node, _ command: String, _ words: String...) async throws -> Completion {
            let kubectl = ["--kubectl", "\(Node.home)/elsewhere/kubectl"]
            let settings = ["HECATE_VERIFY_WINDOW=1", "HECATE_TIMEOUT=20"]
            return try await execute(
                ["\(checkout)/Rigs/node.sh", "user", node.folder, "env"] + settings + ["hecate", command, "k3s"]
                    + kubectl
                    + words,
                timeout: .seconds(240)
            )
        }

        private func replicas(_ node: Node, _ app: String) async throws -> String {
            try await node.shell("cat ~/elsewhere/cluster/replicas/\(app)")
        }

        @Test(.timeLimit(.minutes(6)), arguments: [false, true])
        func appsMoveOneAtATimeAndK3sGoesLast(isOld: Bool) async throws {
            let node = try await prepared(isOld: isOld)
            let looked = try await k3s(node, "migrate")
            #expect(looked.code == 1, "an app cannot be moved: \(looked.outputText)\(looked.errorText)")
            for expected in [
                "Deployment default/web", "web-data", "volumes.v: a volume of kind 'nfs' cannot be carried over",
                "Ingress default/web: warning: is not carried over", "Nothing was changed",
            ] {
                #expect(looked.outputText.contains(expected), "\(expected): \(looked.outputText)")
            }
            #expect(!looked.outputText.contains("coredns"))
            #expect(try await node.shell("ls ~/.hecate/gitops/apps").isEmpty)

            // One with data, a secret, files and a health check.
            let moved = try await k3s(node, "migrate", "--apply", "web")
            #expect(moved.code == 0, "\(moved.outputText)\(moved.errorText)")
            #expect(try await replicas(node, "web") == "0")
            #expect(try await node.state("web") == "active")
            let inside = try await node.user(
                "podman",
                "exec",
                "web",
                "sh",
                "-c",
                "cat /data/kept /pages/index.html; echo; echo \"$TRICKY\"; echo $TOKEN"
            )
            #expect(
                inside.outputText == "data\nhello\na \"quoted\" $HOME %h ${X} \\ 'x'\ns3cr3t\n",
                "\(inside.outputText)\(inside.errorText)"
            )
            if !isOld {
                let name = try await node.user("podman", "exec", "web", "nslookup", "api.default.svc.cluster.local")
                #expect(name.outputText.contains("Address: 10.89."), "\(name.outputText)\(name.errorText)")
            }
            let modes = try await node.shell(
                "stat -c %a ~/.hecate/secrets ~/.hecate/secrets/k3s/web/web.env | tr '\\n' ' '"
            )
            #expect(modes == "700 600 ", "\(modes)")
            #expect(try await node.shell("cat ~/.hecate/secrets/api-keys.env") == "GROQ_API_KEY=grq")
            #expect(try await node.shell("cd ~/.hecate/backups/k3s/web && sha256sum -c *.sha256").contains("OK"))
            #expect(try await k3s(node, "migrate", "--apply", "web").outputText.contains("web: moved already"))

            // One that is not well here goes back; one that cannot be moved is not touched.
            let bad = try await k3s(node, "migrate", "--apply", "bad")
            #expect(bad.code == 1 && bad.errorText.contains("it goes back to the cluster"), "\(bad.errorText)")
            #expect(try await replicas(node, "bad") == "3")
            #expect(try await node.state("bad") != "active")
            #expect(try await node.shell("ls -d ~/.hecate/gitops/apps/bad 2>/dev/null || true").isEmpty)
            let never = try await k3s(node, "migrate", "--apply", "never")
            #expect(never.code == 1 && never.errorText.contains("cannot be moved as it is"), "\(never.errorText)")
            #expect(try await replicas(node, "never") == "1")

            // k3s stays while anything runs in it.
            let refused = try await k3s(node, "decommission", "--dry-run")
            #expect(refused.code == 1 && refused.errorText.contains("Deployment default/bad"), "\(refused.errorText)")
            _ = try await node.shell("cd ~/elsewhere/cluster/replicas && echo 0 >bad && echo 0 >never")
            try await goesLast(node)
        }

        private func goesLast(_ node: Node) async throws {
            let uninstaller = "/usr/local/bin/k3s-uninstall.sh"
            try writeFile(
                "#!/bin/sh\n[ -e \(Node.home)/elsewhere/ready ] || { echo not yet >&2; exit 3; }\ntouch \(Node.home)/elsewhere/removed\n",
                to: "\(node.folder)/root\(uninstaller)"
            )
            try await shell([
                "\(checkout)/Rigs/node.sh", "root", node.folder, "chmod", "755", uninstaller,
            ])
            let folder = ["--data-dir", "\(Node.home)/elsewhere/k3s"]
            let rehearsed = try await k3s(node, "decommission", "--dry-run", folder[0], folder[1])
            #expect(rehearsed.code == 0 && rehearsed.outputText.contains("would back up"), "\(rehearsed.errorText)")
            #expect(try await node.shell("ls ~/.hecate/backups/k3s") == "web")

            // Not while what was moved is down, and a removal that fails goes on where it was.
            #expect(try await node.user("hecate", "stop", "web").code == 0)
            let sick = try await k3s(node, "decommission", folder[0], folder[1])
            #expect(sick.code == 1 && sick.errorText.contains("web.container"), "\(sick.errorText)")
            #expect(try await node.user("hecate", "start", "web").code == 0)
            let broken = try await k3s(node, "decommission", folder[0], folder[1])
            #expect(broken.code == 1 && broken.errorText.contains("not yet"), "\(broken.outputText)\(broken.errorText)")
            #expect(try await node.shell("ls ~/elsewhere/k3s/server") == "token")
            _ = try await node.shell("touch ~/elsewhere/ready")
            let gone = try await k3s(node, "decommission", folder[0], folder[1])
            #expect(gone.code == 0, "\(gone.outputText)\(gone.errorText)")
            #expect(gone.outputText.contains("done before: back up"), "\(gone.outputText)")
            #expect(
                try await node.shell("ls ~/elsewhere/removed ~/elsewhere/k3s 2>/dev/null || true")
                    == "\(Node.home)/elsewhere/removed"
            )
            let kept = try await node.shell("tar -tf ~/.hecate/backups/k3s/k3s.tar | tr '\\n' ' '")
            #expect(kept.contains("./server/token"), "\(kept)")
            #expect(try await node.shell("stat -c %a ~/.hecate/backups/k3s/cluster.json") == "600")
        }

        @Test(.timeLimit(.minutes(4))) func whatWasMovedCanBeBroughtBack() async throws {
            let node = try await prepared(isOld: false)
            #expect(try await k3s(node, "migrate", "--apply", "web").code == 0)
            _ = try await node.shell("podman exec web sh -c 'echo newer >/data/later'")
            let back = try await k3s(node, "migrate", "--back", "web")
            #expect(back.code == 0, "\(back.outputText)\(back.errorText)")
            #expect(try await replicas(node, "web") == "2")
            #expect(try await node.state("web") != "active")
            #expect(back.outputText.contains("stays in the volume 'web-data'"), "\(back.outputText)")

            // Moving again takes the cluster's data of now, and throws nothing away.
            _ = try await node.shell("echo again >~/elsewhere/pv/second")
            let again = try await k3s(node, "migrate", "--apply", "web")
            #expect(again.code == 0, "\(again.outputText)\(again.errorText)")
            #expect(
                try await node.shell("podman exec web sh -c 'cat /data/second; ls /data' | xargs")
                    == "again kept second"
            )
            #expect(
                try await node.shell("tar -tf ~/.hecate/backups/k3s/web/web-data.node-*.tar | xargs").contains(
                    "./later"
                )
            )
        }
    }
}
