/// How a service behaves once it runs, as its image's name tells the simulated Engine.
enum Nature: String, CaseIterable {
    /// Runs, and is well a moment later.
    case good
    /// Needs long to start, and is well then.
    case slow
    /// Ends with an error a moment after each start.
    case crash
    /// Its health check never passes.
    case unhealthy
    /// Its port is taken: the Engine refuses the service.
    case refused
    /// No registry has its image.
    case missing
    /// Ends well once, as a migration does.
    case job
    /// Ends with an error once, as a migration that fails does; nothing starts it again.
    case failingJob
    /// Ends with an error as long as no database runs beside it.
    case needsDatabase

    /// Whether its tasks end by themselves and are not started again.
    var isJob: Bool { self == .job || self == .failingJob }

    /// Whether a deployment of it comes to a good end when nothing disturbs it.
    ///
    /// `hasDatabase`: Whether the app has a service named `db` that is well.
    func isGood(hasDatabase: Bool) -> Bool {
        switch self {
        case .good, .slow, .job: true
        case .needsDatabase: hasDatabase
        case .crash, .unhealthy, .refused, .missing, .failingJob: false
        }
    }
}
