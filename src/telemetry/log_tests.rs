use std::sync::Mutex;
use std::sync::mpsc::channel;

use super::*;

/// Takes a line only after a permission was sent.
struct Stalled {
    permissions: Receiver<()>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Write for Stalled {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.permissions
            .recv()
            .map_err(|_| io::ErrorKind::BrokenPipe)?;
        self.written.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stalled_stderr_drops_and_counts_lines_and_never_blocks() {
    let (permit, permissions) = channel();
    let written = Arc::new(Mutex::new(Vec::new()));
    let log = Log(Queue::start(Stalled {
        permissions,
        written: Arc::clone(&written),
    })
    .unwrap());
    for _ in 0..MAX_LINES * 2 {
        log.0.push(b"line\n");
    }
    let dropped = log.dropped().get();
    // The thread holds one line in its hand.
    assert!(
        dropped == (MAX_LINES as u64) || dropped == (MAX_LINES as u64) - 1,
        "{dropped}"
    );
    log.flush(Duration::from_millis(20));
    (0..=MAX_LINES).for_each(|_| permit.send(()).unwrap());
    log.flush(Duration::from_secs(10));
    assert_eq!(
        written.lock().unwrap().len() as u64,
        (2 * MAX_LINES as u64 - dropped) * 5
    );
    assert_eq!(log.0.waiting.load(Relaxed), 0);
}

#[test]
fn the_queue_is_bounded_in_bytes_too() {
    let (permit, permissions) = channel();
    let log = Log(Queue::start(Stalled {
        permissions,
        written: Arc::default(),
    })
    .unwrap());
    let line = vec![b'x'; MAX_BYTES / 4];
    (0..4).for_each(|_| log.0.push(&line));
    assert_eq!(log.dropped().get(), 0);
    log.0.push(b"one more\n");
    assert_eq!(log.dropped().get(), 1);
    drop(permit);
}

#[test]
fn a_broken_stderr_is_counted() {
    let (permit, permissions) = channel();
    drop(permit);
    let log = Log(Queue::start(Stalled {
        permissions,
        written: Arc::default(),
    })
    .unwrap());
    log.0.push(b"lost\n");
    log.flush(Duration::from_secs(10));
    assert_eq!(log.dropped().get(), 1);
}

#[test]
fn events_are_whole_lines_of_json() {
    let (permit, permissions) = channel();
    let written = Arc::new(Mutex::new(Vec::new()));
    let log = Log(Queue::start(Stalled {
        permissions,
        written: Arc::clone(&written),
    })
    .unwrap());
    (0..2).for_each(|_| permit.send(()).unwrap());
    tracing::subscriber::with_default(
        tracing_subscriber::registry().with(json(log.0.clone())),
        || {
            tracing::warn!(connection = %ConnectionId(0x7f3a91), "one\ntwo");
            tracing::info!("three");
        },
    );
    log.flush(Duration::from_secs(10));
    let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> = written
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["connection"], "7f3a91");
    assert_eq!(lines[0]["message"], "one\ntwo");
    assert_eq!(lines[0]["level"], "WARN");
}

#[test]
fn one_line_in_ten_seconds_and_the_count_of_the_others() {
    let (limit, start) = (Limit::new(), Instant::now());
    assert_eq!(limit.admit(start), Some(0));
    assert_eq!(limit.admit(start), None);
    assert_eq!(limit.admit(start + Duration::from_secs(9)), None);
    assert_eq!(limit.admit(start + EVERY), Some(2));
    assert_eq!(limit.admit(start + EVERY), None);
}

#[test]
fn a_connection_id_has_six_hex_digits_or_more() {
    assert_eq!(ConnectionId(0x1f).to_string(), "00001f");
    assert_eq!(ConnectionId(0x1234_5678).to_string(), "12345678");
}
