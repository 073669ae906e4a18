//! The cases as they are written down: SQL files whose blocks are separated by empty lines.
//!
//! A block is a case: its statements end with `;` at the end of a line and are sent one by one, on one
//! connection. Comments are sent too. Lines that start with `--!` say how to run it:
//!
//! ```text
//! --! values a|b        bound to $1 and $2; extended protocol only
//! --! simple            simple Query only
//! --! extended          extended protocol only
//! --! shape             rows hold times or process ids: compare everything else
//! --! copy text         sent as CopyData when asked for; \n and \t
//! --! call oid a b      a FunctionCall instead of a text, arguments as text
//! --! fails 42883       PostgreSQL has no such function or table here, and both say so
//! --! pending guard     refused still by this guard, and one day not any more
//! ```

use std::path::Path;

/// One case.
#[derive(Debug, Default)]
pub struct Case {
    pub steps: Vec<String>,
    pub values: Vec<String>,
    pub simple: bool,
    pub extended: bool,
    pub shape: bool,
    pub copy: String,
    pub call: Option<String>,
    pub pending: Option<String>,
    pub fails: Option<String>,
}

impl Case {
    /// What the tests call it.
    pub fn name(&self) -> String {
        let all = self.steps.join("; ") + self.call.as_deref().unwrap_or_default();
        all.chars().take(200).collect()
    }
}

/// Reads `tests/ordinary/NAME.sql`.
pub fn family(name: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/ordinary")
        .join(format!("{name}.sql"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.split("\n\n").filter_map(case).collect()
}

/// A block; None if it is a headline: comments only.
fn case(block: &str) -> Option<Case> {
    let mut case = Case::default();
    let mut step = String::new();
    for line in block.lines() {
        if let Some(directive) = line.strip_prefix("--! ") {
            let (word, rest) = directive.split_once(' ').unwrap_or((directive, ""));
            match word {
                "values" => case.values = rest.split('|').map(str::to_owned).collect(),
                "simple" => case.simple = true,
                "extended" => case.extended = true,
                "shape" => case.shape = true,
                "copy" => case.copy = rest.replace("\\n", "\n").replace("\\t", "\t"),
                "call" => case.call = Some(rest.to_owned()),
                "fails" => case.fails = Some(rest.to_owned()),
                "pending" => case.pending = Some(rest.to_owned()),
                _ => panic!("unknown: {line}"),
            }
        } else if let Some(last) = line.strip_suffix(';') {
            step.push_str(last);
            case.steps.push(std::mem::take(&mut step));
        } else {
            step.push_str(line);
            step.push('\n');
        }
    }
    let rest_is_comment = step
        .lines()
        .all(|line| line.starts_with("--") || line.trim().is_empty());
    assert!(rest_is_comment, "no ; at the end of {step}");
    case.extended |= !case.values.is_empty();
    let empty = case.steps.is_empty() && case.call.is_none();
    (!empty).then_some(case)
}
