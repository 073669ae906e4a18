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
    /// A pool has lost one of ours.
    pub fn lost(&self) {
        self.lost.fetch_add(1, Relaxed);
    }

    /// Spells the first word of a text of ours. There are 16 spellings of four letters; one that comes round again may meet
    /// a server connection that has lost it, and makes place for the next.
    pub fn respell(&self, text: &mut [u8]) {
        in_spelling(self.lost.load(Relaxed), text);
    }
}

fn in_spelling(number: u32, text: &mut [u8]) {
    if number == 0 {
        return;
    }
    let letters = text.iter_mut().take_while(|it| it.is_ascii_alphabetic());
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
    fn each_loss_is_another_spelling_of_the_first_word() {
        let spelled = |number| {
            let mut text = *b"select 1 from t";
            in_spelling(number, &mut text);
            String::from_utf8_lossy(&text).into_owned()
        };
        let spellings: Vec<_> = [0, 1, 2, 63, 64].map(spelled).into();
        assert_eq!(
            spellings,
            [
                "select 1 from t",
                "Select 1 from t",
                "sElect 1 from t",
                "SELECT 1 from t",
                "select 1 from t",
            ]
        );
        in_spelling(5, &mut []);
    }
}
