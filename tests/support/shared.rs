//! One stack for all tests of a file.

use std::sync::{Arc, Mutex, Weak};

use super::{Stack, StackOptions};

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
