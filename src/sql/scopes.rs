//! Which names are those of CTEs, and where.

use std::collections::HashMap;

/// A name is looked for in this many enclosing WITHs; in deeper nesting it is taken for a relation's.
const MAX_DEPTH: usize = 16;

/// A WITH, as far as it can be seen from one place.
#[derive(Clone, Copy)]
pub(super) struct Scope {
    with: usize,
    /// How many of its queries, from the first on.
    visible: usize,
}

impl Scope {
    /// The same WITH seen from where only the first `visible` of its queries can be named.
    pub(super) fn first(self, visible: usize) -> Self {
        Self { visible, ..self }
    }
}

struct With<'a> {
    /// Its queries and their places.
    queries: HashMap<&'a str, usize>,
    outer: Option<Scope>,
}

/// All WITHs of a statement.
#[derive(Default)]
pub(super) struct Scopes<'a>(Vec<With<'a>>);

impl<'a> Scopes<'a> {
    /// A WITH with these queries, inside `outer`.
    pub(super) fn open(
        &mut self,
        names: impl Iterator<Item = Option<&'a str>>,
        outer: Option<Scope>,
    ) -> Scope {
        let mut queries = HashMap::new();
        for (place, name) in names.enumerate() {
            if let Some(name) = name {
                queries.entry(name).or_insert(place);
            }
        }
        self.0.push(With { queries, outer });
        Scope {
            with: self.0.len() - 1,
            visible: usize::MAX,
        }
    }

    /// Is `name` a CTE's, seen from `scope`?
    pub(super) fn has(&self, scope: Option<Scope>, name: &str) -> bool {
        let mut scope = scope;
        for _ in 0..MAX_DEPTH {
            let Some((seen, with)) = scope.and_then(|seen| Some((seen, self.0.get(seen.with)?)))
            else {
                return false;
            };
            if with.queries.get(name).is_some_and(|at| *at < seen.visible) {
                return true;
            }
            scope = with.outer;
        }
        false
    }
}
