//! How many refusals of one connection are written to the log. A client that sends nothing else must
//! not push everybody else's lines out of it. The metrics count every one.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::policy::Guard;
use crate::telemetry::log::ConnectionId;

/// Lines per guard and [`SPAN`]; the others become one line with their number.
const LINES: u32 = 10;
/// From the first line on.
const SPAN: Duration = Duration::from_secs(1);

/// One connection's refusals by guard.
#[derive(Debug)]
pub struct Refusals {
    guards: [Cell<Span>; Guard::ALL.len()],
}

/// One guard's refusals since some moment.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    since: Option<Instant>,
    count: u32,
}

/// What becomes of a refusal's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// It is written.
    Written,
    /// It is counted, as the first one of its span.
    First,
    /// It is counted.
    Counted,
}

impl Refusals {
    /// None yet.
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            guards: Default::default(),
        })
    }

    /// Is this refusal to be written? If not, a line with the number of such ones follows at the end of
    /// the second, also when the connection has ended by then. Only on a worker.
    pub fn admit(self: &Rc<Self>, guard: Guard, connection: u32, login: &Rc<str>) -> bool {
        let line = self.count(guard, Instant::now());
        if line == Line::First {
            let (refusals, login) = (Rc::clone(self), Rc::clone(login));
            tokio::task::spawn_local(async move {
                tokio::time::sleep(SPAN).await;
                tracing::info!(
                    connection = %ConnectionId(connection.into()),
                    login = &*login,
                    guard = guard.id(),
                    more = refusals.take_more(guard),
                    "refused, not written one by one"
                );
            });
        }
        line == Line::Written
    }

    fn count(&self, guard: Guard, now: Instant) -> Line {
        let cell = &self.guards[guard as usize];
        let mut span = cell.get();
        let over = span
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= SPAN);
        // What is counted is told first.
        if over && span.count <= LINES {
            span = Span {
                since: Some(now),
                count: 0,
            };
        }
        span.count = span.count.saturating_add(1);
        cell.set(span);
        match span.count {
            ..=LINES => Line::Written,
            count if count == LINES + 1 => Line::First,
            _ => Line::Counted,
        }
    }

    /// How many were counted; the next one is written again.
    fn take_more(&self, guard: Guard) -> u32 {
        let span = self.guards[guard as usize].take();
        span.count.saturating_sub(LINES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_second_and_a_number_for_the_others() {
        let refusals = Refusals::new();
        let start = Instant::now();
        let count = |guard, at| refusals.count(guard, start + Duration::from_millis(at));
        for at in 0..10 {
            assert_eq!(count(Guard::Procedural, at), Line::Written);
        }
        assert_eq!(count(Guard::Procedural, 11), Line::First);
        assert_eq!(count(Guard::Procedural, 12), Line::Counted);
        // Another guard has lines of its own.
        assert_eq!(count(Guard::CopyFile, 12), Line::Written);
        // Nothing begins anew before the number was told.
        assert_eq!(count(Guard::Procedural, 5000), Line::Counted);
        assert_eq!(refusals.take_more(Guard::Procedural), 3);
        assert_eq!(count(Guard::Procedural, 5001), Line::Written);
    }

    #[test]
    fn slow_refusals_are_all_written() {
        let refusals = Refusals::new();
        let start = Instant::now();
        for at in 0..100 {
            let now = start + Duration::from_millis(at * 110);
            assert_eq!(refusals.count(Guard::Procedural, now), Line::Written);
        }
    }
}
