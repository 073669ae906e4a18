//! What any place in a statement can do: call guarded functions, write, create a table by INTO.

use super::names;
use super::set_config;
use super::token::Kind;
use super::view::View;
use super::words::Words;
use super::{ParameterName, ParameterTouch, ParameterUse, functions};

/// Adds the guarded functions that the statement calls, and the parameters it sets by way of them.
pub(super) fn calls(
    view: View<'_>,
    found: &mut Vec<&'static str>,
    touches: &mut Vec<ParameterTouch>,
) {
    for at in 0..view.tokens.len() {
        let Some(function) = called(view, at) else {
            continue;
        };
        let open = view.is_kind(at + 1, Kind::Open);
        if function == "set_config" {
            touches.push(set_config::set_config(view, at + 1));
        }
        let harmless = match function {
            // `ts_rewrite(query, target, substitute)` runs no SQL; `ts_rewrite(query, 'select ...')` does.
            "ts_rewrite" => {
                set_config::arguments(view, at + 1).is_some_and(|(count, _)| count == 3)
            }
            // Without an argument it shows the setting.
            "isn_weak" => open && view.is_kind(at + 2, Kind::Close),
            _ => false,
        };
        if !harmless && !found.contains(&function) {
            found.push(function);
        }
    }
}

/// Where this guarded function is called.
pub(super) fn places_of<'v>(
    view: View<'v>,
    function: &'static str,
) -> impl Iterator<Item = usize> + use<'v> {
    (0..view.tokens.len()).filter(move |&at| called(view, at) == Some(function))
}

/// Is every name that stands before a parenthesis one of these? Other ways to call a function are not
/// looked for.
pub(super) fn calls_only(view: View<'_>, known: impl Fn(&str) -> bool) -> bool {
    (1..view.tokens.len())
        .filter(|&open| view.is_kind(open, Kind::Open) && view.is_name(open - 1))
        .all(|open| view.name(open - 1).is_some_and(|name| known(&name)))
}

/// The guarded function that is called at `at`, as far as tokens can tell: `f(x)`, or PostgreSQL's other ways
/// to write it, `(x).f` and `TREAT(x AS f)`. Guarded views count wherever they are named.
pub(super) fn called(view: View<'_>, at: usize) -> Option<&'static str> {
    if !view.is_name(at) {
        return None;
    }
    let behind_dot = at > 0 && view.is_kind(at - 1, Kind::Dot);
    match behind_dot || view.is_kind(at + 1, Kind::Open) || may_be_treated(view, at) {
        true => of_schema(view, at, guarded(view, at)),
        false => guarded_view(view, at),
    }
}

/// Can the name at `at` be the type of a TREAT? PostgreSQL calls pg_catalog's function of that name. An alias
/// counts too, where there is a TREAT at all: nobody has use for one.
fn may_be_treated(view: View<'_>, at: usize) -> bool {
    view.words.any(Words::TREAT) && at > 0 && view.is_any(at - 1, &["as", "setof"])
}

/// What the schema before the name at `at` says about it: whatever is called in `cron` is pg_cron's, and
/// the jobs of `graphile_worker` are rows, whatever other extensions call `add_job`.
fn of_schema(view: View<'_>, at: usize, function: Option<&'static str>) -> Option<&'static str> {
    let call = view.is_kind(at + 1, Kind::Open);
    if !call {
        // `x.f` and the like, unless its name cannot be decoded.
        return function.filter(|function| {
            functions::by_dot(function) != functions::ByDot::Never || view.name(at).is_none()
        });
    }
    if at < 2 || !view.is_kind(at - 1, Kind::Dot) || !view.is_name(at - 2) {
        return function;
    }
    match (view.name(at - 2).as_deref(), function) {
        (Some("graphile_worker"), Some("add_job")) => None,
        (Some(schema), None) => match view.name(at) {
            Some(name) => functions::in_schema(schema, &name),
            None => Some(functions::CRON),
        },
        // It might be: guarded functions of unknown schemas count anyway.
        (None, None) => Some(functions::CRON),
        _ => function,
    }
}

/// The guarded view that the name at `at` is, if any.
fn guarded_view(view: View<'_>, at: usize) -> Option<&'static str> {
    let token = &view.tokens[at];
    let spelled = token.of(view.text);
    let near = match token.kind {
        Kind::Word => functions::may_be_view(spelled),
        Kind::Quoted => functions::may_be_view(&spelled[1..]),
        _ => true,
    };
    match near {
        true => functions::view(view.name(at)?.as_bytes()),
        false => None,
    }
}

/// The guarded function that the name at `at` is, if any.
fn guarded(view: View<'_>, at: usize) -> Option<&'static str> {
    let spelled = view.tokens[at].of(view.text);
    match view.tokens[at].kind {
        Kind::Word => {
            // PostgreSQL cuts it as well: what is behind a prefix counts, however long.
            let spelled = &spelled[..spelled.len().min(functions::LONGEST)];
            let mut folded = [0; functions::LONGEST];
            let folded = folded.get_mut(..spelled.len())?;
            folded.copy_from_slice(spelled);
            folded.make_ascii_lowercase();
            functions::find(folded)
        }
        Kind::Quoted => functions::find(spelled.get(1..spelled.len() - 1)?),
        // A name that cannot be decoded might be the worst of them.
        _ => match names::identifier(view.text, &view.tokens[at]) {
            Some(name) => functions::find(name.as_bytes()),
            None => functions::find(b"set_config"),
        },
    }
}

/// Adds the touch made by `UPDATE pg_settings` anywhere in the statement: a rule turns it into
/// `set_config`.
pub(super) fn settings_view(view: View<'_>, touches: &mut Vec<ParameterTouch>) {
    for at in 0..view.tokens.len() {
        let mut name = if view.is(at, "update") {
            at + 1
        } else if view.is(at, "merge") && view.is(at + 1, "into") {
            at + 2
        } else {
            continue;
        };
        name += usize::from(view.is(name, "only"));
        name += usize::from(view.is_kind(name, Kind::Open));
        while view.is_name(name) && view.is_kind(name + 1, Kind::Dot) {
            name += 2;
        }
        if view.is_name(name) && view.name(name).is_none_or(|name| name == "pg_settings") {
            touches.push(ParameterTouch::new(
                ParameterName::Dynamic,
                ParameterUse::Stored,
            ));
        }
    }
}

/// Effects of a query beyond reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effects {
    /// SELECT ... INTO.
    pub(super) creates: bool,
    /// INSERT, UPDATE, DELETE or MERGE at the top or in a CTE.
    pub(super) writes: bool,
}

/// What has been read at one level of parentheses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// Nothing: a statement may start here.
    Start,
    /// WITH, and perhaps some of its queries: the statement proper may follow.
    With,
    /// The statement proper: verbs can only be names from here on.
    Statement,
}

/// Finds SELECT INTO and data-modifying statements at any depth.
///
/// `insert` and `merge` are ordinary names too (`SELECT f() insert INTO t` creates a table), so an
/// INTO is only taken for that of INSERT INTO where a statement can start.
pub(super) fn effects(view: View<'_>) -> Effects {
    let mut effects = Effects::default();
    let mut outer = Vec::new();
    let mut level = Level::Start;
    // The INTO of an INSERT or MERGE.
    let mut own_into = None;
    for (at, token) in view.tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => {
                // `(SELECT ...) UNION SELECT ...` and `WITH x AS (...) (SELECT ...)`
                let query = level == Level::Start || (level == Level::With && closes(view, at));
                outer.push(if query { Level::Statement } else { level });
                level = Level::Start;
            }
            Kind::Close => level = outer.pop().unwrap_or(Level::Statement),
            Kind::Word if view.is(at, "into") => {
                effects.creates |=
                    own_into != Some(at) && !is_label(view, at) && !is_element(view, at);
            }
            Kind::Word if level == Level::Start && view.is(at, "with") => level = Level::With,
            Kind::Word if starts_statement(view, at, level) => {
                level = Level::Statement;
                if writes(view, at) {
                    effects.writes = true;
                    own_into = Some(at + 1);
                }
            }
            _ if level == Level::Start => level = Level::Statement,
            _ => {}
        }
    }
    effects
}

fn closes(view: View<'_>, at: usize) -> bool {
    at > 0 && view.is_kind(at - 1, Kind::Close)
}

/// Is the word at `at` the label of a column: behind a dot, or behind an AS that is no label itself?
/// (`SELECT a.as INTO t` and `SELECT 1 AS as INTO t` create tables.)
fn is_label(view: View<'_>, at: usize) -> bool {
    let mut run = 0;
    while run < at && view.is(at - 1 - run, "as") {
        run += 1;
    }
    let dot = run < at && view.is_kind(at - 1 - run, Kind::Dot);
    dot != (run % 2 == 1)
}

/// Is the word at `at` the name of an XML element: `xmlelement(name into, ...)`?
fn is_element(view: View<'_>, at: usize) -> bool {
    at >= 3
        && view.is(at - 1, "name")
        && view.is_kind(at - 2, Kind::Open)
        && view.is_any(at - 3, &["xmlelement", "xmlpi"])
}

/// Can the word at `at` be the verb of a statement?
fn starts_statement(view: View<'_>, at: usize, level: Level) -> bool {
    const VERBS: [&str; 7] = [
        "select", "insert", "update", "delete", "merge", "values", "table",
    ];
    match level {
        Level::Statement => false,
        Level::Start => view.is_any(at, &VERBS),
        Level::With => {
            view.is_any(at, &VERBS)
                && !view.is_kind(at - 1, Kind::Comma)
                && !view.is_kind(at - 1, Kind::Dot)
                && !is_name_in_with(view, at)
        }
    }
}

/// Is the word at `at`, inside WITH, the name of a query or of a column of SEARCH and CYCLE, because
/// of the keyword before it? That keyword can be a name, too: `SEARCH ... BY a SET set DELETE FROM t`.
fn is_name_in_with(view: View<'_>, at: usize) -> bool {
    const NAME_NEXT: [&str; 10] = [
        "with",
        "recursive",
        "by",
        "set",
        "to",
        "default",
        "using",
        "cycle",
        "as",
        "materialized",
    ];
    let mut start = at;
    while start > 0 && view.is_any(start - 1, &NAME_NEXT) {
        start -= 1;
    }
    let mut name_next = false;
    for n in start..at {
        // WITH RECURSIVE, unless a query is called so.
        let recursive = view.is(n, "recursive")
            && !view.is(n + 1, "as")
            && !view.is_kind(n + 1, Kind::Open)
            && n > start
            && view.is(n - 1, "with");
        name_next = recursive || !name_next;
    }
    name_next
}

/// Does a data-modifying statement start at `at`? (`(delete)` is a column.)
fn writes(view: View<'_>, at: usize) -> bool {
    (view.is_any(at, &["insert", "merge"]) && view.is(at + 1, "into"))
        || (view.is(at, "delete") && view.is(at + 1, "from"))
        || (view.is(at, "update") && view.is_name(at + 1))
}
