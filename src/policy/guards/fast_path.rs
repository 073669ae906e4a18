//! `fast-path`: the FunctionCall message names a function by number and carries no SQL to judge.

use crate::policy::{Guard, Objection, Refusal, Who};

/// The refusal of a FunctionCall message.
pub fn refusal(who: &Who) -> Refusal {
    Objection::new("fast-path function calls are not allowed")
        .detail("The message names a function by its number only")
        .hint("Call the function in a SELECT")
        .refuse(Guard::FastPath, who, None)
}
