//! As much of JSON Schema and of its regular expressions as the schema of policies uses. A word that is not known here
//! is a mistake in one of the two.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Value, json};

/// The first place where a value is not as the schema says.
pub fn wrong(schema: &Value, value: &Value, at: &str) -> Option<String> {
    match schema {
        Value::Bool(true) => return None,
        Value::Bool(false) => return Some(format!("{at}: never")),
        _ => {}
    }
    let mut said = schema.as_object().expect("a schema").iter();
    said.find_map(|(word, said)| match word.as_str() {
        "$schema" | "title" | "description" | "format" | "then" => None,
        "anyOf" | "allOf" | "not" | "if" => of_several(schema, word, said, value, at),
        "enum" => unless(each(said).any(|it| it == value), at, "not one of the words"),
        "const" => unless(said == value, at, "not the constant"),
        "type" => {
            let is = type_of(value);
            let fits = said == is || said.as_array().is_some_and(|all| all.contains(&json!(is)));
            unless(fits, at, &format!("{is}, not {said}"))
        }
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "minimum"
        | "maximum" => bound(word, said, value, at),
        "pattern" => {
            let fits = value.as_str().is_none_or(|text| matches(said, text));
            unless(fits, at, "not of the form")
        }
        "items" => value
            .as_array()?
            .iter()
            .find_map(|item| wrong(said, item, at)),
        "uniqueItems" => {
            let list = value.as_array()?;
            let twice = |(place, item)| list[..place].contains(item);
            unless(!list.iter().enumerate().any(twice), at, "twice")
        }
        "required" => {
            let table = value.as_object()?;
            let missing = |key: &&str| !table.contains_key(*key);
            let key = each(said).filter_map(Value::as_str).find(missing)?;
            Some(format!("{at}.{key}: missing"))
        }
        "properties" => value.as_object()?.iter().find_map(|(key, value)| {
            let schema = said.get(key)?;
            wrong(schema, value, &format!("{at}.{key}"))
        }),
        "additionalProperties" => value.as_object()?.iter().find_map(|(key, value)| {
            let at = format!("{at}.{key}");
            match schema["properties"].get(key) {
                Some(_) => None,
                None if *said == false => Some(format!("{at}: unknown")),
                None => wrong(said, value, &at),
            }
        }),
        "propertyNames" => {
            let mut names = value.as_object()?.keys();
            names.find_map(|name| wrong(said, &json!(name), &format!("{at}.{name}")))
        }
        other => panic!("{at}: {other}"),
    })
}

fn unless(fits: bool, at: &str, what: &str) -> Option<String> {
    (!fits).then(|| format!("{at}: {what}"))
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().expect("a list").iter()
}

fn of_several(schema: &Value, word: &str, said: &Value, value: &Value, at: &str) -> Option<String> {
    let fits = |part: &Value| wrong(part, value, at).is_none();
    match word {
        "anyOf" => unless(each(said).any(fits), at, "none of the choices"),
        "allOf" => each(said).find_map(|part| wrong(part, value, at)),
        "not" => unless(!fits(said), at, "what it may not be"),
        _ if fits(said) => wrong(&schema["then"], value, at),
        _ => None,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() => "integer",
        _ => "number",
    }
}

fn bound(word: &str, said: &Value, value: &Value, at: &str) -> Option<String> {
    let said = said.as_i64().expect("a number");
    let size = match word {
        "minLength" | "maxLength" => value.as_str()?.chars().count() as i64,
        "minItems" | "maxItems" => value.as_array()?.len() as i64,
        "minProperties" => value.as_object()?.len() as i64,
        _ => value.as_i64()?,
    };
    let fits = if word.starts_with("min") {
        size >= said
    } else {
        size <= said
    };
    unless(fits, at, word)
}

thread_local! {
    /// Regular expressions that were read before.
    static READ: RefCell<HashMap<String, Rc<Branches>>> = RefCell::default();
}

fn read(pattern: &str) -> Rc<Branches> {
    if let Some(read) = READ.with_borrow(|read| read.get(pattern).cloned()) {
        return read;
    }
    let mut signs = pattern.chars().peekable();
    let branches = Rc::new(branches(&mut signs));
    assert_eq!(signs.next(), None, "{pattern}");
    READ.with_borrow_mut(|read| read.insert(pattern.to_owned(), branches.clone()));
    branches
}

/// Does any part of the text fit the regular expression?
pub fn matches(pattern: &Value, text: &str) -> bool {
    let branches = read(pattern.as_str().expect("a pattern"));
    let text: Vec<char> = text.chars().collect();
    (0..=text.len()).any(|start| any(&branches, &text, start, &mut |_| true))
}

type Signs<'p> = std::iter::Peekable<std::str::Chars<'p>>;
/// Alternatives; each a row of atoms with how often they may stand there.
type Branches = Vec<Vec<(Atom, usize, usize)>>;

enum Atom {
    Begin,
    End,
    Group(Branches),
    /// A character in one of these ranges, or in none of them.
    Set(Vec<(char, char)>, bool),
}

fn branches(signs: &mut Signs<'_>) -> Branches {
    let mut all = vec![Vec::new()];
    while let Some(sign) = signs.next_if(|sign| *sign != ')') {
        let atom = match sign {
            '|' => {
                all.push(Vec::new());
                continue;
            }
            '^' => Atom::Begin,
            '$' => Atom::End,
            '(' => {
                let group = Atom::Group(branches(signs));
                assert_eq!(signs.next(), Some(')'));
                group
            }
            '[' => set(signs),
            '.' => Atom::Set(vec![('\n', '\n')], true),
            '\\' => escaped(signs),
            plain => Atom::Set(vec![(plain, plain)], false),
        };
        let (least, most) = times(signs);
        all.last_mut().expect("a branch").push((atom, least, most));
    }
    all
}

fn times(signs: &mut Signs<'_>) -> (usize, usize) {
    match signs.next_if(|sign| "*+?{".contains(*sign)) {
        Some('*') => (0, usize::MAX),
        Some('+') => (1, usize::MAX),
        Some('?') => (0, 1),
        None => (1, 1),
        _ => {
            let said: String = signs.take_while(|sign| *sign != '}').collect();
            let (least, most) = said.split_once(',').unwrap_or((&said, &said));
            (
                least.parse().expect("a number"),
                most.parse().expect("a number"),
            )
        }
    }
}

const SPACE: [(char, char); 5] = [
    ('\t', '\r'),
    (' ', ' '),
    ('\u{a0}', '\u{a0}'),
    ('\u{2000}', '\u{200a}'),
    ('\u{2028}', '\u{2029}'),
];

fn escaped(signs: &mut Signs<'_>) -> Atom {
    match signs.next().expect("a sign") {
        's' => Atom::Set(SPACE.to_vec(), false),
        'S' => Atom::Set(SPACE.to_vec(), true),
        'u' => {
            let one = code(signs);
            Atom::Set(vec![(one, one)], false)
        }
        sign => {
            assert!(!sign.is_alphanumeric(), "\\{sign}");
            Atom::Set(vec![(sign, sign)], false)
        }
    }
}

/// Four hex digits.
fn code(signs: &mut Signs<'_>) -> char {
    let digits: String = signs.take(4).collect();
    let number = u32::from_str_radix(&digits, 16).expect("hex digits");
    char::from_u32(number).expect("a character")
}

fn set(signs: &mut Signs<'_>) -> Atom {
    let negated = signs.next_if_eq(&'^').is_some();
    let one = |signs: &mut Signs<'_>| match signs.next().expect("a sign") {
        '\\' => {
            assert_eq!(signs.next(), Some('u'));
            code(signs)
        }
        sign => sign,
    };
    let mut ranges = Vec::new();
    while signs.next_if_eq(&']').is_none() {
        let first = one(signs);
        let last = match signs.clone().nth(1) {
            Some(end) if end != ']' && signs.next_if_eq(&'-').is_some() => one(signs),
            _ => first,
        };
        ranges.push((first, last));
    }
    Atom::Set(ranges, negated)
}

/// Does one of them fit from there on, and what is behind it?
fn any(
    branches: &Branches,
    text: &[char],
    at: usize,
    behind: &mut dyn FnMut(usize) -> bool,
) -> bool {
    branches.iter().any(|branch| row(branch, text, at, behind))
}

fn row(
    atoms: &[(Atom, usize, usize)],
    text: &[char],
    at: usize,
    behind: &mut dyn FnMut(usize) -> bool,
) -> bool {
    match atoms.split_first() {
        None => behind(at),
        Some(((atom, least, most), rest)) => repeated(atom, *least, *most, rest, text, at, behind),
    }
}

fn repeated(
    atom: &Atom,
    least: usize,
    most: usize,
    rest: &[(Atom, usize, usize)],
    text: &[char],
    at: usize,
    behind: &mut dyn FnMut(usize) -> bool,
) -> bool {
    let mut next = |end: usize| {
        // What takes nothing is not tried for ever.
        let on = end > at || least > 0;
        on && repeated(
            atom,
            least.saturating_sub(1),
            most - 1,
            rest,
            text,
            end,
            behind,
        )
    };
    let again = most > 0
        && match atom {
            Atom::Begin => at == 0 && next(at),
            Atom::End => at == text.len() && next(at),
            Atom::Group(branches) => any(branches, text, at, &mut next),
            Atom::Set(ranges, negated) => {
                let within = |sign: &char| {
                    ranges
                        .iter()
                        .any(|(first, last)| (first..=last).contains(&sign))
                };
                text.get(at).is_some_and(|sign| within(sign) != *negated) && next(at + 1)
            }
        };
    again || (least == 0 && row(rest, text, at, behind))
}

#[test]
fn regular_expressions_are_read_as_they_are_meant() {
    for (pattern, fit, others) in [
        ("^a+b?$", &["a", "aab"][..], &["", "b", "abb", "xa"][..]),
        (
            "^(ab|[c-e]{2,3})$",
            &["ab", "cd", "ede"],
            &["a", "c", "cdec", "abab"],
        ),
        (
            r"^([^.\u0000-\u001f]+\.)?[^.\u0000-\u001f]+$",
            &["a", "a.b", "é.-"],
            &["", ".", "a.", "a.b.c", "a\n"],
        ),
        (r"\S", &["a", " a"], &["", " \t\n\u{a0}"]),
        (r"b\s*$", &["ab", "b  "], &["ba"]),
        (r".\.m$", &["a.m", "b.a.m"], &[".m", "a.mm", "\n.m"]),
        ("^\\**[^*][^x]*$", &["*a", "a*b", "**ab*"], &["*", "", "ax"]),
    ] {
        for (texts, does) in [(fit, true), (others, false)] {
            for text in texts {
                assert_eq!(matches(&json!(pattern), text), does, "{pattern} {text:?}");
            }
        }
    }
}
