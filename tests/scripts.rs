//! The scripts of this repository: what they say of themselves, and what they do with what they do not know.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const SCRIPTS: [&str; 5] = [
    "tests/all",
    ".ci/run",
    "tests/fuzz/run",
    "deploy/demo",
    "deploy/parts",
];

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
            let line = format!("  {} ", name.replace(".ci/run", "tests/all"));
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
    let known: [(&str, &[&str]); 3] = [
        ("tests/all", &[]),
        (".ci/run", &[]),
        ("tests/fuzz/run", &["5", "zones"]),
    ];
    for (name, arguments) in known {
        assert_eq!(script(name, arguments, cargo.path()).0, Some(1), "{name}");
    }
}
