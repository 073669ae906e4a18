//! The account that a process runs as.

/// Longest list of accounts that is read, bytes.
const MAX_FILE: u64 = 16 << 20;

/// The name of this process's account in /etc/passwd, as libpq takes it for the user; none: it has no line there.
pub(super) fn name() -> Option<String> {
    use std::io::Read as _;
    let mut text = Vec::new();
    let file = std::fs::File::open("/etc/passwd").ok()?;
    file.take(MAX_FILE).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    name_of(rustix::process::geteuid().as_raw(), &text)
}

/// The first line `NAME:PASSWORD:UID:...` of the number.
fn name_of(uid: u32, accounts: &str) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        let is = number.parse() == Ok(uid) && !name.is_empty();
        is.then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_number() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\n# c\n+::::::\nbad\nann:x:1000:10::/:\nagain:x:1000:10::/:\n";
        assert_eq!(name_of(0, accounts).as_deref(), Some("root"));
        assert_eq!(name_of(1000, accounts).as_deref(), Some("ann"));
        assert_eq!(name_of(10, accounts), None);
    }
}
