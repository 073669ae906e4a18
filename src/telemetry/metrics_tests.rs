use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::*;
use crate::sql::Class;

fn telemetry() -> Telemetry {
    Telemetry::new(Arc::default())
}

/// A strict reader of the text format: every sample belongs to the family announced right before it,
/// no series twice, every value a number. Returns series -> value.
fn parse(text: &str) -> HashMap<String, f64> {
    let mut samples = HashMap::new();
    let mut announced = HashSet::new();
    let mut family = (String::new(), String::new());
    let mut help = String::new();
    assert!(text.ends_with('\n'));
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').expect("a help text");
            assert!(
                !words.is_empty() && announced.insert(name.to_owned()),
                "{line}"
            );
            help = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert_eq!(name, help, "HELP and TYPE belong together");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            family = (name.to_owned(), kind.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = series
                .split_once('{')
                .map_or((series, None), |(n, l)| (n, Some(l)));
            let suffixes: &[&str] = if family.1 == "histogram" {
                &["_bucket", "_sum", "_count"]
            } else {
                &[""]
            };
            assert!(
                suffixes
                    .iter()
                    .any(|suffix| name == format!("{}{suffix}", family.0)),
                "{line}"
            );
            check_labels(labels, line);
            let value = value
                .parse()
                .unwrap_or_else(|_| panic!("not a number: {line}"));
            assert!(
                samples.insert(series.to_owned(), value).is_none(),
                "twice: {line}"
            );
        }
    }
    samples
}

fn check_labels(labels: Option<&str>, line: &str) {
    let Some(labels) = labels else { return };
    let pairs = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
    for pair in pairs.split(',') {
        let (name, value) = pair.split_once('=').unwrap_or_else(|| panic!("{line}"));
        assert!(
            name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{line}"
        );
        let value = value
            .strip_prefix('"')
            .and_then(|v| v.strip_suffix('"'))
            .unwrap_or_else(|| panic!("{line}"));
        assert!(!value.is_empty() && !value.contains(['"', '\\']), "{line}");
    }
}

#[test]
fn every_name_of_the_table_appears_with_help_type_and_all_its_series() {
    let telemetry = telemetry();
    let _counters = telemetry.counters();
    for route in [RouteName::Transaction, RouteName::Session] {
        telemetry.isolation.asked(route, true);
    }
    let text = telemetry.render();
    let samples = parse(&text);
    for family in table::families() {
        let name = family.name;
        assert!(name.starts_with("portcullis_"), "{name}");
        assert!(
            text.contains(&format!("# HELP {name} {}\n", family.help)),
            "{name}"
        );
        assert!(
            text.contains(&format!("# TYPE {name} {}\n", family.kind.word())),
            "{name}"
        );
        if family.kind != Kind::Histogram {
            let series = samples
                .keys()
                .filter(|key| key.split('{').next() == Some(name))
                .count();
            assert_eq!(series, family.series(), "{name}");
        }
    }
    assert_eq!(
        samples[concat!(
            "portcullis_build_info{version=\"",
            env!("CARGO_PKG_VERSION"),
            "\"}"
        )],
        1.0
    );
    assert!(
        samples.len() < 500,
        "{} series: every one of them is stored for weeks",
        samples.len()
    );
}

#[test]
fn every_counter_lands_in_its_own_series() {
    let telemetry = telemetry();
    let counters = telemetry.counters();
    counters.handshake(HandshakeKind::DirectTls, HandshakeOutcome::Timeout);
    counters.login(LoginOutcome::VerifierMismatch);
    counters.statement(
        ClassSet::of(Class::Explain).with(Class::Ddl),
        Judged::Refused,
    );
    counters.statement(ClassSet::of(Class::Read), Judged::Allowed);
    counters.statement(ClassSet::EMPTY, Judged::Allowed);
    counters.refusal(Guard::DdlOutsideMigration);
    counters.observed(Guard::UnknownName);
    counters.foreseen(Change::Local);
    counters.injection();
    counters.injection_failed();
    counters.server_error(b"23505");
    counters.cancel(CancelOutcome::Limited);
    counters.forwarded(Direction::ToClient, 4096);
    counters.isolation_failed(RouteName::Session, IsolationFailure::Timeout);
    counters.isolation_failed(RouteName::Transaction, IsolationFailure::OtherZone);
    counters.facts_cache(7, 3);
    counters.client_rejected(Rejected::Arriving);
    counters.let_go();
    counters.reload(Files::Users, Reload::Failed);
    counters.route_entered(RouteName::Replication);
    counters.server_opened();
    counters.server_closed();
    counters.server_lost();
    counters.server_failed();
    let mut counted: Vec<_> = (parse(&telemetry.render()).into_iter())
        .filter(|(series, value)| *value != 0.0 && !series.contains("_info"))
        .collect();
    counted.sort_by(|a, b| a.0.cmp(&b.0));
    let expected: Vec<(String, f64)> = [
        (r#"cancel_requests_total{outcome="limited"}"#, 1.0),
        ("client_connections_let_go_total", 1.0),
        (
            "client_connections_rejected_total{reason=\"arriving\"}",
            1.0,
        ),
        ("facts_cache_hits_total", 7.0),
        ("facts_cache_misses_total", 3.0),
        (r#"forwarded_bytes_total{direction="to-client"}"#, 4096.0),
        (
            r#"handshakes_total{kind="direct-tls",outcome="timeout"}"#,
            1.0,
        ),
        (
            r#"isolation_failures_total{route="session",reason="timeout"}"#,
            1.0,
        ),
        (
            r#"isolation_failures_total{route="transaction",reason="other-zone"}"#,
            1.0,
        ),
        (r#"logins_total{outcome="verifier-mismatch"}"#, 1.0),
        (r#"observed_changes_total{change="set-local"}"#, 1.0),
        (r#"observed_refusals_total{guard="unknown-name"}"#, 1.0),
        (r#"refusals_total{guard="ddl-outside-migration"}"#, 1.0),
        (r#"reloads_total{files="users",outcome="failed"}"#, 1.0),
        (
            r#"route_client_connections_opened_total{route="replication"}"#,
            1.0,
        ),
        (r#"route_client_connections{route="replication"}"#, 1.0),
        ("server_connections_closed_total", 1.0),
        ("server_connections_failed_total", 1.0),
        ("server_connections_lost_total", 1.0),
        ("server_connections_opened_total", 1.0),
        (r#"server_errors_total{sqlstate_class="23"}"#, 1.0),
        (r#"statements_total{class="ddl",verdict="refused"}"#, 1.0),
        (r#"statements_total{class="read",verdict="allowed"}"#, 1.0),
        ("zone_injection_failures_total", 1.0),
        ("zone_injections_total", 1.0),
    ]
    .map(|(series, value)| (format!("portcullis_{series}"), value))
    .into();
    assert_eq!(counted, expected);
}

#[test]
fn threads_are_summed_and_stay_counted_when_they_end() {
    let telemetry = Arc::new(telemetry());
    let threads: Vec<_> = (0..4)
        .map(|i| {
            let telemetry = Arc::clone(&telemetry);
            std::thread::spawn(move || {
                let counters = telemetry.counters();
                for _ in 0..1000 {
                    counters.client_opened();
                    counters.added_latency(Duration::from_micros(4));
                }
                (0..i).for_each(|_| counters.client_closed());
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let samples = parse(&telemetry.render());
    assert_eq!(
        samples["portcullis_client_connections_opened_total"],
        4000.0
    );
    assert_eq!(samples["portcullis_client_connections_closed_total"], 6.0);
    assert_eq!(samples["portcullis_client_connections"], 3994.0);
    assert_eq!(samples["portcullis_added_latency_seconds_count"], 4000.0);
    assert_eq!(
        samples["portcullis_added_latency_seconds_bucket{le=\"0.000003\"}"],
        0.0
    );
    assert_eq!(
        samples["portcullis_added_latency_seconds_bucket{le=\"0.000005\"}"],
        4000.0
    );
}

#[test]
fn the_recent_stall_ends_with_the_scrape_and_the_longest_ever_stays() {
    let telemetry = telemetry();
    let (one, two) = (telemetry.counters(), telemetry.counters());
    one.poll(Duration::from_millis(2));
    two.poll(Duration::from_millis(7));
    two.poll(Duration::from_millis(1));
    let stalls = |samples: HashMap<String, f64>| {
        (
            samples["portcullis_worker_stall_seconds"],
            samples["portcullis_worker_stall_max_seconds"],
        )
    };
    assert_eq!(stalls(parse(&telemetry.render())), (0.007, 0.007));
    one.poll(Duration::from_millis(3));
    assert_eq!(stalls(parse(&telemetry.render())), (0.003, 0.007));
    assert_eq!(stalls(parse(&telemetry.render())), (0.0, 0.007));
}

#[test]
fn shared_values_are_published() {
    let telemetry = telemetry();
    telemetry.set_policy(Some(Version {
        number: 3,
        digest: [0, 0x1a, 0x2b, 0x3c],
    }));
    telemetry.migrations_open.set(1);
    telemetry.migrations_opened.increment();
    telemetry.log_dropped.increment();
    let samples = parse(&telemetry.render());
    assert_eq!(samples["portcullis_policy_version"], 3.0);
    assert_eq!(
        samples["portcullis_policy_info{version=\"3-001a2b3c\"}"],
        1.0
    );
    assert_eq!(samples["portcullis_migration_sessions"], 1.0);
    assert_eq!(samples["portcullis_migration_sessions_opened_total"], 1.0);
    assert_eq!(samples["portcullis_log_dropped_total"], 1.0);
    telemetry.migrations_open.set(0);
    assert_eq!(
        parse(&telemetry.render())["portcullis_migration_sessions"],
        0.0
    );
}

#[test]
fn two_scrapes_of_the_same_state_are_the_same_text() {
    let telemetry = telemetry();
    telemetry.counters().client_opened();
    assert_eq!(telemetry.render(), telemetry.render());
}

#[test]
fn counters_move_to_their_thread_but_are_not_shared() {
    fn send<T: Send>() {}
    send::<Counters>();
    // Compiles only while `Counters` is not `Sync`: otherwise both impls apply and the call is ambiguous.
    trait NotSync<A> {
        fn check() {}
    }
    struct Yes;
    impl<T: ?Sized> NotSync<()> for T {}
    impl<T: ?Sized + Sync> NotSync<Yes> for T {}
    <Counters as NotSync<_>>::check();
}
