//! JUnit's XML, as CI systems read it.

use std::fmt::Write as _;

/// One test case of a report.
#[derive(Clone, Debug)]
pub(super) struct JunitCase {
    /// The file that it stands in.
    pub file: String,
    pub name: String,
    pub result: JunitResult,
}

/// What came of it, on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JunitResult {
    Passed,
    /// It is not as it should be.
    Failed(String),
    /// It could not be looked at.
    Error(String),
}

/// The report; cases of one file make one suite.
pub(super) fn junit(cases: &[JunitCase]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for suite in cases.chunk_by(|a, b| a.file == b.file) {
        let count = |is: fn(&JunitResult) -> bool| suite.iter().filter(|it| is(&it.result)).count();
        let failures = count(|result| matches!(result, JunitResult::Failed(_)));
        let errors = count(|result| matches!(result, JunitResult::Error(_)));
        let errors = match errors {
            0 => String::new(),
            errors => format!(" errors=\"{errors}\""),
        };
        let file = escaped(suite.first().map_or("", |case| &case.file));
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{failures}\"{errors}>",
            suite.len()
        );
        for case in suite {
            let name = escaped(&case.name);
            let (element, message) = match &case.result {
                JunitResult::Passed => {
                    let _ = writeln!(xml, "    <testcase classname=\"{file}\" name=\"{name}\"/>");
                    continue;
                }
                JunitResult::Failed(message) => ("failure", message),
                JunitResult::Error(message) => ("error", message),
            };
            let _ = writeln!(
                xml,
                "    <testcase classname=\"{file}\" name=\"{name}\">\n      <{element} message=\"{}\"/>\n    </testcase>",
                escaped(message)
            );
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// For an attribute; what XML 1.0 cannot hold becomes a space.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push(' '),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_files_and_nothing_breaks_out_of_an_attribute() {
        let case = |file: &str, result| JunitCase {
            file: file.to_owned(),
            name: "a \"b\" <c> & d\u{1b}".to_owned(),
            result,
        };
        let failed = JunitResult::Failed("e<f".to_owned());
        let error = JunitResult::Error("\"g\"".to_owned());
        let xml = junit(&[
            case("x", JunitResult::Passed),
            case("x", failed),
            case("y", error),
        ]);
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n\
            \x20 <testsuite name=\"x\" tests=\"2\" failures=\"1\">\n\
            \x20   <testcase classname=\"x\" name=\"a &quot;b&quot; &lt;c&gt; &amp; d \"/>\n\
            \x20   <testcase classname=\"x\" name=\"a &quot;b&quot; &lt;c&gt; &amp; d \">\n\
            \x20     <failure message=\"e&lt;f\"/>\n    </testcase>\n  </testsuite>\n\
            \x20 <testsuite name=\"y\" tests=\"1\" failures=\"0\" errors=\"1\">\n\
            \x20   <testcase classname=\"y\" name=\"a &quot;b&quot; &lt;c&gt; &amp; d \">\n\
            \x20     <error message=\"&quot;g&quot;\"/>\n    </testcase>\n\
            \x20 </testsuite>\n</testsuites>\n";
        assert_eq!(xml, expected);
    }
}
