//! `[isolation]`

use std::time::Duration;

use super::super::isolation::{Isolation, MAX_LOGINS, MAX_TABLES};
use super::super::reader::{Located, Table, Wrong};
use super::Parser;
use crate::policy::zone::is_single;
use crate::zone::signed::{LONGEST_NAME, LONGEST_ZONE};

impl Parser<'_> {
    pub(super) fn isolation(&mut self, mut table: Table<'_>) -> Option<Isolation> {
        for (key, example) in [
            ("database", "database = \"shop\""),
            ("logins", "logins = [\"shop_api\"]"),
            ("zones", "zones = [\"canary-a\", \"canary-b\"]"),
            ("column", "column = \"tenant_id\""),
        ] {
            self.reader.require(&table, key, example);
        }
        let interval = self.time(
            &mut table,
            "interval",
            ("1s", "1d"),
            Duration::from_secs(60),
        );
        let timeout = self.time(
            &mut table,
            "timeout",
            ("1s", "10min"),
            Duration::from_secs(10),
        );
        let database = self.reader.parsed(&mut table, "database", name);
        let logins = self.reader.list(&mut table, "logins", name);
        let logins = logins.and_then(|logins| self.some(logins, "logins", MAX_LOGINS));
        let zones = self.reader.list(&mut table, "zones", zone);
        let zones = zones.and_then(|zones| self.two(zones));
        let column = self.reader.parsed(&mut table, "column", name);
        let tables = self.reader.list(&mut table, "tables", qualified);
        let tables = tables.and_then(|tables| self.some(tables, "tables", MAX_TABLES));
        let readiness = self.reader.boolean(&mut table, "readiness");
        self.reader.finish(table);
        Some(Isolation {
            interval,
            timeout,
            database: database?.value,
            logins: logins?,
            zones: zones?,
            column: column?.value,
            tables,
            readiness: readiness.is_some_and(|readiness| readiness.value),
        })
    }

    /// A list that is neither empty nor too long, and names nothing twice.
    fn some(
        &mut self,
        list: Located<Vec<Located<Box<str>>>>,
        key: &str,
        most: usize,
    ) -> Option<Vec<Box<str>>> {
        if list.value.is_empty() || list.value.len() > most {
            let message = format!("\"isolation.{key}\" must name 1 to {most}");
            self.reader.error(list.span, message);
            return None;
        }
        let mut seen: Vec<Box<str>> = Vec::new();
        for entry in list.value {
            if seen.contains(&entry.value) {
                let message = format!("{} is named twice", entry.value);
                self.reader.error(entry.span, message);
                return None;
            }
            seen.push(entry.value);
        }
        Some(seen)
    }

    fn two(&mut self, list: Located<Vec<Located<Box<str>>>>) -> Option<[Box<str>; 2]> {
        let zones: Vec<Box<str>> = list.value.into_iter().map(|zone| zone.value).collect();
        match <[Box<str>; 2]>::try_from(zones) {
            Ok(zones) if zones[0] != zones[1] => Some(zones),
            _ => {
                let message = "\"isolation.zones\" must name two different zones";
                self.reader.error(list.span, message);
                None
            }
        }
    }
}

fn name(text: &str) -> Result<Box<str>, Wrong> {
    if text.is_empty() || text.len() > LONGEST_NAME || text.contains('\0') {
        return Err(Wrong::new(format!("a name has 1 to {LONGEST_NAME} bytes")));
    }
    Ok(text.into())
}

fn zone(text: &str) -> Result<Box<str>, Wrong> {
    if !is_single(text) || text.len() > LONGEST_ZONE {
        let message = format!("a canary zone has 1 to {LONGEST_ZONE} bytes and is not \"*\"");
        return Err(Wrong::new(message));
    }
    Ok(text.into())
}

fn qualified(text: &str) -> Result<Box<str>, Wrong> {
    let parts = text.split_once('.');
    if parts.is_none_or(|(schema, table)| schema.is_empty() || table.is_empty()) {
        return Err(
            Wrong::new(format!("\"{text}\" is not a schema and a table"))
                .help("for example \"public.orders\""),
        );
    }
    Ok(text.into())
}
