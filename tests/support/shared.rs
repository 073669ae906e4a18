//! One stack for all tests of a file.

use std::sync::{Arc, Mutex, Weak};

use super::{Pooler, Stack, StackOptions, Version};

/// A stack that the first test starts, that tests running at the same time use together, and that
/// ends with the last of them.
pub struct Shared(Mutex<Weak<Stack>>);

impl Shared {
    pub const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// The running stack, or a new one.
    pub fn get(&self, options: impl FnOnce() -> StackOptions) -> Arc<Stack> {
        let mut current = self.0.lock().expect("the shared stack did not start");
        if let Some(stack) = current.upgrade() {
            return stack;
        }
        let stack = Arc::new(Stack::start(options()));
        *current = Arc::downgrade(&stack);
        stack
    }
}

/// The versions that everything must work with: PgBouncer 1.18 does not follow named prepared
/// statements, PostgreSQL 18 reads an unfinished extended batch in another way than 15 and 17.
pub const VERSIONS: [(Version, Pooler); 3] = [
    (Version::Pg15, Pooler::V1_18),
    (Version::Pg17, Pooler::V1_24),
    (Version::Pg18, Pooler::V1_24),
];

/// One shared stack for each of [`VERSIONS`].
pub struct OnEveryVersion([Shared; VERSIONS.len()]);

impl OnEveryVersion {
    pub const fn new() -> Self {
        Self([const { Shared::new() }; VERSIONS.len()])
    }

    /// The running stacks, or new ones.
    pub fn get(&self, options: impl Fn() -> StackOptions) -> Vec<Arc<Stack>> {
        let start = |(shared, (version, pooler)): (&Shared, (Version, Pooler))| {
            shared.get(|| StackOptions {
                version,
                pooler,
                ..options()
            })
        };
        self.0.iter().zip(VERSIONS).map(start).collect()
    }
}
