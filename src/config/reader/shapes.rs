//! Shapes that only the policy has: lists of tables, tables whose keys are names, days, and values that may be one or several.

use toml::Spanned;
use toml::de::DeValue;

use super::{Located, Reader, Span, Table, Wrong};

impl<'t> Table<'t> {
    /// Is the value of a key a table?
    pub fn has_table(&self, key: &str) -> bool {
        self.entries
            .get(key)
            .is_some_and(|(_, value)| value.get_ref().is_table())
    }

    /// Is there such a key?
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Is the value of a key a text?
    pub fn has_text(&self, key: &str) -> bool {
        self.entries
            .get(key)
            .is_some_and(|(_, value)| value.get_ref().is_str())
    }

    /// Where a value is a list of nothing.
    pub fn empty_lists(&self) -> Vec<Span> {
        let values = self.entries.values().map(|(_, value)| value);
        let empty =
            values.filter(|value| value.get_ref().as_array().is_some_and(|it| it.is_empty()));
        empty.map(|value| value.span()).collect()
    }

    /// Is nothing left in it?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Reader<'_> {
    /// Takes a list of tables, `[[key]]`; at most `most`.
    pub fn tables<'t>(
        &mut self,
        table: &mut Table<'t>,
        key: &'static str,
        most: usize,
    ) -> Vec<Table<'t>> {
        let Some((span, value)) = table.take(key) else {
            return Vec::new();
        };
        let expected = format!("a list of tables: [[{key}]]");
        let Some(items) = value.get_ref().as_array() else {
            let _: Option<()> = self.mismatch(&table.path(key), value, &expected);
            return Vec::new();
        };
        if items.len() > most {
            self.error(span, format!("at most {most} [[{key}]]"));
            return Vec::new();
        }
        let mut list = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_table() {
                Some(inner) => list.push(Table::new(table.path(key), item.span(), inner)),
                None => {
                    let _: Option<()> = self.mismatch(&table.path(key), item, &expected);
                }
            }
        }
        list
    }

    /// Takes true or false.
    pub fn boolean(&mut self, table: &mut Table<'_>, key: &'static str) -> Option<Located<bool>> {
        let (_, value) = table.take(key)?;
        match value.get_ref().as_bool() {
            Some(is) => Some(Located {
                value: is,
                span: value.span(),
            }),
            None => self.mismatch(&table.path(key), value, "true or false"),
        }
    }

    /// Takes a day: year, month and day of the calendar.
    pub fn day(
        &mut self,
        table: &mut Table<'_>,
        key: &'static str,
    ) -> Option<Located<(u16, u8, u8)>> {
        let (_, value) = table.take(key)?;
        let day = value
            .get_ref()
            .as_datetime()
            .filter(|at| at.time.is_none() && at.offset.is_none())
            .and_then(|at| at.date);
        match day {
            Some(day) => Some(Located {
                value: (day.year, day.month, day.day),
                span: value.span(),
            }),
            None => self.mismatch(&table.path(key), value, "a day, such as 2027-03-01"),
        }
    }

    /// Takes one string or a list of them, each of which must read as something.
    pub fn one_or_more<T>(
        &mut self,
        table: &mut Table<'_>,
        key: &'static str,
        mut parse: impl FnMut(&str) -> Result<T, Wrong>,
    ) -> Option<Located<Vec<Located<T>>>> {
        let single = table
            .entries
            .get(key)
            .is_some_and(|(_, value)| value.get_ref().is_str());
        if !single {
            return self.list(table, key, parse);
        }
        let one = self.parsed(table, key, &mut parse)?;
        Some(Located {
            span: one.span.clone(),
            value: vec![one],
        })
    }

    /// Takes every entry that is left of a table whose keys are names the operator chose. A value is
    /// a string or a whole number, given to `parse` with its key as it is written.
    pub fn entries<T>(
        &mut self,
        mut table: Table<'_>,
        mut parse: impl FnMut(&str, &str) -> Result<T, Wrong>,
    ) -> Vec<Located<T>> {
        let mut list = Vec::new();
        for key in table.names() {
            let Some((span, value)) = table.entries.remove(key) else {
                continue;
            };
            let text = match value.get_ref() {
                DeValue::String(text) => Some(text.as_ref()),
                DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str()),
                _ => self.mismatch(&table.path(key), value, "a string or a whole number"),
            };
            let place = place_of(&span, value);
            list.extend(text.and_then(|text| self.accept(parse(key, text), place)));
        }
        list
    }
}

/// Key and value, so that a mistake in either is shown.
fn place_of(key: &Span, value: &Spanned<DeValue<'_>>) -> Span {
    key.start..value.span().end
}
