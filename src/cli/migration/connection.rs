//! How a tool connects to an open migration session, in the forms that tools read.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use crate::cli::client::{Answer, ClientError};

/// What `OPEN MIGRATION` answered. Holds the token: not `Debug`.
pub(super) struct Connection {
    pub id: String,
    login: String,
    token: Zeroizing<String>,
    pub database: String,
    phase: Option<String>,
    ends: String,
    host: String,
    port: String,
    sslmode: String,
    sslrootcert: Option<String>,
}

impl Connection {
    pub fn from_answer(answer: &Answer) -> Result<Self, ClientError> {
        let row = answer
            .rows
            .first()
            .ok_or(ClientError::Protocol("no session in the answer"))?;
        let find = |name: &str| {
            let at = answer
                .columns
                .iter()
                .position(|column| column.name == name)?;
            row.get(at)?.clone()
        };
        let must = |name: &str| find(name).ok_or(ClientError::Protocol("a column is missing"));
        Ok(Self {
            id: must("id")?,
            login: must("login")?,
            token: Zeroizing::new(must("token")?),
            database: must("database")?,
            phase: find("phase"),
            ends: must("ends")?,
            host: must("host")?,
            port: must("port")?,
            sslmode: must("sslmode")?,
            sslrootcert: find("sslrootcert"),
        })
    }

    /// `, phase expand`; empty where none was declared.
    pub fn phase(&self) -> String {
        let phase = self.phase.as_ref();
        phase.map_or_else(String::new, |phase| format!(", phase {phase}"))
    }

    /// `15:32 UTC` of `2026-11-20 15:32:00+00`.
    pub fn until(&self) -> String {
        self.ends
            .get(11..16)
            .map_or_else(|| self.ends.clone(), |time| format!("{time} UTC"))
    }

    /// libpq's variables, without the password.
    pub fn environment(&self) -> Vec<(&'static str, &str)> {
        let mut variables = vec![
            ("PGHOST", self.host.as_str()),
            ("PGPORT", &self.port),
            ("PGDATABASE", &self.database),
            ("PGUSER", &self.login),
            ("PGSSLMODE", &self.sslmode),
        ];
        variables.extend(
            self.sslrootcert
                .as_deref()
                .map(|path| ("PGSSLROOTCERT", path)),
        );
        variables
    }

    /// A connection URL (RFC 3986; PostgreSQL documentation, "Connection URIs").
    pub fn url(&self, with_token: bool) -> Zeroizing<String> {
        let mut url = Zeroizing::new(format!("postgresql://{}", escaped(&self.login)));
        if with_token {
            url.push(':');
            url.push_str(&escaped(&self.token));
        }
        url.push('@');
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            escaped(&self.host)
        };
        url.push_str(&format!(
            "{host}:{}/{}?sslmode={}",
            self.port,
            escaped(&self.database),
            escaped(&self.sslmode)
        ));
        if let Some(path) = &self.sslrootcert {
            url.push_str("&sslrootcert=");
            url.push_str(&escaped(path));
        }
        url
    }

    /// A line of a password file, `:` and `\` escaped (PostgreSQL documentation, "The Password File").
    pub fn pgpass(&self) -> Zeroizing<String> {
        let mut line = Zeroizing::new(String::new());
        for (at, field) in [
            &self.host,
            &self.port,
            &self.database,
            &self.login,
            &*self.token,
        ]
        .into_iter()
        .enumerate()
        {
            if at > 0 {
                line.push(':');
            }
            for character in field.chars() {
                if matches!(character, ':' | '\\') {
                    line.push('\\');
                }
                line.push(character);
            }
        }
        line
    }

    /// Assignments for a shell, the password among them.
    pub fn shell(&self) -> String {
        let mut text = String::new();
        for (name, value) in self
            .environment()
            .into_iter()
            .chain([("PGPASSWORD", self.token.as_str())])
        {
            let _ = writeln!(text, "export {name}='{}'", value.replace('\'', r"'\''")); // a String takes everything
        }
        text
    }

    /// For people.
    pub fn screen(&self) -> String {
        let (id, until) = (&self.id, self.until());
        let phase = match self.phase.as_deref() {
            Some("expand") => {
                "  phase     expand: what takes something away from running code is refused\n\n"
            }
            Some(_) => "  phase     contract\n\n",
            None => "",
        };
        format!(
            "Migration session {id} is open on {database} until {until}.\n\n  \
             user      {login}\n  \
             password  {token}        shown once\n  \
             url       {url}\n\n{phase}\
             End it:  portcullis migration close {id}     (it ends by itself at {until})",
            database = self.database,
            login = self.login,
            token = *self.token,
            url = *self.url(false),
        )
    }
}

/// Percent-encoded but for RFC 3986's unreserved characters.
fn escaped(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, byte| {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    out.push(byte as char)
                }
                _ => {
                    let _ = write!(out, "%{byte:02X}"); // a String takes everything
                }
            }
            out
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection {
            id: "mig_4k7qz2hd".into(),
            login: "migrator.mig_4k7qz2hd".into(),
            token: Zeroizing::new("pcm_secret".into()),
            database: "it's/a shop".into(),
            phase: Some("expand".into()),
            ends: "2026-11-20 15:32:00+00".into(),
            host: "db.example.com".into(),
            port: "6432".into(),
            sslmode: "verify-full".into(),
            sslrootcert: Some("/etc/ca:1.crt".into()),
        }
    }

    #[test]
    fn urls_are_escaped() {
        let url = "postgresql://migrator.mig_4k7qz2hd:pcm_secret@db.example.com:6432/it%27s%2Fa%20shop?sslmode=verify-full&sslrootcert=%2Fetc%2Fca%3A1.crt";
        assert_eq!(*connection().url(true), url);
        assert_eq!(*connection().url(false), url.replace(":pcm_secret", ""));
        let v6 = Connection {
            host: "::1".into(),
            sslrootcert: None,
            ..connection()
        };
        assert!(
            v6.url(true).contains("@[::1]:6432/") && v6.url(true).ends_with("?sslmode=verify-full")
        );
        assert_eq!(
            *v6.pgpass(),
            r"\:\:1:6432:it's/a shop:migrator.mig_4k7qz2hd:pcm_secret"
        );
    }

    #[test]
    fn shells_read_back_what_was_written() {
        let script = format!(
            "{}printf %s \"$PGDATABASE|$PGPASSWORD|$PGSSLROOTCERT\"",
            connection().shell()
        );
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .expect("a shell");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "it's/a shop|pcm_secret|/etc/ca:1.crt"
        );
    }

    #[test]
    fn people_see_the_token_once_and_not_in_the_url() {
        let screen = connection().screen();
        assert_eq!(screen.matches("pcm_secret").count(), 1);
        let phase = "crt\n\n  phase     expand: what takes something away from running code is refused\n\nEnd it";
        assert!(screen.contains(phase), "{screen}");
        let none = Connection {
            phase: None,
            ..connection()
        };
        assert!(none.screen().contains("crt\n\nEnd it"), "{}", none.screen());
        assert!(screen.starts_with("Migration session mig_4k7qz2hd is open on it's/a shop until 15:32 UTC.\n\n  user      migrator.mig_4k7qz2hd\n"), "{screen}");
    }
}
