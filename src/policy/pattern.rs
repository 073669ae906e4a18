//! Names as a policy writes them: exact, or with `*` for any run of characters.

use crate::sql::QualifiedName;

/// Bytes of an identifier that count: PostgreSQL cuts longer ones, at a character (NAMEDATALEN less one).
const MAX_IDENTIFIER: usize = 63;
/// Longest pattern, in bytes.
pub(super) const MAX_PATTERN: usize = 200;

/// A text in which `*` stands for any run of characters, none included. There is no other sign and no escape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    /// Where the first star and the last one are, in bytes; none: it says one name.
    stars: Option<(usize, usize)>,
}

impl Pattern {
    /// The pattern, as the policy writes it.
    pub fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            stars: text.find('*').zip(text.rfind('*')),
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Does it say one name, rather than many?
    pub fn is_exact(&self) -> bool {
        self.stars.is_none()
    }

    /// What stands before the first star and behind the last one; all of it twice where there is none.
    fn ends(&self) -> (&[u8], &[u8]) {
        let text = self.text.as_bytes();
        match self.stars {
            Some((first, last)) => (&text[..first], &text[last + 1..]),
            None => (text, text),
        }
    }

    /// Does the whole of `text` fit?
    pub fn fits(&self, text: &str) -> bool {
        let Some((first, last)) = self.stars else {
            return *self.text == *text;
        };
        // Nearly all texts are told apart by the first byte or the last: no call of a comparison, which
        // costs more than that, and no search.
        let (head, tail) = self.ends();
        let text = text.as_bytes();
        let same = |(mine, theirs): (&u8, &u8)| mine == theirs;
        text.len() >= head.len() + tail.len()
            && tail.iter().rev().zip(text.iter().rev()).all(same)
            && head.iter().zip(text).all(same)
            && (first == last || self.search(text))
    }

    /// What stands in `text` for the one star; none where it does not fit, or there is not one star.
    pub fn starred<'t>(&self, text: &'t str) -> Option<&'t str> {
        let (first, last) = self.stars?;
        let rest = text.strip_prefix(&self.text[..first])?;
        let found = rest.strip_suffix(&self.text[last + 1..])?;
        (first == last).then_some(found)
    }

    /// Is there nothing in it but stars?
    pub fn is_anything(&self) -> bool {
        self.text.bytes().all(|byte| byte == b'*')
    }

    /// Does the whole of `text` fit a pattern with stars?
    fn search(&self, text: &[u8]) -> bool {
        let pattern = self.text.as_bytes();
        let (mut p, mut t) = (0, 0);
        // Where the last star was, and from where on it was last tried.
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(byte) if *byte == text[t] => {
                    p += 1;
                    t += 1;
                }
                _ => {
                    let Some((at, tried)) = star else {
                        return false;
                    };
                    star = Some((at, tried + 1));
                    p = at + 1;
                    t = tried + 1;
                }
            }
        }
        pattern[p..].iter().all(|byte| *byte == b'*')
    }
}

/// The name of relations or functions: `public.orders`, `audit_*`, `vault.*`. Without a schema it
/// means every schema's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    schema: Option<Pattern>,
    name: Pattern,
}

impl NamePattern {
    /// Reads `schema.name` or `name`; names are written as PostgreSQL stores them, without quotes.
    /// `None`: empty parts, or more than two.
    pub fn new(text: &str) -> Option<Self> {
        let (schema, name) = match text.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        let fine = |part: &str| !part.is_empty() && !part.contains(['.', '"']);
        (schema.is_none_or(fine) && fine(name)).then(|| Self {
            schema: schema.map(Pattern::new),
            name: Pattern::new(name),
        })
    }

    /// A name that fits, as SQL writes it: in quotes, `x` for each star.
    pub fn example(&self) -> String {
        let quoted = |part: &Pattern| format!("\"{}\"", part.as_str().replace('*', "x"));
        match &self.schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(&self.name)),
            None => quoted(&self.name),
        }
    }

    /// Does it mean everything in a schema? Then a name without a schema always fits.
    pub fn is_whole_schema(&self) -> bool {
        self.schema.is_some() && &*self.name.text == "*"
    }

    /// Does the name in a statement mean this beyond doubt? For lists that admit: a name without a
    /// schema means one in a schema only if the list spells it out.
    pub fn admits(&self, name: &QualifiedName) -> bool {
        let vague = self.schema.is_some() && name.schema.is_none();
        self.fits(name) && (!vague || self.name.is_exact())
    }

    /// Could the name in a statement mean this? For lists that refuse: a name without a schema could
    /// be in any.
    pub fn fits(&self, name: &QualifiedName) -> bool {
        let schema = || match (&self.schema, &name.schema) {
            (Some(pattern), Some(schema)) => pattern.fits(cut(schema)),
            (None, _) | (_, None) => true,
        };
        // The name tells more apart than the schema.
        self.name.fits(cut(&name.name)) && schema()
    }

    /// What to find it by, when a name (cut as PostgreSQL cuts it) is given.
    pub(super) fn handle(&self) -> Handle<'_> {
        let (head, tail) = self.name.ends();
        match (head.first(), tail.last()) {
            _ if self.name.is_exact() => Handle::Whole(&self.name.text),
            (_, Some(byte)) => Handle::Last(*byte),
            (Some(byte), None) => Handle::First(*byte),
            (None, None) => Handle::None,
        }
    }
}

/// What all names that fit a [`NamePattern`] have in common, their schemas left aside.
pub(super) enum Handle<'a> {
    /// They are all this one.
    Whole(&'a str),
    /// Their first byte.
    First(u8),
    /// Their last byte.
    Last(u8),
    /// Nothing.
    None,
}

/// The identifier as PostgreSQL cuts it.
pub(super) fn cut(name: &str) -> &str {
    let mut end = name.len().min(MAX_IDENTIFIER);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run_and_everything_else_itself() {
        for (pattern, text, fits) in [
            ("orders", "orders", true),
            ("orders", "order", false),
            ("orders", "orders2", false),
            ("Orders", "orders", false),
            ("*", "", true),
            ("*", "x", true),
            ("audit_*", "audit_", true),
            ("audit_*", "audit", false),
            ("*_id", "tenant_id", true),
            ("a*b*c", "axxbyybzc", true),
            ("a*b*c", "axxbyybz", false),
            ("a.c", "abc", false),
            ("a**c", "ac", true),
        ] {
            assert_eq!(Pattern::new(pattern).fits(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_do_not_take_long() {
        let text = "a".repeat(500);
        let pattern = "*a".repeat(90) + "b";
        assert!(!Pattern::new(&pattern).fits(&text));
    }

    fn named(schema: Option<&str>, name: &str) -> QualifiedName {
        QualifiedName {
            schema: schema.map(Into::into),
            name: name.into(),
        }
    }

    #[test]
    fn a_name_without_a_schema_could_be_any() {
        let pattern = |text| NamePattern::new(text).unwrap();
        assert!(pattern("public.orders").fits(&named(Some("public"), "orders")));
        assert!(pattern("public.orders").fits(&named(None, "orders")));
        assert!(!pattern("public.orders").fits(&named(Some("pg_temp"), "orders")));
        assert!(pattern("orders").fits(&named(Some("shop"), "orders")));
        assert!(pattern("vault.*").fits(&named(Some("vault"), "keys")));
        assert!(!pattern("vault.*").fits(&named(Some("public"), "keys")));
    }

    #[test]
    fn a_list_that_admits_is_narrower() {
        let pattern = |text| NamePattern::new(text).unwrap();
        assert!(pattern("public.total").admits(&named(None, "total")));
        assert!(pattern("public.total").admits(&named(Some("public"), "total")));
        assert!(!pattern("public.tot*").admits(&named(None, "total")));
        assert!(pattern("public.tot*").admits(&named(Some("public"), "total")));
        assert!(pattern("tot*").admits(&named(None, "total")));
        assert!(pattern("tot*").admits(&named(Some("shop"), "total")));
        assert!(!pattern("public.total").admits(&named(Some("shop"), "total")));
    }

    #[test]
    fn long_names_are_cut_as_the_server_cuts_them() {
        let longest = "é".repeat(31);
        let pattern = NamePattern::new(&longest).unwrap();
        assert!(pattern.fits(&named(None, &format!("{longest}é and more"))));
        assert!(!pattern.fits(&named(None, &longest[2..])));
    }

    #[test]
    fn parts_must_be_there() {
        for text in ["", ".", "a.", ".a", "a.b.c", "\"a\""] {
            assert_eq!(NamePattern::new(text), None, "{text}");
        }
    }
}
