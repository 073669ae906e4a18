//! What a client sets itself, of which one parameter is its zone, and the zone that its transaction has entered
//! (deploy/sql): for the login whose zones are signed.

use std::collections::BTreeMap;

use super::super::statement::{Arg, Choose};
use super::super::who::{GRANTED, PARAMETER, zone_of};
use super::*;

type Values = BTreeMap<String, String>;

/// What a savepoint brings back.
#[derive(Clone, Debug, Default)]
struct Now {
    session: Values,
    local: Values,
    entered: Option<String>,
    /// A call was not reached, and nobody but the server knows.
    missed: bool,
}

/// Of one server connection.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    now: Now,
    /// The session's as they were when the transaction began.
    before: Values,
    /// As many as there are savepoints.
    saved: Vec<Now>,
}

impl Parameters {
    pub fn value(&self, name: &str) -> &str {
        let local = self.now.local.get(name);
        local.or(self.now.session.get(name)).map_or("", |it| it)
    }

    fn set(&mut self, name: &str, value: &str, local: bool) {
        let now = &mut self.now;
        now.local.remove(name);
        let values = if local {
            &mut now.local
        } else {
            &mut now.session
        };
        values.insert(name.to_owned(), value.to_owned());
    }

    fn reset(&mut self, name: Option<&str>) {
        let now = &mut self.now;
        match name {
            Some(name) => {
                now.local.remove(name);
                now.session.remove(name);
            }
            // The mark of the zone that was entered is a parameter, too.
            None => *now = Now::default(),
        }
    }

    pub fn save(&mut self) {
        self.saved.push(self.now.clone());
    }

    pub fn back_to(&mut self, savepoint: usize) {
        self.saved.truncate(savepoint + 1);
        self.now = self.saved[savepoint].clone();
    }

    /// The transaction is over; `commit`: what it set for the session stays.
    pub fn end(&mut self, commit: bool) {
        let session = std::mem::take(&mut self.now.session);
        if commit {
            self.before = session;
        }
        self.now = Now {
            session: self.before.clone(),
            ..Now::default()
        };
        self.saved.clear();
    }

    /// Does something stay when the transaction is over?
    pub fn leave_something(&self) -> bool {
        !self.before.is_empty()
    }

    fn enter(&mut self, zone: &str) -> Result<(), Failure> {
        match &self.now.entered {
            Some(entered) if *entered != zone => Err("42501"),
            _ => {
                self.now.entered = Some(zone.to_owned());
                Ok(())
            }
        }
    }

    /// What a prefix does with one name and value.
    fn apply(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let Some(parameter) = name.strip_prefix('=') else {
            return match name {
                "" => self.enter(&zone_of(value).ok_or("42501")?),
                _ => {
                    self.set(name, value, true);
                    Ok(())
                }
            };
        };
        let is = self.value(parameter).to_owned();
        if zone_of(value).ok_or("42501")? == is {
            return self.enter(&is);
        }
        match &self.now.entered {
            Some(entered) if *entered != is => Err("42501"),
            _ => Ok(()),
        }
    }
}

impl Server {
    pub(super) fn chooses(&self) -> bool {
        self.login == Login::Chooser
    }

    /// Would the policy refuse the text because there is no zone yet?
    pub(super) fn lacks_zone(&self, sql: &str) -> bool {
        let has = self.parameters.now.missed || !self.parameters.value(PARAMETER).is_empty();
        // In a failed transaction a call that was skipped may count as one, and nothing runs.
        let idle = self.place == Place::Behind && self.transaction == Transaction::Failed;
        self.chooses() && !has && !idle && statement::reads_rows(sql)
    }

    /// Would it refuse what is bound?
    pub(super) fn refuses_values(&self, sql: &str, values: &[String]) -> bool {
        let all = statement::read(sql);
        let mut all = all.iter().filter_map(|it| match it {
            Statement::Choose(choose) => Some(choose),
            _ => None,
        });
        self.chooses()
            && all.any(|it| match &*read(&it.name, values) {
                PARAMETER => !GRANTED.contains(&&*read(&it.value, values)),
                "role" => true,
                _ => false,
            })
    }

    /// What a prefix of this login sets and enters.
    pub(super) fn run_prefix(&mut self, values: &[String]) -> Result<(), Failure> {
        let [names, values] = values else {
            return Err("08P01");
        };
        for (name, value) in elements(names).zip(elements(values)) {
            let applied = self.parameters.apply(name, value);
            // One server alone has no zones to enter: what comes of it is not compared.
            self.doubtful |= applied.is_err();
            applied?;
        }
        Ok(())
    }

    /// Rows must be read in the zone that the client has said, and under no other's name.
    pub(super) fn check_zone(&mut self, text: &str) {
        let entered = self.parameters.now.entered.clone().unwrap_or_default();
        let said = self.parameters.value(PARAMETER).to_owned();
        let missed = self.parameters.now.missed && entered.is_empty();
        if entered != said && !missed {
            self.violate_if_behind(&format!("zone {said:?} runs in {entered:?}: {text}"));
        }
    }

    pub(super) fn choose(&mut self, choose: &Choose, values: &[String]) {
        if !choose.reached {
            self.parameters.now.missed = true;
            return;
        }
        let [name, value] = [&choose.name, &choose.value].map(|it| read(it, values));
        self.parameters.set(&name, &value, choose.local);
    }

    pub(super) fn reset(&mut self, name: Option<&str>) {
        self.parameters.reset(name);
        if name.is_none_or(|it| it == PARAMETER) {
            self.parameters.now.missed = false;
        }
    }

    /// Sends what is left of the single row of SHOW or `set_config`, at most so many.
    pub(super) fn fetch_value(
        &mut self,
        name: &str,
        statement: &Statement,
        most: usize,
    ) -> Result<(), Failure> {
        let portal = self.portals.get(name).cloned().ok_or("34000")?;
        let (left, shown) = match portal.left {
            Some(left) => {
                // It has run to its end: the call is not made again.
                self.parameters.now.missed |= matches!(statement, Statement::Choose(_));
                (left, String::new())
            }
            None => {
                self.run(statement, &portal.text, &portal.values)?;
                let shown = self.shown(statement, &portal.values);
                (usize::from(shown.is_some()), shown.unwrap_or_default())
            }
        };
        let count = if most == 0 { left } else { left.min(most) };
        if count > 0 {
            self.row(&shown);
        }
        if let Some(entry) = self.portals.get_mut(name) {
            entry.left = Some(left - count);
        }
        match most > 0 && count == most {
            true => self.put(b's', &[]),
            false => self.put(b'C', &[&cstr("SHOW")]),
        }
        Ok(())
    }

    /// The value that it answers with; none: it has no row.
    pub(super) fn shown(&self, statement: &Statement, values: &[String]) -> Option<String> {
        match statement {
            Statement::Show(name) => Some(self.parameters.value(name).to_owned()),
            Statement::Choose(choose) if choose.reached => Some(
                self.parameters
                    .value(&read(&choose.name, values))
                    .to_owned(),
            ),
            _ => None,
        }
    }

    pub(super) fn row(&mut self, value: &str) {
        let length = u32::try_from(value.len()).unwrap_or(0).to_be_bytes();
        self.put(b'D', &[&[0, 1], &length, value.as_bytes()]);
    }
}

/// Names compare as PostgreSQL compares them.
fn read(arg: &Arg, values: &[String]) -> String {
    match arg {
        Arg::Text(text) => text.clone(),
        Arg::Bound(at) => {
            let value = values.get(*at).cloned().unwrap_or_default();
            value.to_ascii_lowercase()
        }
    }
}

/// Those of an array of texts without quotes.
fn elements(array: &str) -> impl Iterator<Item = &str> {
    let inside = array.trim_start_matches("{\"").trim_end_matches("\"}");
    inside.split("\",\"")
}

/// What a Bind binds: `rest` begins with the formats. Texts alone.
pub(super) fn values(rest: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    let Some((count, mut rest)) = rest.get(2..).and_then(|it| it.split_first_chunk::<2>()) else {
        return all;
    };
    for _ in 0..u16::from_be_bytes(*count) {
        let Some((length, behind)) = rest.split_first_chunk::<4>() else {
            break;
        };
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        let Some((value, behind)) = behind.split_at_checked(length) else {
            break;
        };
        all.push(text(value));
        rest = behind;
    }
    all
}
