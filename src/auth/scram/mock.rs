//! How many iterations somebody who does not exist pretends to have.

use super::hmac_sha256;
use super::verifier::MOCK_ITERATIONS;

/// The iteration counts in use. Each name that nobody has is given one of them for good, each count
/// to as large a share of the names as has it among users: where counts are mixed, none of them tells
/// who exists.
#[derive(Clone, Debug, Default)]
pub struct MockIterations {
    /// Sorted, one entry a user.
    counts: Vec<u32>,
}

impl MockIterations {
    /// Of the users there are.
    pub fn new(counts: impl IntoIterator<Item = u32>) -> Self {
        let mut counts: Vec<u32> = counts.into_iter().collect();
        counts.sort_unstable();
        Self { counts }
    }

    /// For this name, the same under one `secret` as long as the users are. A change of a few users
    /// changes it for few names.
    pub fn of(&self, secret: &[u8], user: &str) -> u32 {
        let derived = hmac_sha256(secret, &[b"iterations\0", user.as_bytes()].concat());
        let point = derived.iter().take(8);
        let point = point.fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        // A point on the line of all users, 0 to 2^64 long.
        let at = (point * self.counts.len() as u128) >> 64;
        let count = usize::try_from(at).ok().and_then(|at| self.counts.get(at));
        count.copied().unwrap_or(MOCK_ITERATIONS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(mock: &MockIterations, count: u32) -> usize {
        let names = (0..1000).map(|number| format!("name{number}"));
        names
            .filter(|name| mock.of(b"secret", name) == count)
            .count()
    }

    #[test]
    fn strangers_have_the_counts_of_users_as_often_as_users_do() {
        assert_eq!(share(&MockIterations::default(), MOCK_ITERATIONS), 1000);
        assert_eq!(share(&MockIterations::new([15_000; 3]), 15_000), 1000);
        let mixed = MockIterations::new([4096, 600_000, 4096, 4096]);
        let (often, seldom) = (share(&mixed, 4096), share(&mixed, 600_000));
        assert_eq!(often + seldom, 1000);
        assert!((700..800).contains(&often), "{often}");
    }

    #[test]
    fn a_name_keeps_its_count() {
        let users = [4096, 4096, 10_000, 600_000];
        let mut turned = users;
        turned.reverse();
        let (mock, same) = (MockIterations::new(users), MockIterations::new(turned));
        let more = MockIterations::new([4096; 500].into_iter().chain([600_000; 500]));
        let one_more = MockIterations::new([4096; 501].into_iter().chain([600_000; 500]));
        let mut moved = 0;
        for number in 0..1000 {
            let name = format!("name{number}");
            let count = mock.of(b"secret", &name);
            assert_eq!(count, same.of(b"secret", &name));
            moved += usize::from(more.of(b"secret", &name) != one_more.of(b"secret", &name));
        }
        assert!(moved <= 5, "{moved} of 1000 changed with one user of 1000");
        let other = (0..100).any(|number| {
            let name = format!("name{number}");
            mock.of(b"secret", &name) != mock.of(b"other", &name)
        });
        assert!(other, "it depends on the secret");
    }
}
