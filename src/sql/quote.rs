//! Names as SQL takes them back.

/// An identifier, quoted.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A parameter's name as SET and SHOW take it: each of its parts is an identifier.
pub fn parameter(name: &str) -> String {
    let parts: Vec<String> = name.split('.').map(identifier).collect();
    parts.join(".")
}
