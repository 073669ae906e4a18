//! `pgbouncer.ini`, read as PgBouncer reads it (`cfparser.c`, `loader.c`).

use std::path::Path;

use crate::config::read;

/// Deepest `%include`: PgBouncer's `MAX_INCLUDE`.
const MAX_INCLUDE: usize = 10;
/// Most settings, includes counted.
const MAX_ENTRIES: usize = 100_000;

/// One `key = value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub section: String,
    pub key: String,
    pub value: String,
    /// The name of its file.
    pub file: String,
    /// Its line there, from 1.
    pub line: usize,
}

/// Reads the file and what it includes; relative paths start at its directory.
///
/// # Errors
/// A file cannot be read, or a line is none of PgBouncer's.
pub(super) fn load(path: &Path) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    load_into(path, 0, &mut entries)?;
    Ok(entries)
}

fn load_into(path: &Path, depth: usize, entries: &mut Vec<Entry>) -> Result<(), String> {
    let text = read(path).map_err(|problems| {
        let file = path.display();
        let told = problems.iter().map(|problem| match problem.line {
            0 => format!("{file}: {}", problem.message),
            line => format!("{file}:{line}: {}", problem.message),
        });
        told.collect::<Vec<_>>().join(", ")
    })?;
    let mut section = String::new();
    let file = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let bad = |what: &str| format!("{}:{number}: {what}", path.display());
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        if let Some(included) = line.strip_prefix("%include") {
            if depth == MAX_INCLUDE {
                return Err(bad("%include goes too deep"));
            }
            let base = path.parent().unwrap_or(Path::new(""));
            load_into(&base.join(included.trim()), depth + 1, entries)?;
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest
                .strip_suffix(']')
                .ok_or_else(|| bad("a section without its ]"))?;
            section = name.trim().to_owned();
            continue;
        }
        let (key, value) =
            key_and_value(line).ok_or_else(|| bad("neither a section nor key = value"))?;
        if entries.len() == MAX_ENTRIES {
            return Err(bad("too many settings"));
        }
        entries.push(Entry {
            section: section.clone(),
            key,
            value: value.to_owned(),
            file: file.clone(),
            line: number,
        });
    }
    Ok(())
}

/// A name of a database can be quoted; `""` inside is one quote.
fn key_and_value(line: &str) -> Option<(String, &str)> {
    let (key, rest) = match line.strip_prefix('"') {
        Some(inner) => {
            let end = closing(inner, '"')?;
            (inner[..end].replace("\"\"", "\""), &inner[end + 1..])
        }
        None => {
            let (key, _) = line.split_once('=')?;
            (key.trim().to_owned(), &line[key.len()..])
        }
    };
    let value = rest.trim_start().strip_prefix('=')?;
    (!key.is_empty()).then(|| (key, value.trim()))
}

/// Where the quote closes: doubled ones do not close it.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text[from..].find(quote)?;
        match text[at + 1..].starts_with(quote) {
            true => from = at + 2,
            false => return Some(at),
        }
    }
}

/// The parts of a connection string: `host=a port=5432 password='it''s'`.
///
/// # Errors
/// The rest that is none.
pub(super) fn parts(mut text: &str) -> Result<Vec<(String, String)>, String> {
    let mut parts = Vec::new();
    loop {
        text = text.trim_start();
        if text.is_empty() {
            return Ok(parts);
        }
        let bad = || text.chars().take(20).collect::<String>();
        let (key, rest) = text.split_once('=').ok_or_else(bad)?;
        let rest = rest.trim_start();
        let (value, after) = match rest.strip_prefix('\'') {
            Some(inner) => {
                let end = closing(inner, '\'').ok_or_else(bad)?;
                (inner[..end].replace("''", "'"), &inner[end + 1..])
            }
            None => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        parts.push((key.trim().to_owned(), value));
        text = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_comments_quotes_and_includes_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(
            at("a.ini"),
            "; c\n[databases]\n\"my \"\"db\"\"\"= host=x\n* =\n%include b.ini\n# c\n",
        )
        .unwrap();
        std::fs::write(
            at("b.ini"),
            "\n[pgbouncer]\nlisten_addr = a, b ; not a comment\n",
        )
        .unwrap();
        let entries = load(&at("a.ini")).unwrap();
        let got: Vec<_> = entries
            .iter()
            .map(|e| (&*e.section, &*e.key, &*e.value, e.line))
            .collect();
        let expected = [
            ("databases", "my \"db\"", "host=x", 3),
            ("databases", "*", "", 4),
            ("pgbouncer", "listen_addr", "a, b ; not a comment", 3),
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn what_is_no_setting_has_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.ini");
        for (text, said) in [
            ("[x\n", "a.ini:1: a section without its ]"),
            ("\nx y\n", "a.ini:2: neither a section nor key = value"),
            ("= 1\n", "a.ini:1: neither a section nor key = value"),
            ("%include a.ini\n", "a.ini:1: %include goes too deep"),
            ("%include none.ini\n", "none.ini: could not read the file: "),
        ] {
            std::fs::write(&path, text).unwrap();
            let why = load(&path).unwrap_err();
            assert!(why.contains(said), "{text}\n{why}");
        }
    }

    #[test]
    fn a_byte_that_is_not_utf8_has_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.ini");
        std::fs::write(&path, b"[databases]\n; \xe4\nx =\n").unwrap();
        let why = load(&path).unwrap_err();
        let said = "a.ini:2: could not read the file: it is not valid UTF-8";
        assert!(why.ends_with(said), "{why}");
    }

    #[test]
    fn connection_strings_have_quoted_values() {
        let read = parts("host=a  password='it''s = x' dbname = b").unwrap();
        let expected = [("host", "a"), ("password", "it's = x"), ("dbname", "b")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(read, expected);
        assert_eq!(parts(""), Ok(Vec::new()));
        assert!(parts("host").is_err() && parts("host='a").is_err());
    }
}
