//! Rules about the source itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use portcullis::policy::Guard;

const LONGEST_FILE: usize = 500;

/// What a PURE module may not name: time and random bytes are its arguments.
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "socket2",
    "rustix",
    "rusqlite",
    "Instant",
    "SystemTime",
    "rand",
    "getrandom",
    "SystemRandom",
];
/// The same, below `std`.
const IMPURE_STD: &[&str] = &["net", "env", "fs", "process", "thread", "os"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below `directory`, in order; none if it does not exist.
fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a directory entry").path())
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect();
    found.sort();
    found
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    files(directory)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

/// The modules that lib.rs marks PURE.
fn pure_modules() -> Vec<String> {
    let library = read(&root().join("src/lib.rs"));
    let marked = library
        .lines()
        .filter_map(|line| line.strip_suffix("; // PURE")?.strip_prefix("pub mod "));
    marked.map(str::to_owned).collect()
}

/// The code of a file without comments and without an inline test module at its end.
fn code(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or("").trim())
        .collect();
    let is_tests = |pair: &[&str]| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    };
    let end = lines.windows(2).position(is_tests).unwrap_or(lines.len());
    lines[..end].join("\n")
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
}

/// What `code` names and a PURE module may not.
fn impurities(code: &str) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = words(code)
        .filter(|word| IMPURE.contains(word))
        .map(str::to_owned)
        .collect();
    let compact: String = code.split_whitespace().collect();
    for (start, _) in compact.match_indices("std::") {
        let path = &compact[start + "std::".len()..];
        // `use std::{a, b}` names both; otherwise the next word is the module.
        let named = match path.strip_prefix('{') {
            Some(group) => words(group.split(';').next().unwrap_or("")).collect::<Vec<_>>(),
            None => words(path).take(1).collect(),
        };
        found.extend(
            named
                .into_iter()
                .filter(|name| IMPURE_STD.contains(name))
                .map(|name| format!("std::{name}")),
        );
    }
    found
}

#[test]
fn pure_modules_know_no_socket_clock_environment_file_or_randomness() {
    let modules = pure_modules();
    assert!(modules.len() >= 6, "lib.rs marks only {modules:?} PURE");
    for module in modules {
        let mut sources = rust_files(&root().join("src").join(&module));
        sources.extend(Some(root().join(format!("src/{module}.rs"))).filter(|path| path.exists()));
        assert!(!sources.is_empty(), "module {module} has no files");
        let is_test = |path: &PathBuf| {
            path.iter()
                .any(|part| part == "tests" || part == "tests.rs")
        };
        for path in sources.iter().filter(|path| !is_test(path)) {
            let found = impurities(&code(&read(path)));
            assert!(
                found.is_empty(),
                "{} is PURE but names {found:?}",
                path.display()
            );
        }
    }
}

#[test]
fn impurities_are_found_however_they_are_written() {
    for (text, expected) in [
        ("use std::net::IpAddr;", "std::net"),
        (
            "use std::{\n    collections::HashMap,\n    fs,\n};",
            "std::fs",
        ),
        ("let now = std::time::Instant::now();", "Instant"),
        ("use tokio::io;", "tokio"),
        ("std :: env :: var(name)", "std::env"),
    ] {
        assert_eq!(
            impurities(&code(text)).into_iter().collect::<Vec<_>>(),
            [expected],
            "{text}"
        );
    }
    for text in [
        "use std::time::Duration;",
        "// tokio",
        "let fs = net + env;",
        "#[cfg(test)]\nmod tests {\nuse tokio::x;",
    ] {
        assert!(impurities(&code(text)).is_empty(), "{text}");
    }
}

#[test]
fn no_source_file_outgrows_a_head() {
    for path in rust_files(&root().join("src")) {
        let lines = read(&path).lines().count();
        assert!(
            lines <= LONGEST_FILE,
            "{} has {lines} lines, at most {LONGEST_FILE}",
            path.display()
        );
    }
}

#[test]
fn every_guard_has_its_page_and_every_page_its_guard() {
    let guards: BTreeSet<String> = Guard::ALL
        .iter()
        .map(|guard| guard.id().to_owned())
        .collect();
    let pages = files(&root().join("policies/guards"));
    let pages: BTreeSet<String> = pages
        .iter()
        .map(|page| {
            page.file_stem()
                .expect("a file name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(guards, pages, "guards and policies/guards/<id>.md");
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The source of a crate of tests: its file, and those of the directory of its name.
fn tests_called(name: &str) -> Vec<PathBuf> {
    let tests = root().join("tests");
    let mut found = files(&tests.join(name));
    found.extend(Some(tests.join(format!("{name}.rs"))).filter(|path| path.exists()));
    found
}

/// Whether a function has this whole name; with `*` at its end, one that begins so.
fn has_function(text: &str, name: &str) -> bool {
    let fits = |word: &str| match name.strip_suffix('*') {
        Some(begin) => word.starts_with(begin),
        None => word == name,
    };
    let words: Vec<&str> = words(text).collect();
    let mut pairs = words.windows(2);
    pairs.any(|pair| pair[0] == "fn" && fits(pair[1]))
}

#[test]
fn names_of_functions_are_whole() {
    let text = "// a_test\nfn a_test_of_it() {}\nfn other() { a_test(); }";
    assert!(has_function(text, "a_test_of_it") && has_function(text, "a_*"));
    assert!(!has_function(text, "a_test") && !has_function(text, "test*"));
}

#[test]
fn hazards_are_tried_by_tests_that_exist() {
    let mut named = 0;
    for name in quoted(&read(&root().join("tests/HAZARDS.md"))) {
        let (sources, test) = match (name.split_once("::"), name.split_once(": ")) {
            (Some(("file", "test")), _) => continue,
            (Some((file, test)), None) => (tests_called(file), test),
            (None, Some((path, test))) => (vec![root().join(path)], test),
            _ => continue,
        };
        assert!(!sources.is_empty(), "{name}: no such file");
        let test = test.rsplit("::").next().expect("a name");
        let is_there = |path: &PathBuf| {
            // Families of cases are data.
            let is_data = path.file_stem().is_some_and(|stem| stem == test);
            is_data || fs::read_to_string(path).is_ok_and(|text| has_function(&text, test))
        };
        assert!(sources.iter().any(is_there), "{name}: no such test");
        named += 1;
    }
    assert!(named > 100, "HAZARDS.md names only {named} tests");
}

#[test]
fn every_file_of_tests_is_in_their_readme() {
    let readme = read(&root().join("tests/README.md"));
    let named: BTreeSet<&str> = quoted(&readme)
        .flat_map(|quoted| quoted.rsplit(' ').take(1))
        .map(|word| word.strip_suffix(".rs").unwrap_or(word))
        .collect();
    for entry in fs::read_dir(root().join("tests")).expect("list the tests") {
        let path = entry.expect("a directory entry").path();
        if path.extension().is_some_and(|end| end == "rs") {
            let name = path.file_stem().expect("a file name").to_string_lossy();
            assert!(named.contains(&*name), "{name} is not in tests/README.md");
        } else if path.is_dir() {
            let name = path.file_name().expect("a name").to_string_lossy();
            let name = format!("{name}/");
            assert!(named.contains(&*name), "{name} is not in tests/README.md");
        }
    }
}

#[test]
fn nothing_names_a_developers_machine() {
    let private = ["root", "home", "work"].map(|directory| format!("/{directory}/"));
    let directories = [
        "src", "tests", "deploy", "policies", "benches", "docs", ".ci",
    ];
    let mut all: Vec<PathBuf> = directories
        .iter()
        .flat_map(|directory| files(&root().join(directory)))
        .collect();
    let top = fs::read_dir(root())
        .expect("list the repository")
        .flatten()
        .map(|entry| entry.path());
    all.extend(
        top.filter(|path| path.is_file() && path.file_name().is_some_and(|name| name != ".git")),
    );
    for path in all {
        // What is not text names nothing that a reader sees.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            let found = private.iter().find(|path| line.contains(path.as_str()));
            assert_eq!(found, None, "{}:{}: {line}", path.display(), number + 1);
        }
    }
}
