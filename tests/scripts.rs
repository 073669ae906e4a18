//! The scripts of this repository: what they say of themselves, and what they do with what they do not know.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const SCRIPTS: [&str; 4] = ["tests/all", "tests/fuzz/run", "deploy/demo", "deploy/parts"];

/// A `cargo` of just the version that Cargo.toml asks for, which builds nothing.
const NEW_ENOUGH: &str = concat!(
    "[ \"$1\" = --version ] && echo cargo ",
    env!("CARGO_PKG_RUST_VERSION"),
    ".0"
);

/// A directory with a `cargo` that does this.
fn cargo(script: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let cargo = directory.path().join("cargo");
    std::fs::write(&cargo, format!("#!/bin/sh\n{script}\n")).expect("write cargo");
    std::fs::set_permissions(&cargo, Permissions::from_mode(0o755)).expect("chmod");
    directory
}

/// Runs a script with the programs of this directory before all others: status, stdout, stderr.
fn script(name: &str, arguments: &[&str], programs: &Path) -> (Option<i32>, String, String) {
    let others = std::env::var("PATH").expect("PATH");
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
        .args(arguments)
        .current_dir(programs)
        .env("PATH", format!("{}:{others}", programs.display()))
        .stdin(Stdio::null())
        .output()
        .expect("run the script");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn they_say_what_they_do() {
    // None gets as far as to build something.
    let cargo = cargo("exit 1");
    for name in SCRIPTS {
        for option in ["-h", "--help"] {
            let (status, said, errors) = script(name, &[option], cargo.path());
            assert_eq!((status, &*errors), (Some(0), ""), "{name} {option}");
            // CI runs what everybody runs.
            let line = format!("  {name} ");
            assert!(said.contains(&line), "{name} {option}: {said}");
            assert!(!said.contains("pipefail"), "{name} {option}: {said}");
        }
    }
}

#[test]
fn they_do_nothing_with_what_they_do_not_know() {
    let cargo = cargo("exit 1");
    let too_much: [(&str, &[&str]); 4] = [
        ("tests/all", &["--help", "startup"]),
        ("tests/all", &[""]),
        ("tests/fuzz/run", &["5", "nonsense"]),
        ("tests/fuzz/run", &["5", "zones", "framing"]),
    ];
    let unknown = SCRIPTS.map(|name| (name, &["--nonsense"][..]));
    for (name, arguments) in unknown.into_iter().chain(too_much) {
        let (status, said, errors) = script(name, arguments, cargo.path());
        assert_eq!((status, &*said), (Some(2), ""), "{name}: {errors}");
        assert!(!errors.is_empty(), "{name} {arguments:?}");
    }
    // What they know goes on, to where this cargo is of no use.
    let cargo = self::cargo(NEW_ENOUGH);
    let known: [(&str, &[&str]); 3] = [
        ("tests/all", &[]),
        (".ci/run", &[]),
        ("tests/fuzz/run", &["5", "zones"]),
    ];
    for (name, arguments) in known {
        assert_eq!(script(name, arguments, cargo.path()).0, Some(1), "{name}");
    }
}

/// What installs packages, with what it would do to this machine replaced.
const INSTALLS: &str = r#"
. "$0" where >/dev/null
cluster_settings=$PWD/etc/createcluster.d
as_root() { "$@"; }
missing_packages() { [[ -e installed ]] || echo postgresql-15 pgbouncer; }
apt_install() {
    echo "installs $*" >>said
    printf "include_dir '%s'
" "$cluster_settings" >createcluster.conf
    echo "makes a cluster: $(pg_conftool "$PWD/createcluster.conf" show -bs create_main_cluster)" >>said
    touch installed
    ends
}
stop_services() { echo "stops $*" >>said; }
apt-get() { :; }
retry() { "$@"; }
"#;

/// Runs it with `last` at its end, in this directory: status, and what was done.
fn installs(last: &str, directory: &Path) -> (Option<i32>, String) {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/parts");
    let output = Command::new("bash")
        .args([
            "-c",
            &format!(
                "{INSTALLS}
{last}"
            ),
        ])
        .arg(parts)
        .current_dir(directory)
        .env("TMPDIR", directory)
        .stdin(Stdio::null())
        .output()
        .expect("run bash");
    let said = std::fs::read_to_string(directory.join("said"));
    let said = said.unwrap_or_else(|_| String::from_utf8_lossy(&output.stderr).into_owned());
    (output.status.code(), said)
}

#[test]
fn no_cluster_of_debian_is_made_or_stopped() {
    for (ends, status) in [
        ("true", Some(0)),
        ("false", Some(1)),
        ("kill $BASHPID", Some(1)),
        ("kill -INT $BASHPID", Some(1)),
    ] {
        for is_there in [false, true] {
            let directory = tempfile::tempdir().expect("a directory");
            let settings = directory.path().join("etc/createcluster.d");
            if is_there {
                std::fs::create_dir_all(&settings).expect("a directory");
            }
            let last = format!(
                "ends() {{ {ends}; }}
machine demo"
            );
            let (ended, said) = installs(&last, directory.path());
            assert_eq!(ended, status, "{ends}: {said}");
            let mut done = "installs postgresql-15 pgbouncer\nmakes a cluster: off\n".to_owned();
            if ends == "true" {
                done += "stops pgbouncer\n";
            }
            assert_eq!(said, done, "{ends}");
            // Nothing stays that would keep others from making theirs.
            assert_eq!(settings.exists(), is_there, "{ends}");
            let left = std::fs::read_dir(directory.path().join("etc")).expect("a directory");
            assert_eq!(left.count(), usize::from(is_there), "{ends}");
            if is_there {
                let left = std::fs::read_dir(&settings).expect("a directory");
                assert_eq!(left.count(), 0, "{ends}");
            }
        }
    }
}

/// The two that need Rust to be there, and with which status they end without.
const BUILDERS: [(&str, i32); 2] = [("tests/all", 1), ("deploy/demo", 2)];

#[test]
fn a_rust_that_is_too_old_is_told_before_anything_is_installed() {
    let old = [
        ("echo cargo 1.9.0", "this is 1.9.0"),
        (
            "echo 'cargo 1.89.1 (c24e10642 2025-06-23)'",
            "this is 1.89.1",
        ),
        (
            "echo no toolchain >&2; exit 1",
            "cargo does not run: no toolchain",
        ),
        ("echo something else", "cargo does not run: something else"),
    ];
    for (does, problem) in old {
        let cargo = cargo(does);
        for (name, ends) in BUILDERS {
            let (status, said, errors) = script(name, &[], cargo.path());
            assert_eq!((status, &*said), (Some(ends), ""), "{name}: {errors}");
            assert!(errors.contains(problem), "{name}: {errors}");
            assert!(errors.contains("https://rustup.rs"), "{name}: {errors}");
        }
    }
}

#[test]
fn a_rust_that_is_missing_is_told_before_anything_is_installed() {
    // Programs of every machine, and nothing else.
    let programs = tempfile::tempdir().expect("a directory");
    let path = std::env::var("PATH").expect("PATH");
    for name in ["bash", "dirname", "mktemp", "realpath", "rm", "sed", "sort"] {
        let mut places = path.split(':').map(|place| Path::new(place).join(name));
        let place = places.find(|place| place.exists()).expect(name);
        std::os::unix::fs::symlink(place, programs.path().join(name)).expect("a link");
    }
    for (name, ends) in BUILDERS {
        let mut command = Command::new("/usr/bin/env");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
        command.env("PATH", programs.path());
        let output = command.output().expect("run the script");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(ends), "{name}: {errors}");
        assert!(errors.contains("Rust is missing: "), "{name}: {errors}");
        assert_eq!(output.stdout, b"", "{name}");
    }
}

#[test]
fn a_rust_that_is_new_enough_builds() {
    for version in [
        "",
        "echo 'cargo 1.100.0-nightly (x 2026-01-01)'",
        "echo cargo 2.0.0",
    ] {
        let does = match version {
            "" => NEW_ENOUGH.to_owned(),
            _ => format!("[ \"$1\" = --version ] && {version}"),
        };
        let cargo = cargo(&does);
        let (_, _, errors) = script("tests/all", &[], cargo.path());
        assert!(errors.contains("rustfmt is missing"), "{does}: {errors}");
        let (status, _, errors) = script("deploy/demo", &[], cargo.path());
        assert_eq!(status, Some(2), "{does}: {errors}");
        assert!(errors.contains("the build failed"), "{does}: {errors}");
    }
}
