//! How statements of ours are spelled, which PgBouncer knows by their texts.
//!
//! From 1.21 on it keeps what a server connection has prepared. It is wrong about that where somebody has run DEALLOCATE ALL
//! there and PgBouncer was not told: in a function, or as the last statement of a text whose commit failed. From then on each
//! statement of that text fails there (26000), whoever sends it, as long as the server connection lasts. So once one of ours
//! is lost, all are spelled otherwise: PostgreSQL does not care for the case of letters, and for PgBouncer it is another text.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// How it is done by now; one for the process.
#[derive(Debug, Default)]
pub struct Spelling {
    /// Statements lost so far, on any pool.
    lost: AtomicU32,
}

impl Spelling {
    /// A pool has lost one of ours that was spelled so; of many who learn that at once one is heard.
    pub fn lost(&self, spelled: u32) {
        let next = spelled.wrapping_add(1);
        let _ = self.lost.compare_exchange(spelled, next, Relaxed, Relaxed);
    }

    /// The number of the spelling by now.
    pub fn number(&self) -> u32 {
        self.lost.load(Relaxed)
    }

    /// Spells the beginning of a text of ours, up to its first quote: each loss is another spelling of 32 letters, of fewer
    /// letters they come round.
    pub fn respell(&self, text: &mut [u8]) {
        in_spelling(self.number(), text);
    }
}

fn in_spelling(number: u32, text: &mut [u8]) {
    if number == 0 {
        return;
    }
    let unquoted = text
        .iter_mut()
        .take_while(|it| !matches!(it, b'\'' | b'"' | 0));
    let letters = unquoted.filter(|it| it.is_ascii_alphabetic());
    for (place, letter) in letters.enumerate().take(32) {
        if number >> place & 1 == 1 {
            *letter ^= 0x20;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loss_is_another_spelling_up_to_what_is_quoted() {
        let spelled = |number| {
            let mut text = *b"select 1 from \"t\" where 'x'";
            in_spelling(number, &mut text);
            String::from_utf8_lossy(&text).into_owned()
        };
        for (number, begins) in [
            (0, "select 1 from"),
            (1, "Select 1 from"),
            (2, "sElect 1 from"),
            (64, "select 1 From"),
            (u32::MAX, "SELECT 1 FROM"),
        ] {
            assert_eq!(spelled(number), format!("{begins} \"t\" where 'x'"));
        }
        in_spelling(5, &mut []);
    }
}
