/// The store's migrations, in order.
///
/// One that has been released is never edited; a change is a new one at the end.
let migrations: [[String]] = [
    [
        """
        CREATE TABLE apps (
            target TEXT NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL, commit_id TEXT NOT NULL,
            deployed TEXT, deployed_commit TEXT, deployed_at REAL,
            attempt TEXT, quarantine TEXT, conditions TEXT NOT NULL, details TEXT NOT NULL,
            PRIMARY KEY (target, name)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE revisions (
            number INTEGER PRIMARY KEY, target TEXT NOT NULL, name TEXT NOT NULL, fingerprint TEXT NOT NULL,
            commit_id TEXT NOT NULL, deployed_at REAL NOT NULL, payload BLOB NOT NULL
        ) STRICT
        """,
        "CREATE INDEX revisions_of_app ON revisions (target, name, number)",
        """
        CREATE TABLE events (
            number INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, severity TEXT NOT NULL, reason TEXT NOT NULL,
            subject TEXT NOT NULL, commit_id TEXT NOT NULL, message TEXT NOT NULL, details TEXT NOT NULL,
            correlation TEXT NOT NULL
        ) STRICT
        """,
        "CREATE INDEX events_of_subject ON events (subject, number)",
        """
        CREATE TABLE holds (
            target TEXT NOT NULL, name TEXT NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL, since REAL NOT NULL,
            PRIMARY KEY (target, name)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE sources (
            name TEXT PRIMARY KEY, url TEXT NOT NULL, commit_id TEXT NOT NULL, last_success REAL, error TEXT
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE targets (
            name TEXT PRIMARY KEY, endpoint TEXT NOT NULL, version TEXT NOT NULL, last_success REAL, error TEXT
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE requests (
            number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, subject TEXT NOT NULL, author TEXT NOT NULL,
            time REAL NOT NULL, done REAL
        ) STRICT
        """,
    ],
    [
        """
        CREATE TABLE audit (
            number INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL,
            client TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, outcome TEXT NOT NULL,
            detail TEXT NOT NULL, chain TEXT NOT NULL
        ) STRICT
        """
    ],
    [
        """
        CREATE TABLE channels (name TEXT PRIMARY KEY, seen INTEGER NOT NULL) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE told (
            channel TEXT NOT NULL, subject TEXT NOT NULL, fact TEXT NOT NULL, severity TEXT NOT NULL,
            PRIMARY KEY (channel, subject)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE deliveries (
            number INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, id TEXT NOT NULL, events TEXT NOT NULL,
            state TEXT NOT NULL, attempts INTEGER NOT NULL, created REAL NOT NULL, due REAL NOT NULL, error TEXT NOT NULL
        ) STRICT
        """,
    ],
    [
        "ALTER TABLE told RENAME TO notified",
        "UPDATE events SET reason = 'RollingBack' WHERE reason = 'TurningBack'",
        "UPDATE apps SET conditions = replace(conditions, '\"TurningBack\"', '\"RollingBack\"')",
    ],
    [
        // What is known of an app beside what is queried; conditions are derived from it and no longer kept.
        "ALTER TABLE apps ADD COLUMN facts TEXT NOT NULL DEFAULT '{}'",
        // One row that is written to learn whether anything can be.
        "CREATE TABLE probe (number INTEGER PRIMARY KEY, time REAL NOT NULL) STRICT",
        // The audit entry before the oldest that is kept.
        "CREATE TABLE audit_start (id INTEGER PRIMARY KEY, number INTEGER NOT NULL, chain TEXT NOT NULL) STRICT",
    ],
    [
        """
        CREATE TABLE leases (
            source TEXT NOT NULL, target TEXT NOT NULL, holder TEXT, own INTEGER NOT NULL, PRIMARY KEY (source, target)
        ) STRICT
        """
    ],
]
