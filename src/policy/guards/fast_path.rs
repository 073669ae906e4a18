//! `fast-path`: the FunctionCall message names a function by number and carries no SQL to judge.

use crate::policy::{Guard, Objection, Refusal, Who};

/// The refusal of a FunctionCall message.
pub fn refusal(who: &Who) -> Refusal {
    Objection::new("fast-path function calls are not allowed")
        .detail("The message names a function by its number only")
        .hint("Call the function in a SELECT")
        .refuse(Guard::FastPath, who, None)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    #[test]
    fn the_refusal_names_guard_and_way_out() {
        let refusal = refusal(&acme());
        assert_eq!(
            (refusal.guard, refusal.sqlstate.as_str()),
            (Guard::FastPath, "42501")
        );
        assert_eq!(
            refusal.hint.as_deref(),
            Some("Call the function in a SELECT.")
        );
        assert!(refusal.detail.ends_with(
            "Login \"shop_acme\" on database \"shop\" was refused by guard \"fast-path\""
        ));
    }
}
