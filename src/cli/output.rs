//! How the console's answers and errors are shown: aligned for people, JSON for scripts.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::client::{Answer, ClientError, Column};

/// Something was refused or found.
pub const REFUSED: u8 = 1;
/// It could not be done.
pub const COULD_NOT: u8 = 2;

/// Writes to stdout. A reader that has gone (`| head`) is no error of ours.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end_matches('\n'));
}

/// Writes to stderr; never fails, since nobody could be told.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end_matches('\n'));
}

/// Shows why something was not done, and the exit code that says the same.
pub fn fail(error: &ClientError, as_json: bool) -> ExitCode {
    let refusal = match error {
        ClientError::Refused(refusal) => Some(refusal),
        _ => None,
    };
    if as_json {
        let fields = json!({
            "message": error.to_string(),
            "sqlstate": refusal.map(|refusal| &refusal.sqlstate),
            "detail": refusal.and_then(|refusal| refusal.detail.as_ref()),
            "hint": refusal.and_then(|refusal| refusal.hint.as_ref()),
        });
        say(&json!({ "error": fields }).to_string());
    } else {
        let mut text = format!("error: {error}\n");
        for (word, line) in [
            ("detail", refusal.and_then(|r| r.detail.as_ref())),
            ("hint", refusal.and_then(|r| r.hint.as_ref())),
        ] {
            if let Some(line) = line {
                let _ = writeln!(text, "  {word:<6}  {line}"); // a String takes everything
            }
        }
        tell(&text);
    }
    ExitCode::from(if refusal.is_some() {
        REFUSED
    } else {
        COULD_NOT
    })
}

/// The rows as a JSON array of objects; a verb without rows as its tag.
pub fn as_json(answer: &Answer) -> Value {
    if answer.columns.is_empty() {
        return json!({ "done": answer.tag });
    }
    answer.rows.iter().map(|row| object(answer, row)).collect()
}

/// One row as a JSON object.
pub fn object(answer: &Answer, row: &[Option<String>]) -> Value {
    let value = |number: bool, text: &Option<String>| match text {
        None => Value::Null,
        Some(text) if number => text
            .parse::<i64>()
            .map_or_else(|_| text.as_str().into(), Value::from),
        Some(text) => text.as_str().into(),
    };
    let fields = answer
        .columns
        .iter()
        .zip(row)
        .map(|(column, text)| (column.name.clone(), value(column.number, text)));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// The rows as psql aligns them; a verb without rows as its tag.
pub fn as_table(answer: &Answer) -> String {
    if answer.columns.is_empty() {
        return answer.tag.clone();
    }
    let value = |value: &Option<String>| printable(value.as_deref().unwrap_or(""));
    let rows = answer.rows.iter();
    let rows: Vec<Vec<String>> = rows.map(|row| row.iter().map(value).collect()).collect();
    let widths = widths(&answer.columns, &rows);
    let named = answer.columns.iter().zip(&widths);
    let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut lines = vec![
        line(named.map(|(column, width)| format!("{:^width$}", column.name))),
        format!("-{}-", dashes.join("-+-")),
    ];
    for row in &rows {
        let cells = row.iter().zip(&answer.columns).zip(&widths);
        lines.push(line(cells.map(
            |((value, column), width)| match column.number {
                true => format!("{value:>width$}"),
                false => format!("{value:<width$}"),
            },
        )));
    }
    let unit = if rows.len() == 1 { "row" } else { "rows" };
    lines.push(format!("({} {unit})", rows.len()));
    lines.join("\n")
}

/// The longest of each column, its name among them.
fn widths(columns: &[Column], rows: &[Vec<String>]) -> Vec<usize> {
    let width = |(at, column): (usize, &Column)| {
        let values = rows.iter().filter_map(|row| row.get(at));
        let lengths = values.map(|value| value.chars().count());
        lengths.fold(column.name.chars().count(), usize::max)
    };
    columns.iter().enumerate().map(width).collect()
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let line = format!(" {}", cells.collect::<Vec<_>>().join(" | "));
    line.trim_end().to_owned()
}

/// On one line, and nothing that a terminal would obey: what is hidden is a blank.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if is_hidden(c) { ' ' } else { c })
        .collect()
}

/// Control characters, and those without a look of their own: they turn the direction of a line or join words.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c), 0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e
            | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb | 0xe0000..=0xe007f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::Column;

    fn answer() -> Answer {
        let column = |name: &str, number| Column {
            name: name.into(),
            number,
        };
        Answer {
            columns: vec![
                column("id", false),
                column("statements", true),
                column("note", false),
            ],
            rows: vec![
                vec![Some("mig_4k7qz2hd".into()), Some("2".into()), None],
                vec![
                    Some("mig_00000001".into()),
                    Some("10".into()),
                    Some("a\x1b[31m\nb".into()),
                ],
            ],
            tag: "SHOW".into(),
        }
    }

    #[test]
    fn tables_are_aligned_and_harmless() {
        let expected = [
            "      id      | statements |   note",
            "--------------+------------+----------",
            " mig_4k7qz2hd |          2 |",
            " mig_00000001 |         10 | a [31m b",
            "(2 rows)",
        ];
        assert_eq!(as_table(&answer()).lines().collect::<Vec<_>>(), expected);
        assert_eq!(
            as_table(&Answer {
                tag: "RELOAD".into(),
                ..Answer::default()
            }),
            "RELOAD"
        );
    }

    #[test]
    fn json_has_numbers_and_nulls() {
        let rows = as_json(&answer());
        assert_eq!(rows[0]["statements"], 2);
        assert_eq!(rows[0]["note"], Value::Null);
        assert_eq!(rows[1]["note"], "a\x1b[31m\nb");
        assert_eq!(
            as_json(&Answer {
                tag: "RELOAD".into(),
                ..Answer::default()
            }),
            json!({ "done": "RELOAD" })
        );
    }
}
