//! What the README tells a stranger to write and to type works, and its links lead somewhere.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("read README.md")
}

/// The exit status of the program under test, run in the repository.
fn portcullis(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let output = command
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("run portcullis");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// What stands between `open` and the next `close`, each time.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open)
        .skip(1)
        .filter_map(move |rest| rest.split(close).next())
}

#[test]
fn its_configuration_and_policy_fit() {
    let work = tempfile::tempdir().expect("create a directory");
    let readme = readme();
    let blocks: Vec<&str> = between(&readme, "```toml\n", "```").collect();
    let [config, policy] = blocks[..] else {
        panic!("{} blocks of TOML", blocks.len())
    };
    let here = format!("{}/", work.path().display());
    let file = work.path().join("portcullis.toml");
    let mut config = config.to_owned();
    for there in ["/etc/portcullis/", "/etc/pgbouncer/"] {
        assert!(config.contains(there), "{config}");
        config = config.replace(there, &here);
    }
    std::fs::write(&file, config).expect("write");
    std::fs::write(work.path().join("production.toml"), policy).expect("write");
    let (status, said) = portcullis(&["check", file.to_str().expect("UTF-8")]);
    assert_eq!(status, Some(0), "{said}");
    // Nobody's logins, certificates and directories are here.
    let warnings = said
        .lines()
        .filter(|line| line.starts_with("warning: "))
        .inspect(|line| {
            let elsewhere = ["was not looked at: ", "there is no directory for it: "];
            assert!(elsewhere.iter().any(|part| line.contains(part)), "{said}");
        });
    let end = format!("\n2 files checked: {} warnings\n", warnings.count());
    assert!(said.ends_with(&end), "{said}");
    assert!(said.contains("whether every login can log in was not looked at: "));
}

#[test]
fn it_names_the_rust_that_cargo_asks_for() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("read Cargo.toml");
    let wanted = between(&manifest, "\nrust-version = \"", "\"").next();
    let wanted = wanted.expect("a version");
    let readme = readme();
    let named: Vec<&str> = between(&readme, "[Rust](https://rustup.rs) ", " or newer").collect();
    assert_eq!(named, [wanted; 2]);
}

#[test]
fn its_help_topics_are_there_and_its_example_is_refused() {
    let readme = readme();
    let topics: Vec<&str> = between(&readme, "`portcullis help ", "`").collect();
    assert!(topics.len() >= 3, "{topics:?}");
    for topic in topics {
        assert_eq!(portcullis(&["help", topic]).0, Some(0), "help {topic}");
    }
    let line = between(&readme, "\n    portcullis explain ", "\n").next();
    let line = line.expect("an example of explain");
    let (options, statement) = line.split_once(" '").expect("a statement in quotes");
    let mut arguments = vec!["explain"];
    arguments.extend(options.split(' '));
    arguments.push(statement.trim_end_matches('\''));
    let (status, said) = portcullis(&arguments);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("ddl-outside-migration"), "{said}");
    let shown = readme.split_once(line).expect("it is there").1;
    let shown = shown.lines().skip(2).take_while(|line| !line.is_empty());
    let shown: Vec<&str> = shown.map(|line| line.trim_start_matches("    ")).collect();
    assert_eq!(shown.len(), 4, "{shown:?}");
    for line in shown {
        let line = line.trim();
        assert!(
            said.lines().any(|said| said.trim() == line),
            "{line}\n{said}"
        );
    }
}

#[test]
fn what_it_shows_of_check_and_test_is_what_they_print() {
    let readme = readme();
    for command in ["check policies/production.toml", "test policies"] {
        let typed = format!("    $ portcullis {command}\n");
        let shown: Vec<&str> = between(&readme, &typed, "\n\n")
            .flat_map(|block| block.lines())
            .map(str::trim)
            .take_while(|line| !line.starts_with('$'))
            .filter(|line| *line != "...")
            .collect();
        assert_eq!(shown.len(), 1, "{command}: {shown:?}");
        let arguments: Vec<&str> = command.split(' ').collect();
        let (status, said) = portcullis(&arguments);
        assert_eq!(status, Some(0), "{said}");
        assert!(
            said.lines().any(|line| line == shown[0]),
            "{shown:?}\n{said}"
        );
    }
}

#[test]
fn its_links_lead_to_files_and_headings() {
    let guards = std::fs::read_dir(root().join("policies/guards")).expect("the pages");
    let pages = guards.map(|page| page.expect("a page").path());
    let others = [
        "README.md",
        "CHANGELOG.md",
        "benches/README.md",
        "tests/README.md",
        "deploy/sql/README.md",
    ];
    for file in others
        .map(|name| root().join(name))
        .into_iter()
        .chain(pages)
    {
        let name = file.display();
        let text = std::fs::read_to_string(&file).expect("read");
        for link in between(&text, "](", ")").filter(|link| !link.starts_with("https://")) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target: PathBuf = file.parent().expect("a directory").join(path);
            assert!(path.is_empty() || target.exists(), "{name}: {link}");
            let is_it = |line: &str| {
                let title = line.trim_start_matches(['#', ' ']).to_lowercase();
                line.starts_with('#') && title.replace(' ', "-") == heading
            };
            assert!(
                heading.is_empty() || text.lines().any(is_it),
                "{name}: {link}"
            );
        }
    }
}
