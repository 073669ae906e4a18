//! What the parameters of the scripted server are, as far as a connection is asked for them: those that
//! statements set with constants, for the session and for the transaction. Savepoints do not take them back.

use std::collections::BTreeMap;

use crate::sql::{ParameterName, ParameterTouch, ParameterUse, Statement};

type Values = BTreeMap<Box<str>, Box<str>>;

/// The parameters of one server connection.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    /// Set for the session.
    session: Values,
    /// Set for the transaction; none: what it was before the transaction.
    local: Values,
    /// What `session` was when the transaction began.
    before: Option<Values>,
}

impl Parameters {
    /// A statement has run.
    pub fn apply(&mut self, statement: &Statement) {
        if self.before.is_none() && !statement.parameters.is_empty() {
            self.before = Some(self.session.clone());
        }
        for touch in &statement.parameters {
            self.touch(touch);
        }
    }

    fn touch(&mut self, touch: &ParameterTouch) {
        let name = match &touch.name {
            ParameterName::Named(name) => name,
            ParameterName::Dynamic => return,
            ParameterName::All => {
                self.session.clear();
                return self.local.clear();
            }
        };
        let value = touch.value.clone().unwrap_or_default();
        match touch.how {
            ParameterUse::Local => drop(self.local.insert(name.clone(), value)),
            ParameterUse::Session => {
                self.local.remove(name);
                self.session.insert(name.clone(), value);
            }
            ParameterUse::Reset if touch.passing => {
                self.local.insert(name.clone(), "".into());
            }
            ParameterUse::Reset => {
                self.local.remove(name);
                self.session.remove(name);
            }
            ParameterUse::Stored => {}
        }
    }

    /// The transaction is over.
    pub fn ended(&mut self, failed: bool) {
        self.local.clear();
        if let Some(before) = self.before.take()
            && failed
        {
            self.session = before;
        }
    }

    /// The value of the parameter that a text of `SHOW`, or of `current_setting` with one constant, asks for.
    pub fn asked(&self, text: &str) -> Option<&str> {
        let name = asked_name(text)?;
        let value = self.local.get(&*name).or_else(|| self.session.get(&*name));
        Some(value.map_or("", |value| value))
    }
}

fn asked_name(text: &str) -> Option<String> {
    const CALL: &str = "current_setting('";
    let text = text.trim_end_matches(|c: char| c.is_whitespace() || c == ';');
    if let Some((_, rest)) = text.split_once(CALL) {
        return rest.split('\'').next().map(str::to_ascii_lowercase);
    }
    let rest = text
        .get(4..)
        .filter(|_| text[..4].eq_ignore_ascii_case("show"))?;
    Some(rest.trim().replace('"', "").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::judged;

    fn run(parameters: &mut Parameters, text: &str) {
        for statement in &judged::facts(text.as_bytes()).statements {
            parameters.apply(statement);
        }
    }

    #[test]
    fn values_last_as_long_as_they_are_set_for() {
        let mut parameters = Parameters::default();
        run(&mut parameters, "SET a.b = 'x'; SET LOCAL work_mem = '1MB'");
        assert_eq!(parameters.asked("SHOW \"a\".\"b\";"), Some("x"));
        assert_eq!(parameters.asked("show Work_Mem"), Some("1MB"));
        parameters.ended(false);
        assert_eq!(parameters.asked("SHOW work_mem"), Some(""));
        run(&mut parameters, "SELECT set_config('a.b', 'y', false)");
        let asked = "select pg_catalog.current_setting('a.b',true)";
        assert_eq!(parameters.asked(asked), Some("y"));
        parameters.ended(true);
        assert_eq!(parameters.asked(asked), Some("x"));
        run(&mut parameters, "SET LOCAL a.b TO DEFAULT");
        assert_eq!(parameters.asked(asked), Some(""));
        parameters.ended(false);
        assert_eq!(parameters.asked(asked), Some("x"));
        run(&mut parameters, "RESET a.b");
        assert_eq!(parameters.asked(asked), Some(""));
        assert_eq!(parameters.asked("SELECT 1"), None);
        assert_eq!(parameters.asked("é"), None);
    }
}
