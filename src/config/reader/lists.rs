//! Lists of tables, and booleans.

use super::{Located, Reader, Table};

impl Reader<'_> {
    /// Takes a list of tables: every `[[key]]`, in the order of the file.
    pub fn tables<'t>(&mut self, table: &mut Table<'t>, key: &'static str) -> Vec<Table<'t>> {
        let Some((_, value)) = table.take(key) else {
            return Vec::new();
        };
        let path = table.path(key);
        let Some(items) = value.get_ref().as_array() else {
            let _: Option<()> = self.mismatch(&path, value, "a list of tables");
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_table() {
                Some(inner) => tables.push(Table::new(path.clone(), item.span(), inner)),
                None => {
                    let _: Option<()> = self.mismatch(&path, item, "a list of tables");
                }
            }
        }
        tables
    }

    /// Takes `true` or `false`.
    pub fn boolean(&mut self, table: &mut Table<'_>, key: &'static str) -> Option<Located<bool>> {
        let (_, value) = table.take(key)?;
        match value.get_ref().as_bool() {
            Some(said) => Some(Located {
                value: said,
                span: value.span(),
            }),
            None => self.mismatch(&table.path(key), value, "true or false"),
        }
    }
}

impl Table<'_> {
    /// Is there such a key?
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }
}
