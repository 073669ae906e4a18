//! `bulk-export`: a login with `max_rows` reads no more rows at a time than that.

use crate::error::SqlState;
use crate::policy::{Guard, Mode, Objection, Refusal, Who};

/// How many rows the login may read at a time; none: as many as it likes.
pub fn limit(who: &Who) -> Option<u64> {
    who.login
        .max_rows
        .filter(|_| who.policy.mode(Guard::BulkExport) != Mode::Off)
}

/// The refusal in the place of the rows behind the last one that the login may read.
pub fn refusal(who: &Who, limit: u64) -> Refusal {
    Objection::new(format!("result exceeds {limit} rows"))
        .sqlstate(SqlState::PROGRAM_LIMIT)
        .detail(format!(
            "The login's max_rows is {limit}, for a result as for all that is read of cursors in one transaction"
        ))
        .hint("Ask for fewer rows, with LIMIT or an aggregate, or ask a DBA for an export")
        .refuse(Guard::BulkExport, who, None)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{acme, policy, who_under};
    use super::*;
    use crate::policy::Login;

    #[test]
    fn only_logins_with_a_limit_have_one_and_only_while_the_guard_is_on() {
        let limited = |mut who: Who| {
            let login = Login {
                max_rows: Some(10),
                ..(*who.login).clone()
            };
            who.login = login.into();
            limit(&who)
        };
        assert_eq!(limit(&acme()), None);
        assert_eq!(limited(acme()), Some(10));
        let under = |mode: &str| {
            let policy = policy(&format!("bulk-export = \"{mode}\""));
            limited(who_under(&policy, "shop_acme", "shop"))
        };
        assert_eq!(under("observe"), Some(10));
        assert_eq!(under("off"), None);
        let refusal = refusal(&acme(), 10);
        assert_eq!(refusal.message, "result exceeds 10 rows");
        assert_eq!(refusal.sqlstate.as_str(), "54000");
        assert_eq!(refusal.guard, Guard::BulkExport);
    }
}
