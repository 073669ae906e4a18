//! PURE. Who is asking: verifiers, SCRAM, server keys. Bytes, nonces and file texts are arguments.

pub mod keys;
pub mod scram;
pub mod userlist;

#[cfg(test)]
mod tests;

/// Splits off what stands in quotes at the start of a text; `""` does not close them, and stays
/// doubled in the result.
pub(crate) fn split_quoted(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut from = 0;
    loop {
        let quote = from + inner[from..].find('"')?;
        let rest = &inner[quote + 1..];
        if !rest.starts_with('"') {
            return Some((&inner[..quote], rest));
        }
        from = quote + 2;
    }
}
