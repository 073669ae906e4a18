//! The port locks lie in a directory with a name that everybody knows, where everybody may lay something:
//! the tests and `deploy/demo` take them in a directory of their own only.

mod support;

use std::fs::{DirBuilder, Permissions, create_dir, set_permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use support::ports::Ports;

/// What `take_ports` of `deploy/demo` takes with this TMPDIR, first of all the same block each time: its status,
/// the first port, what it says.
fn taken_by_demo(temporary: &Path) -> (Option<i32>, String, String) {
    let script = "set -euo pipefail\n\
                  . deploy/demo.d/tell.sh\n\
                  . deploy/demo.d/stack.sh\n\
                  RANDOM=7\n\
                  take_ports\n\
                  echo \"$port\"";
    let output = Command::new("bash")
        .args(["-c", script])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("TMPDIR", temporary)
        .output()
        .expect("run bash");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn uid() -> rustix::process::Uid {
    rustix::process::geteuid()
}

fn locks(temporary: &Path) -> PathBuf {
    temporary.join(format!("portcullis-ports-{}", uid().as_raw()))
}

/// Both refuse it, name it and leave the victim as it is.
fn is_refused(temporary: &Path, how: &str) {
    let directory = locks(temporary);
    let name = directory.display().to_string();
    let problem = Ports::lock_in(&directory).err();
    let (status, port, said) = taken_by_demo(temporary);
    let bytes = std::fs::read_to_string(temporary.join("victim")).expect("the victim");
    assert_eq!(bytes, "kept", "{how}: the victim");
    let problem = problem.unwrap_or_else(|| panic!("{how}: the tests take it"));
    assert!(problem.contains(&name), "{how}: {problem}");
    assert_eq!(status, Some(2), "{how}: deploy/demo took {port}: {said}");
    assert!(said.contains(&name), "{how}: {said}");
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    let work = tempfile::tempdir().expect("a directory");
    let victim = work.path().join("victim");
    std::fs::write(&victim, "kept").expect("a victim");
    // A link to it for every block there is.
    let directory = locks(work.path());
    create_dir(&directory).expect("a directory");
    for base in (10_000..32_000).step_by(8) {
        symlink(&victim, directory.join(base.to_string())).expect("a link");
    }
    for mode in [0o777, 0o1777, 0o770, 0o707] {
        set_permissions(&directory, Permissions::from_mode(mode)).expect("chmod");
        is_refused(work.path(), &format!("mode {mode:o}"));
    }
    set_permissions(&directory, Permissions::from_mode(0o700)).expect("chmod");
    if uid().is_root() {
        let owned_by = |id: u32| chown(&directory, Some(id), Some(id)).expect("chown");
        owned_by(65_534);
        is_refused(work.path(), "a foreign one");
        owned_by(0);
    }
    let elsewhere = work.path().join("elsewhere");
    std::fs::rename(&directory, &elsewhere).expect("renamed");
    symlink(&elsewhere, &directory).expect("a link");
    is_refused(work.path(), "a link");
}

#[test]
fn what_is_no_directory_or_cannot_be_made_is_refused() {
    let work = tempfile::tempdir().expect("a directory");
    let file = locks(work.path());
    std::fs::write(&file, "kept").expect("a file");
    let nowhere = work.path().join("nowhere");
    for temporary in [work.path(), &nowhere] {
        let name = locks(temporary).display().to_string();
        let problem = Ports::lock_in(&locks(temporary)).err().expect("a problem");
        assert!(problem.contains(&name), "{problem}");
        let (status, _, said) = taken_by_demo(temporary);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains(&name), "{said}");
    }
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), "kept");
    assert!(!nowhere.exists());
}

#[test]
fn the_tests_and_the_demo_share_a_directory_of_their_own() {
    for by_demo in [false, true] {
        let work = tempfile::tempdir().expect("a directory");
        let directory = locks(work.path());
        if by_demo {
            assert_eq!(taken_by_demo(work.path()).0, Some(0));
        } else {
            drop(Ports::lock_in(&directory).map_err(|problem| panic!("{problem}")));
        }
        let mode = std::fs::metadata(&directory).expect("made").permissions();
        assert_eq!(mode.mode() & 0o7777, 0o700, "made by the demo: {by_demo}");
    }

    // Others may read it: so it was made before.
    let work = tempfile::tempdir().expect("a directory");
    let directory = locks(work.path());
    DirBuilder::new()
        .mode(0o755)
        .create(&directory)
        .expect("a directory");
    let (status, first, said) = taken_by_demo(work.path());
    assert_eq!(status, Some(0), "{said}");
    let lock = std::fs::File::open(directory.join(&first)).expect("its lock");
    lock.lock().expect("locked");
    let (status, second, said) = taken_by_demo(work.path());
    assert_eq!(status, Some(0), "{said}");
    assert_ne!(first, second, "one that the tests hold");
    let one = Ports::lock_in(&directory).map(|mut ports| (ports.next(), ports));
    let two = Ports::lock_in(&directory).map(|mut ports| (ports.next(), ports));
    let (Ok((one, _held)), Ok((two, _too))) = (one, two) else {
        panic!("no ports")
    };
    assert_ne!(one, two);
}
