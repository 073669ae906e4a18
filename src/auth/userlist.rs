//! PgBouncer's `userlist.txt`.
