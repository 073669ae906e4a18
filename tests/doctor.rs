//! `portcullis doctor` at real servers: leaks are proved where there are some and not where there are none,
//! nothing is left behind, every hole is found with the SQL that closes it, and a connection that fails
//! says why.

mod support;

mod doctor {
    pub mod common;

    mod connecting;
    mod ddl;
    mod holes;
    mod immutable;
    mod indirect;
    mod leaks;
    mod names;
    mod pgbouncer;
    mod through;
    mod unset;
    mod verifiers;
}
