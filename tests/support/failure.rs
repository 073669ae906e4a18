//! What a test said when it panicked, for the end of its report: whoever is shown only the last
//! lines of a long log still learns what was wrong.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

/// The end of a longer message is left out.
const MAX_CHARACTERS: usize = 8_192;

thread_local! {
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From now on every panic is remembered by its thread, beside what was done with it before.
pub fn remember() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let said: String = info.to_string().chars().take(MAX_CHARACTERS).collect();
            SAID.with(|place| *place.borrow_mut() = said);
            before(info);
        }));
    });
}

/// What the last panic of this thread said.
pub fn message() -> String {
    SAID.with(|place| place.borrow().clone())
}
