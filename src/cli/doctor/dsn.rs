//! Where to connect, in libpq's words: keywords or a URI, then the environment, then libpq's defaults
//! (PostgreSQL documentation, "Connection Strings" and "Environment Variables").

mod passfile;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use read::Pairs;

/// Looks a variable of the environment up; tests bring their own.
pub(super) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// How long a connection may take where nobody says; libpq would wait for the system's own timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Where Debian's and PostgreSQL's own builds have their socket.
const SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// libpq's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Plaintext only.
    Disable,
    /// Plaintext, and TLS where the server asks for it.
    Allow,
    /// TLS, and plaintext where the server has none. libpq's default.
    Prefer,
    /// TLS; the certificate is verified only if a CA was named.
    Require,
    /// TLS, with a certificate of our CA.
    VerifyCa,
    /// And with the host's name in it.
    VerifyFull,
}

impl Mode {
    const ALL: [(&'static str, Self); 6] = [
        ("disable", Self::Disable),
        ("allow", Self::Allow),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    /// libpq's name.
    pub(super) fn name(self) -> &'static str {
        let named = Self::ALL.iter().find(|(_, mode)| *mode == self);
        named.map_or("", |(name, _)| name)
    }

    /// The same, and at least `require`: for a server that has TLS.
    pub(super) fn at_least_require(self) -> Self {
        match self {
            Self::Disable | Self::Allow | Self::Prefer => Self::Require,
            mode => mode,
        }
    }

    /// Does it prove who the server is?
    pub(super) fn verifies(self) -> bool {
        matches!(self, Self::VerifyCa | Self::VerifyFull)
    }
}

/// A password: never printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Password(Zeroizing<String>);

impl Password {
    pub(super) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Everything that a connection needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dsn {
    /// A name, an address, or the directory of a unix socket. What a certificate must name.
    pub host: String,
    /// Where to dial instead, if libpq's `hostaddr` says so.
    pub hostaddr: Option<String>,
    pub port: u16,
    pub database: String,
    pub user: String,
    pub sslmode: Mode,
    /// The CA's file; for verify-ca and verify-full always there.
    pub sslrootcert: Option<PathBuf>,
    pub application_name: String,
    /// libpq's `options`, sent as it is.
    pub options: Option<String>,
    pub connect_timeout: Duration,
    /// From PGPASSWORD or the password file.
    pub password: Option<Password>,
    /// Why the password file did not count, if so.
    pub passfile_problem: Option<String>,
}

/// Why a DSN cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DsnError {
    /// One line.
    pub message: String,
    /// One thing to do.
    pub hint: String,
}

impl DsnError {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
        }
    }
}

impl Dsn {
    /// Reads keywords or a URI; what is missing comes from the environment and libpq's defaults.
    ///
    /// # Errors
    /// What cannot be read, is not known or not supported; a password, which would stand in the
    /// process list.
    pub(super) fn read(text: &str, environment: Environment) -> Result<Self, DsnError> {
        let pairs = read::pairs(text)?;
        let wanted = |keyword: &str, variable: &str| -> Option<String> {
            let given = pairs.get(keyword).map(str::to_owned);
            given
                .or_else(|| environment(variable))
                .filter(|value| !value.is_empty())
        };
        let hostaddr = wanted("hostaddr", "PGHOSTADDR");
        let host = wanted("host", "PGHOST").or_else(|| hostaddr.clone());
        let port = port(wanted("port", "PGPORT"))?;
        let host = one_host(host.unwrap_or_else(|| default_host(port)))?;
        let user = wanted("user", "PGUSER")
            .or_else(|| environment("USER").filter(|name| !name.is_empty()))
            .or_else(|| environment("LOGNAME").filter(|name| !name.is_empty()))
            .ok_or_else(|| {
                let message =
                    "no user: neither USER nor LOGNAME is set, and this process has no account";
                DsnError::new(message, "Add user=... to the connection string.")
            })?;
        let database = wanted("dbname", "PGDATABASE").unwrap_or_else(|| user.clone());
        let (sslmode, sslrootcert) = tls(&pairs, &wanted, environment)?;
        let mut dsn = Self {
            host,
            hostaddr,
            port,
            database,
            user,
            sslmode,
            sslrootcert,
            application_name: wanted("application_name", "PGAPPNAME")
                .unwrap_or_else(|| "portcullis doctor".to_owned()),
            options: wanted("options", "PGOPTIONS"),
            connect_timeout: timeout(wanted("connect_timeout", "PGCONNECT_TIMEOUT"))?,
            password: environment("PGPASSWORD")
                .filter(|password| !password.is_empty())
                .map(Password::new),
            passfile_problem: None,
        };
        if dsn.password.is_none() {
            let file = wanted("passfile", "PGPASSFILE").map(PathBuf::from);
            let file = file.or_else(|| Some(Path::new(&environment("HOME")?).join(".pgpass")));
            match file.map(|file| passfile::find(&file, &dsn)) {
                Some(Ok(password)) => dsn.password = password,
                Some(Err(problem)) => dsn.passfile_problem = Some(problem),
                None => {}
            }
        }
        Ok(dsn)
    }

    /// The same server and login, another database: PgBouncer's console is one.
    pub(super) fn with_database(&self, database: &str) -> Self {
        Self {
            database: database.to_owned(),
            options: None,
            ..self.clone()
        }
    }

    /// Is it this very machine, where nobody listens on the wire?
    pub(super) fn is_local(&self) -> bool {
        let dialled = self.hostaddr.as_ref().unwrap_or(&self.host);
        let is_loopback = |address: std::net::IpAddr| address.is_loopback();
        dialled.starts_with('/') || dialled == "localhost" || dialled.parse().is_ok_and(is_loopback)
    }

    /// `host:port`, or the socket's path.
    pub(super) fn address(&self) -> String {
        match self.host.starts_with('/') {
            true => format!("{}/.s.PGSQL.{}", self.host, self.port),
            false if self.host.contains(':') => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

fn default_host(port: u16) -> String {
    let has_socket = |directory: &&str| {
        Path::new(directory)
            .join(format!(".s.PGSQL.{port}"))
            .exists()
    };
    let directory = SOCKETS.iter().find(|directory| has_socket(directory));
    (*directory.unwrap_or(&"localhost")).to_owned()
}

fn one_host(host: String) -> Result<String, DsnError> {
    match host.contains(',') {
        false => Ok(host),
        true => Err(DsnError::new(
            "several hosts in one connection string",
            "Name one: the doctor looks at one server at a time.",
        )),
    }
}

fn port(text: Option<String>) -> Result<u16, DsnError> {
    let Some(text) = text else { return Ok(5432) };
    text.parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| DsnError::new(format!("invalid port \"{text}\""), "A port is 1 to 65535."))
}

fn timeout(text: Option<String>) -> Result<Duration, DsnError> {
    let Some(text) = text else {
        return Ok(CONNECT_TIMEOUT);
    };
    let seconds: i64 = text.trim().parse().map_err(|_| {
        DsnError::new(
            format!("invalid connect_timeout \"{text}\""),
            "It is a number of seconds.",
        )
    })?;
    Ok(match seconds {
        // libpq: for ever. Nobody waits for ever here.
        ..=0 => CONNECT_TIMEOUT,
        // libpq takes 1 for 2.
        seconds => Duration::from_secs(seconds.clamp(2, 120).unsigned_abs()),
    })
}

fn tls(
    pairs: &Pairs,
    wanted: &dyn Fn(&str, &str) -> Option<String>,
    environment: Environment,
) -> Result<(Mode, Option<PathBuf>), DsnError> {
    let named = match wanted("sslmode", "PGSSLMODE") {
        // JDBC's word, which libpq takes in URIs.
        None if pairs.get("ssl") == Some("true") => Some("require".to_owned()),
        named => named,
    };
    let named = named.as_deref().unwrap_or("prefer");
    let known = Mode::ALL.iter().find(|(name, _)| *name == named);
    let mode = known.map(|(_, mode)| *mode).ok_or_else(|| {
        let names = Mode::ALL.map(|(name, _)| name).join(", ");
        DsnError::new(
            format!("invalid sslmode \"{named}\""),
            format!("One of {names}."),
        )
    })?;
    let ca = wanted("sslrootcert", "PGSSLROOTCERT").map(PathBuf::from);
    if ca.as_deref() == Some(Path::new("system")) {
        return Err(DsnError::new(
            "sslrootcert=system is not supported",
            "Name the CA's file, for example sslrootcert=/etc/ssl/certs/ca-certificates.crt.",
        ));
    }
    let default = || {
        let file = Path::new(&environment("HOME")?).join(".postgresql/root.crt");
        file.exists().then_some(file)
    };
    let ca = ca.or_else(default);
    match mode {
        Mode::Disable | Mode::Allow | Mode::Prefer => Ok((mode, None)),
        // libpq: with a CA's file at hand `require` verifies against it.
        Mode::Require if ca.is_some() => Ok((Mode::VerifyCa, ca)),
        Mode::Require => Ok((mode, None)),
        Mode::VerifyCa | Mode::VerifyFull if ca.is_some() => Ok((mode, ca)),
        Mode::VerifyCa | Mode::VerifyFull => Err(DsnError::new(
            format!("sslmode {} needs the CA's certificate", mode.name()),
            "Add sslrootcert=FILE.",
        )),
    }
}
