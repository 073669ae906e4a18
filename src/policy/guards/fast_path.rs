//! `fast-path`: the FunctionCall message names a function by number and carries no SQL to judge.

use crate::policy::{Guard, Objection, Refusal, Who};

/// The functions by which libpq and the JDBC driver work with large objects: lo_create, lo_open, lo_close,
/// loread, lowrite, lo_lseek, lo_creat, lo_tell, lo_unlink, lo_truncate, and those of 64 bits. Fixed
/// numbers of `pg_proc.dat`, the same in every version; lo_import and lo_export (files) are not among them.
const LARGE_OBJECTS: [u32; 13] = [
    715, 952, 953, 954, 955, 956, 957, 958, 964, 1004, 3170, 3171, 3172,
];

/// The refusal of a FunctionCall message for the function of this number; none where the login may
/// use the fast path for it.
///
/// Large objects have no row-level security, so that no zone is set ahead of the call; where one would
/// be needed and the login has none, it is refused like any other statement.
pub fn judge(who: &Who, function: u32) -> Option<Refusal> {
    let granted = who.login.fast_path && LARGE_OBJECTS.contains(&function);
    let astray = who.login.zone.is_none() && who.zone_is_required();
    if granted && !astray {
        return None;
    }
    let objection = Objection::new("fast-path function calls are not allowed")
        .detail("The message names a function by its number only");
    let objection = match LARGE_OBJECTS.contains(&function) {
        true => objection.hint(
            "Use lo_get() and lo_put() in SQL, or give the login fast_path = [\"large-objects\"] in the policy",
        ),
        false => objection.hint("Call the function in a SELECT"),
    };
    Some(objection.refuse(Guard::FastPath, who, None))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    #[test]
    fn large_objects_are_called_by_those_who_may() {
        let mut who = acme();
        let login = crate::policy::Login {
            fast_path: true,
            ..(*who.login).clone()
        };
        who.login = login.into();
        for function in [952, 953, 954, 955, 964, 3172] {
            assert!(judge(&who, function).is_none(), "{function}");
            assert!(judge(&acme(), function).is_some(), "{function}");
        }
        // lo_import, lo_export, lo_from_bytea, pg_backend_pid, set_config, pg_read_file, nothing.
        for function in [764, 765, 767, 3457, 2026, 2078, 2624, 0, u32::MAX] {
            assert!(judge(&who, function).is_some(), "{function}");
        }
        let login = crate::policy::Login {
            zone: None,
            ..(*who.login).clone()
        };
        who.login = login.into();
        assert!(who.zone_is_required() && judge(&who, 952).is_some());
    }

    #[test]
    fn the_refusal_names_guard_and_way_out() {
        let refusal = judge(&acme(), 2026).expect("a refusal");
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
