//! Single values of `portcullis.toml`: paths, pages, TLS modes.

use std::path::{Path, PathBuf};

use super::SslMode;
use super::reader::{Wrong, one_of};

/// Longest path of a unix socket: `sun_path` of unix(7) without its NUL.
const MAX_SOCKET_PATH: usize = 107;
/// Longest help_url.
const MAX_URL: usize = 500;

pub(super) fn path(base: &Path, text: &str) -> Result<PathBuf, Wrong> {
    if text.is_empty() || text.contains('\0') {
        return Err(Wrong::new("a path must not be empty"));
    }
    Ok(base.join(text))
}

pub(super) fn socket_path(base: &Path, text: &str) -> Result<PathBuf, Wrong> {
    let path = path(base, text)?;
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        return Err(Wrong::new(format!(
            "the path of a unix socket has at most {MAX_SOCKET_PATH} bytes"
        ))
        .help("choose a shorter directory"));
    }
    Ok(path)
}

pub(super) fn help_url(text: &str) -> Result<String, Wrong> {
    let bad = |help: &str| Err(Wrong::new("\"help_url\" is not an address of a page").help(help));
    if !(text.starts_with("https://") || text.starts_with("http://"))
        || text.chars().any(|c| c.is_control() || c == ' ')
    {
        return bad("for example \"https://wiki.example.com/db/{guard}\"");
    }
    if text.len() > MAX_URL {
        return bad("at most 500 bytes");
    }
    if text.replace("{guard}", "").contains(['{', '}']) {
        return bad("the only placeholder is {guard}");
    }
    Ok(text.to_owned())
}

pub(super) fn client_sslmode(text: &str) -> Result<SslMode, Wrong> {
    match text {
        "prefer" => Err(bad_sslmode(text)
            .help("towards applications that is \"allow\": TLS if they ask for it")),
        "verify-ca" | "verify-full" => Err(bad_sslmode(text).help(
            "client certificates are not supported in this version; \"require\" is the strictest",
        )),
        _ => one_of(
            text,
            &[
                ("disable", SslMode::Disable),
                ("allow", SslMode::Allow),
                ("require", SslMode::Require),
            ],
        ),
    }
}

pub(super) fn server_sslmode(text: &str) -> Result<SslMode, Wrong> {
    match text {
        "allow" | "prefer" => Err(bad_sslmode(text).help(
            "it would fall back to plaintext; \"verify-full\", or \"disable\" on a private link",
        )),
        _ => one_of(
            text,
            &[
                ("disable", SslMode::Disable),
                ("require", SslMode::Require),
                ("verify-ca", SslMode::VerifyCa),
                ("verify-full", SslMode::VerifyFull),
            ],
        ),
    }
}

fn bad_sslmode(text: &str) -> Wrong {
    Wrong::new(format!("sslmode \"{text}\" is not available here"))
}
