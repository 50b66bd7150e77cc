internal import Delivery
internal import Documents
internal import HTTPServer
internal import JSON
internal import Journal
internal import Text

extension Site {
    /// Everything about one app.
    func appPage(_ call: Call) async throws -> Response {
        let record = try await record(call)
        let hold = try await store.holds().first { $0.app == record.id }
        let live = await backend.describe(record.id)
        let plan = await plan(record)
        let history = try await history(record)
        let lines = await backend.logs(of: record.id)
        return page(record.id.description, nil, visitor: call.visitor, call.request) {
            Tag.h1 {
                "\(record.id) "
                state(record, isHeld: hold != nil)
            }
            Tag.p { record.ready?.message ?? "Not looked at yet." }
            if let hold {
                Tag.p(.class("warn")) {
                    "Held by \(hold.author) for \(hold.since.age(at: now)): \(hold.reason)"
                }
            }
            list(record.details)
            actions(call, record, isHeld: hold != nil)
            conditions(record)
            Tag.h2 { "What runs" }
            services(live)
            Tag.h2 { "Plan" }
            plan
            history
            if !lines.isEmpty {
                Tag.h2 { "Last lines" }
                Tag.pre { lines.joined(separator: "\n") }
            }
        }
    }

    private func actions(_ call: Call, _ record: AppRecord, isHeld: Bool) -> HTML {
        guard call.visitor.role >= .operator, let token = formToken(call.request) else { return HTML() }
        let base = SitePath("/api/v1/apps").appending(record.id.target).appending(record.id.name)
        return Tag.div(.class("bar")) {
            form(base.appending("reconcile"), token) { Tag.button { "Reconcile now" } }
            if isHeld {
                form(base.appending("resume"), token) { Tag.button { "Resume" } }
            } else {
                form(base.appending("suspend"), token) {
                    Tag.label {
                        "Reason "
                        Tag.input(Attribute("name", "reason"), Attribute("required"), Attribute("maxlength", "500"))
                    }
                    Tag.button { "Suspend" }
                }
            }
        }
    }

    private func conditions(_ record: AppRecord) -> HTML {
        let rows = record.conditions.map { condition in
            row(condition.kind.rawValue) {
                Tag.td { condition.kind.rawValue }
                Tag.td { condition.isTrue ? "True" : "False" }
                Tag.td { condition.reason.rawValue }
                Tag.td(.class("dim")) { time(condition.since) }
                Tag.td { condition.message }
            }
        }
        return HTML([Tag.h2 { "Conditions" }, table(["Type", "Status", "Reason", "Since", "Message"], rows)])
    }

    private func services(_ live: JSON) -> HTML {
        guard let services = live.array else {
            return Tag.p(.class("warn")) { "The target cannot be asked now." }
        }
        let rows = services.flatMap { [serviceRow($0)] + ($0["tasks"]?.array ?? []).map(taskRow) }
        return table(["Name", "State", "Node or image", "Error"], rows, isStacked: false)
    }

    private func serviceRow(_ service: JSON) -> HTML {
        let (running, desired) = (service["running"]?.int ?? 0, service["desired"]?.int ?? 0)
        let name = service["name"]?.string ?? ""
        return row("s \(name)") {
            Tag.td(.class("name")) { Tag.b { name } }
            Tag.td(.class(running < desired ? "bad" : "good")) { "\(running) of \(desired)" }
            Tag.td(Attribute("colspan", "2")) { Tag.code { service["image"]?.string ?? "" } }
        }
    }

    private func taskRow(_ task: JSON) -> HTML {
        let name = task["name"]?.string ?? ""
        return row("t \(name)") {
            Tag.td(.class("name dim")) { "\u{A0}\u{A0}\(name)" }
            Tag.td { task["state"]?.string ?? "" }
            Tag.td { task["node"]?.string ?? "" }
            Tag.td(.class("bad")) { task["error"]?.string ?? "" }
        }
    }

    private func plan(_ record: AppRecord) async -> HTML {
        let plan: Plan
        do { plan = try await backend.plan(of: record.id) } catch {
            return Tag.p(.class("bad")) { (error as? Failure)?.message ?? "\(error)" }
        }
        guard !plan.isEmpty else { return Tag.p { "Nothing to do: it is as declared." } }
        let rejected = record.quarantine.map { quarantine in
            Tag.p(.class("warn")) {
                "Of \(quarantine.commit.prefix(12)), which was rolled back; it waits for another commit."
            }
        }
        return HTML([rejected ?? HTML(), Tag.ul(.class("plain")) { plan.changes.map(item) }])
    }

    private func item(_ change: Change) -> HTML {
        Tag.li {
            Tag.b { change.action.rawValue }
            " \(change.kind) \(change.name)"
            Tag.ul {
                for field in change.fields {
                    Tag.li {
                        Tag.code { field.path }
                        " "
                        if let old = field.from { Tag.del { old } }
                        " "
                        if let new = field.to { Tag.ins { new } }
                    }
                }
            }
        }
    }

    private func history(_ record: AppRecord) async throws -> HTML {
        let revisions = try await store.revisions(of: record.id)
        let events = try await store.events(after: 0, subject: record.id.description, limit: 30)
        return HTML([
            Tag.h2 { "Kept revisions" },
            Tag.ul(.class("plain")) {
                if revisions.isEmpty { Tag.li(.class("dim")) { "None yet." } }
                for revision in revisions {
                    Tag.li {
                        commit(revision.commit.isEmpty ? revision.fingerprint : revision.commit)
                        " "
                        Tag.span(.class("dim")) {
                            "deployed "
                            time(revision.deployedAt)
                        }
                    }
                }
            },
            Tag.h2 { "What happened" }, eventTable(events, withSubject: false),
        ])
    }
}
