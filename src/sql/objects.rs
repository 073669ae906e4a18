//! The words after CREATE, ALTER and DROP, and the command tags they make.

/// The tags for one kind of object.
struct Object {
    /// Its words in upper case, separated by single spaces.
    words: &'static str,
    create: &'static str,
    alter: &'static str,
    drop: &'static str,
}

macro_rules! objects {
    ($($words:literal),* $(,)?) => {
        [$(Object {
            words: $words,
            create: concat!("CREATE ", $words),
            alter: concat!("ALTER ", $words),
            drop: concat!("DROP ", $words),
        }),*]
    };
}

/// Longer names first: FOREIGN TABLE before TABLE.
static OBJECTS: [Object; 43] = objects![
    "FOREIGN DATA WRAPPER",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
    "TEXT SEARCH PARSER",
    "TEXT SEARCH TEMPLATE",
    "EVENT TRIGGER",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "ACCESS METHOD",
    "FOREIGN TABLE",
    "USER MAPPING",
    "MATERIALIZED VIEW",
    "LARGE OBJECT",
    "PROPERTY GRAPH",
    "TABLE",
    "INDEX",
    "VIEW",
    "SEQUENCE",
    "SCHEMA",
    "FUNCTION",
    "PROCEDURE",
    "ROUTINE",
    "AGGREGATE",
    "TRIGGER",
    "TYPE",
    "DOMAIN",
    "EXTENSION",
    "DATABASE",
    "TABLESPACE",
    "RULE",
    "POLICY",
    "PUBLICATION",
    "SUBSCRIPTION",
    "STATISTICS",
    "COLLATION",
    "CONVERSION",
    "CAST",
    "TRANSFORM",
    "LANGUAGE",
    "OPERATOR",
    "SERVER",
    "CONSTRAINT",
    "ASSERTION",
];

/// Every tag of these.
pub(super) fn tags() -> impl Iterator<Item = &'static str> {
    let of = |object: &'static Object| [object.create, object.alter, object.drop];
    OBJECTS.iter().flat_map(of)
}

/// Which of the three statements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Create,
    Alter,
    Drop,
}

/// The command tag for `verb` followed by words, of which `word(n)` is the n-th.
pub(super) fn tag<'a>(verb: Verb, word: impl Fn(usize) -> &'a [u8]) -> Option<&'static str> {
    let names = |object: &&Object| {
        object
            .words
            .split(' ')
            .enumerate()
            .all(|(n, name)| word(n).eq_ignore_ascii_case(name.as_bytes()))
    };
    let object = OBJECTS.iter().find(names)?;
    Some(match verb {
        Verb::Create => object.create,
        Verb::Alter => object.alter,
        Verb::Drop => object.drop,
    })
}
