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

/// PgBouncer 1.18 does not follow named prepared statements.
pub const OLD: (Version, Pooler) = (Version::Pg15, Pooler::V1_18);
pub const NEW: (Version, Pooler) = (Version::Pg17, Pooler::V1_24);
/// PostgreSQL 18 reads an unfinished extended batch in another way than 15 and 17.
pub const NEWEST: (Version, Pooler) = (Version::Pg18, Pooler::V1_24);
/// The versions that everything must work with.
pub const VERSIONS: [(Version, Pooler); 3] = [OLD, NEW, NEWEST];

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

/// The default stack.
pub fn stack() -> Arc<Stack> {
    static STACK: Shared = Shared::new();
    STACK.get(StackOptions::default)
}

/// The default stack on each of [`VERSIONS`].
pub fn stacks() -> Vec<Arc<Stack>> {
    static STACKS: OnEveryVersion = OnEveryVersion::new();
    STACKS.get(StackOptions::default)
}
