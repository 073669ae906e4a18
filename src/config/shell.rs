//! Command lines in hints, as a shell takes them back.

/// An option with its value, which may be anything: one that begins with a hyphen is no other option.
pub fn option(name: &str, value: &str) -> String {
    let between = if value.starts_with('-') { '=' } else { ' ' };
    format!("{name}{between}{}", word(value))
}

/// One word, quoted where it must be.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// The command that makes a server key.
pub fn keys_add(key_file: &str, role: &str, auth_file: &str) -> String {
    format!(
        "portcullis keys add {} {} {}",
        option("--key-file", key_file),
        option("--role", role),
        option("--auth-file", auth_file)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_written() {
        for value in [
            "migrator", "it's", "a b", "a;b", "$(x)", "`x`", "größe", "a\\b", "~", "#", "*", "",
            "-x", "--role", "a\"b", "!x", "a=b",
        ] {
            let line = format!(
                "printf '%s|' {}",
                keys_add("k", value, value).replace("portcullis ", "")
            );
            let output = std::process::Command::new("sh")
                .args(["-c", &line])
                .output();
            let read = String::from_utf8(output.unwrap().stdout).unwrap();
            let between = if value.starts_with('-') { '=' } else { '|' };
            let expected = format!(
                "keys|add|--key-file|k|--role{between}{value}|--auth-file{between}{value}|"
            );
            assert_eq!(read, expected);
        }
        let plain = "portcullis keys add --key-file /etc/k --role shop_acme --auth-file u.txt";
        assert_eq!(keys_add("/etc/k", "shop_acme", "u.txt"), plain);
    }
}
