internal import Crypto
package import Delivery
internal import JSON

/// Claims and leases, as they stand on the cluster.
extension SwarmPlatform {
    package func claims() async throws -> [AppID: Claim] {
        forgetClaims()
        do {
            let found = try await knownClaims().filter { $0.value.target ?? name == name }
            return Dictionary(
                found.map { (AppID(target: name, name: $0.key), $0.value.claim) }.filter { $0.0.isValid }
            ) { first, _ in first }
        } catch let error as EngineError {
            throw Failure(.unavailable, "\(name): \(error)")
        }
    }

    package func claim(_ id: AppID, as claimant: Claimant) async throws -> Ownership {
        guard id.isValid, id.target == name else { throw Failure(.refused, "'\(id)' names no stack of '\(name)'") }
        do {
            // What nobody is known to have is claimed at once; the name lets only one succeed.
            if claimant.takesUnclaimed, let known = claimConfigs, known[id.name] == nil,
                let ownership = try await createClaim(id, claimant)
            {
                return ownership
            }
            for _ in 0..<3 {
                if let ownership = try await attemptClaim(id, claimant) { return ownership }
            }
        } catch let error as EngineError {
            throw Failure(.unavailable, "\(id): \(error)")
        }
        throw Failure(.conflict, "the claim of '\(id)' keeps changing")
    }

    /// - Returns: Nil when somebody was faster and it has to be looked at again.
    private func createClaim(_ id: AppID, _ claimant: Claimant) async throws -> Ownership? {
        let claim = Claim(owner: claimant.owner, controller: claimant.controller)
        let config = ClaimConfig(
            claim: claim,
            target: name,
            namePrefix: namePrefix(of: id.name),
            rejection: claimant.rejection.noted(over: nil, by: claimant.controller)
        )
        let body: JSON = [
            "Name": .string(ClaimConfig.name(id.name)), "Labels": JSON(config.labels(for: id.name)), "Data": emptyData,
        ]
        do {
            try await engine.call("POST", "/configs/create", body: body)
        } catch let error as EngineError where error.isNameTaken {
            return nil
        }
        remember(config, of: id.name)
        return Ownership(confirmedByTarget: id, for: claimant)
    }

    /// - Returns: Nil when somebody was faster and it has to be looked at again.
    private func attemptClaim(_ id: AppID, _ claimant: Claimant) async throws -> Ownership? {
        let wanted = Claim(owner: claimant.owner, controller: claimant.controller)
        let configName = ClaimConfig.name(id.name)
        guard let json = try await engine.find("configs", configName), let object = ObservedObject(json) else {
            guard claimant.takesUnclaimed else {
                throw Failure(
                    .notFound,
                    "nothing on '\(name)' says that the stack '\(id.name)' is this controller's; when it is to go, remove it "
                        + "with: docker stack rm \(id.name)"
                )
            }
            return try await createClaim(id, claimant)
        }
        var config = ClaimConfig(labels: object.labels)
        guard object.name == configName, object.labels[ClaimConfig.app] == id.name,
            claimant.mayTake(config.claim)
        else {
            remember(config, of: id.name)
            throw taken(id, by: config.claim.owner)
        }
        if !claimant.takesUnclaimed, let target = config.target, target != name {
            remember(config, of: id.name)
            throw Failure(
                .superseded,
                "the stack '\(id.name)' is '\(target)/\(id.name)' now, by another name of this Swarm"
            )
        }
        let known = config
        config.claim = wanted
        config.target = name
        config.rejection = claimant.rejection.noted(over: known.rejection, by: claimant.controller)
        let labels = config.labels(for: id.name)
        if labels != known.labels(for: id.name) {
            let spec = object.relabelled(labels)
            do {
                try await engine.call(
                    "POST",
                    "/configs/\(object.id)/update",
                    query: [("version", "\(object.version)")],
                    body: spec
                )
            } catch let error as EngineError where error.isOutOfSequence || error.isNotFound {
                return nil
            }
        }
        remember(config, of: id.name)
        return Ownership(
            confirmedByTarget: id,
            for: claimant,
            rejection: claimant.rejection.told(of: known.rejection)
        )
    }

    package func release(_ ownership: Ownership) async throws {
        try ownership.check(ownership.app)
        do {
            try await engine.call("DELETE", "/configs/\(ClaimConfig.name(ownership.app.name))")
        } catch let error as EngineError where error.isNotFound {
        } catch let error as EngineError {
            throw Failure(.unavailable, "\(ownership.app): \(error)")
        }
        declared[ownership.app] = nil
        declaredFiles[ownership.app] = nil
        forgetClaims()
    }

    private func taken(_ id: AppID, by owner: String) -> Failure {
        Failure(
            .refused,
            "the stack '\(id.name)' belongs to another source, '\(owner)'; rename one of them, or hand it over with: "
                + "docker config rm \(ClaimConfig.name(id.name))"
        )
    }

    // MARK: Leases

    package func lease(of owner: String) async throws -> LeaseRecord? {
        do {
            return try await engine.find("configs", LeaseConfig.name(owner), timeout: leaseTimeout)
                .flatMap(ObservedObject.init).map(LeaseConfig.record)
        } catch let error as EngineError {
            throw Failure(.unavailable, "\(name): \(error)")
        }
    }

    package func writeLease(
        _ lease: LeaseRecord,
        of owner: String,
        replacing version: String?
    ) async throws
        -> LeaseRecord
    {
        do {
            guard let version else {
                let body: JSON = [
                    "Name": .string(LeaseConfig.name(owner)), "Data": emptyData,
                    "Labels": JSON(LeaseConfig.labels(lease, of: owner, renewals: 1)),
                ]
                try await engine.call("POST", "/configs/create", body: body, timeout: leaseTimeout)
                // The name lets only one succeed. Which version it got is asked for when it is renewed.
                madeLeases[owner] = lease.holder
                return lease
            }
            try await renew(lease, owner, version)
        } catch let error as EngineError where error.isOutOfSequence || error.isNotFound || error.isNameTaken {
            throw Failure(.conflict, "the lease was written by somebody else")
        } catch let error as EngineError {
            throw Failure(.unavailable, "\(name): \(error)")
        }
        guard let written = try await self.lease(of: owner), written.holder == lease.holder else {
            throw Failure(.conflict, "the lease was written by somebody else")
        }
        return written
    }

    private func renew(_ lease: LeaseRecord, _ owner: String, _ version: String) async throws {
        var version = version
        if version.isEmpty {
            guard let maker = madeLeases[owner], let current = try await self.lease(of: owner), current.holder == maker
            else { throw Failure(.conflict, "the lease was written by somebody else") }
            version = current.version
        }
        let parts = version.split(separator: " ")
        guard parts.count == 2, let count = Int64(parts[1]) else { throw Failure(.conflict, "no such lease") }
        // The version itself grows with each renewal, and so makes each a change.
        let body: JSON = [
            "Name": .string(LeaseConfig.name(owner)), "Data": emptyData,
            "Labels": JSON(LeaseConfig.labels(lease, of: owner, renewals: count)),
        ]
        try await engine.call(
            "POST",
            "/configs/\(parts[0])/update",
            query: [("version", String(parts[1]))],
            body: body,
            timeout: leaseTimeout
        )
    }

    /// A lease that cannot be asked about in this time is not worth waiting for: it is asked for again.
    private var leaseTimeout: Duration { .seconds(4) }

    private var emptyData: JSON { .string(base64(Array("{}".utf8))) }
}

extension ObservedObject {
    /// The object's specification with other labels, as an update of it wants it.
    fileprivate func relabelled(_ labels: [String: String]) -> JSON {
        var spec = json["Spec"] ?? [:]
        spec["Labels"] = JSON(labels)
        return spec
    }
}
