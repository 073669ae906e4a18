//! Things that are met, each once.

use std::collections::HashSet;
use std::hash::Hash;

/// Up to this many are compared one by one: that is less work than to hash a few names.
const FEW: usize = 16;

/// What has been met so far.
pub(super) struct Once<T> {
    few: Vec<T>,
    /// All of them, once they are no longer few.
    many: HashSet<T>,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self {
            few: Vec::new(),
            many: HashSet::new(),
        }
    }
}

impl<T: Copy + Eq + Hash> Once<T> {
    /// Is it met for the first time?
    pub(super) fn insert(&mut self, one: T) -> bool {
        if !self.many.is_empty() {
            return self.many.insert(one);
        }
        if self.few.contains(&one) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(one);
        } else {
            self.many.extend(self.few.drain(..));
            self.many.insert(one);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_new_once_be_they_few_or_many() {
        for number in [0, 1, FEW - 1, FEW, FEW + 1, 10 * FEW] {
            let mut once = Once::default();
            for met in 0..number {
                assert!(once.insert(met), "{met} of {number}");
                assert!((0..=met).all(|it| !once.insert(it)), "{met} of {number}");
            }
        }
    }
}
