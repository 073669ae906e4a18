//! Reads TOML tables key by key and collects *every* mistake of a file, each with its place.
//!
//! serde stops at the first mistake; an operator should not have to run `check` ten times for ten of
//! them. So both files are read from the located tree: each key is asked for by name, and what nobody
//! asked for is an unknown key.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

mod shapes;

use super::problem::{Problem, Source, did_you_mean};
pub(crate) use super::wrong::{Wrong, one_of};

/// A byte range of the file.
pub(crate) type Span = Range<usize>;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Located<T> {
    pub value: T,
    pub span: Span,
}

/// A table of the file whose keys are taken out one by one.
pub(crate) struct Table<'t> {
    /// Dotted, for messages; empty at the top.
    name: String,
    /// The header, or the key of an inline table.
    pub span: Span,
    entries: BTreeMap<&'t str, (Span, &'t Spanned<DeValue<'t>>)>,
    asked: Vec<&'static str>,
}

impl<'t> Table<'t> {
    /// The whole file.
    pub fn top(table: &'t DeTable<'t>) -> Self {
        Self::new(String::new(), 0..0, table)
    }

    fn new(name: String, span: Span, table: &'t DeTable<'t>) -> Self {
        let entries = table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), (key.span(), value)))
            .collect();
        Self {
            name,
            span,
            entries,
            asked: Vec::new(),
        }
    }

    /// The keys still there, in alphabetical order: for tables whose keys are names.
    pub fn names(&self) -> Vec<&'t str> {
        self.entries.keys().copied().collect()
    }

    /// Where a key stands, if its value is a table or a list.
    pub fn span_of_table(&self, key: &str) -> Option<Span> {
        let (_, value) = self.entries.get(key)?;
        (value.get_ref().is_table() || value.get_ref().is_array()).then(|| value.span())
    }

    /// Passes over a key about which everything was said.
    pub fn skip(&mut self, key: &'static str) {
        self.take(key);
    }

    fn take(&mut self, key: &'static str) -> Option<(Span, &'t Spanned<DeValue<'t>>)> {
        self.asked.push(key);
        self.entries.remove(key)
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }
}

/// The file being read, and what is wrong with it so far.
pub(crate) struct Reader<'s> {
    pub source: Source<'s>,
    problems: Vec<Problem>,
    /// Every table that was read to its end, and the keys that it may have.
    #[cfg(test)]
    pub known: Vec<(String, Vec<&'static str>)>,
}

impl<'s> Reader<'s> {
    pub fn new(file: &'s str, text: &'s str) -> Self {
        Self {
            source: Source { file, text },
            problems: Vec::new(),
            #[cfg(test)]
            known: Vec::new(),
        }
    }

    /// The located tree of the text, or its syntax errors: then nothing else is worth saying.
    pub fn tree<'t>(file: &str, text: &'t str) -> Result<Spanned<DeTable<'t>>, Vec<Problem>> {
        let (tree, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(tree);
        }
        let source = Source { file, text };
        let told = |error: &toml::de::Error| {
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            source.error(error.span().unwrap_or(0..0), message)
        };
        let mut problems: Vec<Problem> = errors.iter().map(told).collect();
        problems.sort_by_key(place);
        Err(problems)
    }

    /// Notes an error.
    pub fn error(&mut self, span: Span, message: impl Into<String>) {
        self.problems.push(self.source.error(span, message));
    }

    /// Notes an error and one thing to do.
    pub fn error_with_help(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.problems
            .push(self.source.error(span, message).with_help(help));
    }

    /// Notes a warning and one thing to do.
    pub fn warning(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.problems
            .push(self.source.warning(span, message).with_help(help));
    }

    /// Notes a warning about a line and one thing to do.
    pub fn warning_on_line(
        &mut self,
        line: u32,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = Problem::warning(self.source.file, message).on_line(line);
        self.problems.push(problem.with_help(help));
    }

    /// Notes why a value is not acceptable.
    pub fn wrong(&mut self, span: Span, wrong: Wrong) {
        let problem = self.source.error(span, wrong.message);
        self.problems.push(Problem {
            help: wrong.help,
            ..problem
        });
    }

    /// Notes a key that must be there and is not.
    pub fn require(&mut self, table: &Table<'_>, key: &str, example: &str) {
        if !table.entries.contains_key(key) {
            let message = match table.name.as_str() {
                "" => format!("missing key \"{key}\""),
                name => format!("missing key \"{key}\" in [{name}]"),
            };
            self.absent(table, message, example);
        }
    }

    /// Takes a table that must be there.
    pub fn required_table<'t>(
        &mut self,
        table: &mut Table<'t>,
        key: &'static str,
    ) -> Option<Table<'t>> {
        if !table.entries.contains_key(key) {
            self.absent(
                table,
                format!("missing table [{}]", table.path(key)),
                "every setting: portcullis help config",
            );
        }
        self.table(table, key)
    }

    /// An error about a table as a whole: its line, or the file for the top.
    fn absent(&mut self, table: &Table<'_>, message: String, help: &str) {
        let line = if table.name.is_empty() {
            0
        } else {
            self.source.line(table.span.start)
        };
        self.problems.push(
            Problem::error(self.source.file, message)
                .on_line(line)
                .with_help(help),
        );
    }

    /// Takes `schema`, the version of the file's form.
    pub fn schema(&mut self, top: &mut Table<'_>) {
        self.require(top, "schema", "schema = 1");
        if let Some(schema) = self.integer(top, "schema", 0..=i64::MAX)
            && schema.value != 1
        {
            self.error_with_help(
                schema.span,
                format!("schema {} is not known to this version", schema.value),
                "schema = 1",
            );
        }
    }

    /// Takes a key that a later version will know: never silently accepted.
    pub fn not_yet(&mut self, table: &mut Table<'_>, key: &'static str) {
        if let Some((span, _)) = table.entries.remove(key) {
            let message = format!("\"{}\" is not supported in this version", table.path(key));
            self.error_with_help(span, message, "remove it");
        }
    }

    /// Takes a table.
    pub fn table<'t>(&mut self, table: &mut Table<'t>, key: &'static str) -> Option<Table<'t>> {
        table.asked.push(key);
        self.named_table(table, key)
    }

    /// Takes a table whose name the operator chose.
    pub fn named_table<'t>(&mut self, table: &mut Table<'t>, key: &str) -> Option<Table<'t>> {
        let (span, value) = table.entries.remove(key)?;
        match value.get_ref().as_table() {
            Some(inner) => Some(Table::new(table.path(key), span, inner)),
            None => self.mismatch(&table.path(key), value, "a table"),
        }
    }

    /// Takes a string.
    pub fn string<'t>(
        &mut self,
        table: &mut Table<'t>,
        key: &'static str,
    ) -> Option<Located<&'t str>> {
        let (_, value) = table.take(key)?;
        match value.get_ref().as_str() {
            Some(text) => Some(Located {
                value: text,
                span: value.span(),
            }),
            None => self.mismatch(&table.path(key), value, "a string"),
        }
    }

    /// Takes a string that must read as something.
    pub fn parsed<T>(
        &mut self,
        table: &mut Table<'_>,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<Located<T>> {
        let text = self.string(table, key)?;
        self.accept(parse(text.value), text.span)
    }

    /// Takes a string or, where the file says a bare number, asks for its unit.
    pub fn quantity<T>(
        &mut self,
        table: &mut Table<'_>,
        key: &'static str,
        unit: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        if let Some((_, value)) = table.entries.get(key)
            && let Some(number) = value.get_ref().as_integer()
        {
            let (message, help) = (
                format!("\"{}\" needs a unit", table.path(key)),
                format!(
                    "write {key} = \"{}{unit}\" or another unit",
                    number.as_str()
                ),
            );
            self.error_with_help(value.span(), message, help);
            table.take(key);
            return None;
        }
        self.parsed(table, key, parse).map(|located| located.value)
    }

    /// Takes an integer within bounds.
    pub fn integer(
        &mut self,
        table: &mut Table<'_>,
        key: &'static str,
        bounds: RangeInclusive<i64>,
    ) -> Option<Located<i64>> {
        let (_, value) = table.take(key)?;
        let Some(number) = value.get_ref().as_integer() else {
            return self.mismatch(&table.path(key), value, "a whole number");
        };
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if bounds.contains(&number) => Some(Located {
                value: number,
                span: value.span(),
            }),
            _ => {
                let message = format!(
                    "\"{}\" must be {} to {}",
                    table.path(key),
                    bounds.start(),
                    bounds.end()
                );
                self.error(value.span(), message);
                None
            }
        }
    }

    /// Takes a list of strings, each of which must read as something.
    pub fn list<T>(
        &mut self,
        table: &mut Table<'_>,
        key: &'static str,
        mut parse: impl FnMut(&str) -> Result<T, Wrong>,
    ) -> Option<Located<Vec<Located<T>>>> {
        let (_, value) = table.take(key)?;
        let Some(items) = value.get_ref().as_array() else {
            return self.mismatch(&table.path(key), value, "a list of strings");
        };
        let mut list = Vec::new();
        for item in items.iter() {
            let read = match item.get_ref().as_str() {
                Some(text) => self.accept(parse(text), item.span()),
                None => self.mismatch(&table.path(key), item, "a list of strings"),
            };
            list.extend(read);
        }
        (list.len() == items.len()).then(|| Located {
            value: list,
            span: value.span(),
        })
    }

    fn accept<T>(&mut self, result: Result<T, Wrong>, span: Span) -> Option<Located<T>> {
        match result {
            Ok(value) => Some(Located { value, span }),
            Err(wrong) => {
                self.wrong(span, wrong);
                None
            }
        }
    }

    fn mismatch<T>(
        &mut self,
        path: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
    ) -> Option<T> {
        let found = value.get_ref().type_str();
        self.error(
            value.span(),
            format!(
                "\"{path}\" must be {expected}, not {} {found}",
                article(found)
            ),
        );
        None
    }

    /// Notes every key that nobody asked for.
    pub fn finish(&mut self, table: Table<'_>) {
        #[cfg(test)]
        self.known.push((table.name.clone(), table.asked.clone()));
        for (key, (span, _)) in &table.entries {
            let message = format!("unknown key \"{}\"", table.path(key));
            match did_you_mean(key, table.asked.iter().copied()) {
                Some(near) => {
                    self.error_with_help(span.clone(), message, format!("did you mean \"{near}\"?"))
                }
                None => self.error(span.clone(), message),
            }
        }
    }

    /// Has anything been noted that keeps the file from being loaded?
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }

    /// The problems in the order of the file; errors and warnings apart.
    pub fn into_problems(self) -> (Vec<Problem>, Vec<Problem>) {
        let mut problems = self.problems;
        problems.sort_by_key(place);
        problems.into_iter().partition(Problem::is_error)
    }
}

fn place(problem: &Problem) -> (u32, u32) {
    (problem.line, problem.column)
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    }
}
