//! Texts made to hold a parser: all refused or read at once, on a small stack.

use std::time::Duration;

use super::super::{
    Depth, ExtensionAct, FUNCTIONS, Facts, MAX_COMMENT_DEPTH, MAX_NAME_PARTS, MAX_OPERATOR_RUN,
    MAX_STATEMENTS, Undescribed, describe, describe_at,
};
use super::facts;

/// The processor's time that this thread had, whatever else the machine does.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanoseconds = stat.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.expect("a number"))
}

/// Describes on a stack of 2 MB, tokio's default, and allows it five seconds of processor time:
/// quadratic time would be far more.
fn quickly(text: String) -> Facts {
    let work = move || {
        let start = cpu_time();
        let facts = describe(text.as_bytes());
        let took = cpu_time() - start;
        assert!(took < Duration::from_secs(5), "{took:?} for {:.40}", text);
        let start = cpu_time();
        describe_at(text.as_bytes(), Depth::Names);
        let took = cpu_time() - start;
        assert!(
            took < Duration::from_secs(5),
            "{took:?} with names for {text:.40}"
        );
        facts
    };
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap()
}

#[test]
fn quadratic_texts_are_refused_at_once() {
    let table = [
        (
            format!("{}{}select 1", "/*".repeat(80_000), "*/".repeat(80_000)),
            Undescribed::ScanCost,
        ),
        (
            format!("{}{}select 1", "/* ".repeat(80_000), "*/".repeat(80_000)),
            Undescribed::CommentDepth,
        ),
        (
            format!("select {}1", "+".repeat(400_000)),
            Undescribed::OperatorRun,
        ),
        (
            format!("select {}1", format!("{} ", "+".repeat(60)).repeat(1600)),
            Undescribed::ScanCost,
        ),
        (
            format!("select 1{}", "/****//****/".repeat(26_000)),
            Undescribed::ScanCost,
        ),
        // The grammar copies the whole name with each part: hundreds of gigabytes.
        (
            format!("set a{} = 1", ".b".repeat(400_000)),
            Undescribed::ScanCost,
        ),
        (
            format!("alter role a set a{} = 1", " /**/ . \"b\"".repeat(40_000)),
            Undescribed::ScanCost,
        ),
        (
            format!("reset a{}", ".U&\"b\" uescape '!'".repeat(40_000)),
            Undescribed::ScanCost,
        ),
        (
            format!(
                "show {}",
                "x".repeat(MAX_NAME_PARTS) + &".b".repeat(MAX_NAME_PARTS)
            ),
            Undescribed::ScanCost,
        ),
    ];
    for (text, reason) in table {
        assert_eq!(quickly(text).undescribed, Some(reason));
    }
}

#[test]
fn the_bounds_are_where_they_are_said_to_be() {
    let depth = MAX_COMMENT_DEPTH as usize;
    facts(&format!(
        "{}{}select 1",
        "/* ".repeat(depth),
        " */".repeat(depth)
    ));
    let deeper = format!(
        "{}{}select 1",
        "/* ".repeat(depth + 1),
        " */".repeat(depth + 1)
    );
    assert_eq!(
        describe(deeper.as_bytes()).undescribed,
        Some(Undescribed::CommentDepth)
    );
    facts(&format!("select {}1", "+".repeat(MAX_OPERATOR_RUN)));
    let longer = format!("select {}1", "+".repeat(MAX_OPERATOR_RUN + 1));
    assert_eq!(
        describe(longer.as_bytes()).undescribed,
        Some(Undescribed::OperatorRun)
    );
    let parts = |parts: usize| vec!["a"; parts].join(".");
    facts(&format!("set {} = 1", parts(MAX_NAME_PARTS)));
    let longer = format!("set {} = 1", parts(MAX_NAME_PARTS + 1));
    assert_eq!(
        describe(longer.as_bytes()).undescribed,
        Some(Undescribed::ScanCost)
    );
    // Many short names are no long one, whatever stands between them.
    let names = vec!["a.b"; 100];
    facts(&format!("select {}", names.join(", ")));
    facts(&format!("select 1 where {}", names.join(" and ")));
    facts(&format!("select 1 from {}", names.join(" natural join ")));
}

#[test]
fn a_text_may_have_many_statements_but_not_any_number() {
    let at_most = "end;".repeat(MAX_STATEMENTS);
    assert_eq!(facts(&at_most).statements.len(), MAX_STATEMENTS);
    let more = describe((at_most + "end").as_bytes());
    assert_eq!(more.undescribed, Some(Undescribed::TooManyStatements));
    assert!(more.statements.is_empty() && more.fingerprint.is_some());
    // Empty ones do not count.
    facts(&";".repeat(2 * MAX_STATEMENTS));
}

#[test]
fn banners_and_rulers_pass() {
    let stars = "*".repeat(78);
    facts(&format!("/{stars}/\n/* text */\n/{stars}/\nselect 1"));
    facts(&format!(
        "{}select 1",
        format!("/{stars}\n * text\n {stars}/\n").repeat(400)
    ));
    facts(&format!(
        "--{}\nselect 1 +--{}\n 1",
        "-".repeat(5000),
        "=".repeat(5000)
    ));
    facts(&format!("/{}/ select 1", "*".repeat(100_000)));
}

#[test]
fn deep_and_long_texts_neither_crash_nor_hang() {
    let some = "with a as (select 1) select ";
    for n in [2_000, 30_000, 100_000] {
        let texts = [
            format!("select {}1{}", "(".repeat(n), ")".repeat(n)),
            format!("{some}{}1{}", "(".repeat(n), ")".repeat(n)),
            format!("{some}{}", "(select ".repeat(n.min(100_000))),
            format!("{some}{}1", "- ".repeat(n)),
            format!("{some}{}1", "not ".repeat(n.min(200_000))),
            format!("{some}1{}", " and 1".repeat(n.min(150_000))),
            format!("{some}1{}", " + 1".repeat(n.min(200_000))),
            format!("{some}1{}", " union select 1".repeat(n.min(60_000))),
            format!(
                "{}select 1{}",
                "with a as (".repeat(n.min(80_000)),
                ") select 1".repeat(n.min(80_000))
            ),
            format!(
                "{}select 1{}",
                "with x as (select 1), y as (".repeat(n.min(2_000)),
                ") select * from a, b, c".repeat(n.min(2_000))
            ),
            format!(
                "with x as (table t){} table x",
                ", x as (table x)".repeat(n.min(30_000))
            ),
            format!("select * from x{}", ", x".repeat(n)),
            format!("{some}{}1{}", "f(".repeat(n), ")".repeat(n)),
            format!("drop extension x{}", ", y".repeat(n)),
            format!("select {}1", "set_config(".repeat(n.min(90_000))),
            format!("copy {}", "(copy ".repeat(n)),
            format!("explain {}", "analyze explain ".repeat(n.min(60_000))),
            ";".repeat(n),
            "$a".repeat(n),
            "'a'\n".repeat(n),
        ];
        for text in texts {
            quickly(text);
        }
    }
}

/// What looks like a call is counted, by name and by what stands before the dot.
#[test]
fn many_columns_named_like_functions_take_no_longer_than_they_are() {
    let columns = ["x.dblink"; 20_000].join(",");
    let items = ["f() x (dblink)"; 20_000].join(",");
    let told = quickly(format!("select {columns} from {items}"));
    assert!(told.statements[0].functions.is_empty());
    let one = quickly(format!("select {columns} from {items}, f() x"));
    assert_eq!(one.statements[0].functions, ["dblink"]);

    let names = FUNCTIONS.iter().map(|(name, _)| *name);
    let names: Vec<_> = names.filter(|name| !name.contains(['.', '*'])).collect();
    for (before, form, after) in [
        ("select ", "t.NAME", " from t"),
        ("select 1 from ", "t NAME (a)", ""),
    ] {
        let all = names.iter().cycle().take(40_000);
        let all: Vec<_> = all.map(|name| form.replace("NAME", name)).collect();
        let told = quickly(format!("{before}{}{after}", all.join(",")));
        assert_eq!(told.undescribed, None);
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    for bytes in [
        &b"select '\xff'"[..],
        b"select 1\0",
        b"\xc0\xaf",
        b"select '\xed\xa0\x80'",
    ] {
        let facts = describe(bytes);
        assert_eq!(facts.undescribed, Some(Undescribed::Encoding));
        assert!(facts.fingerprint.is_some());
    }
    facts("select 'é', \"ü\" from ñandú");
}

/// Refusals and the facts of prepared statements wait in memory: what they hold must not grow with the text.
#[test]
fn facts_keep_no_long_piece_of_the_text() {
    let long = "x".repeat(100_000);
    let facts = crate::sql::describe(format!("select 1 {long} {long}").as_bytes());
    let Some(Undescribed::Syntax { message, .. }) = facts.undescribed else {
        panic!("{facts:?}");
    };
    assert!(message.starts_with("syntax error at or near \"xxx"));
    assert!(message.len() < 300, "{}", message.len());

    let extensions = |text: String| {
        let mut facts = describe(text.as_bytes());
        std::mem::take(&mut facts.statements[0].details.extensions)
    };
    let [extension] = &extensions(format!("create extension a version '{long}'"))[..] else {
        panic!("one extension");
    };
    // Not none, which would stand for any version.
    let ExtensionAct::Create { version, .. } = &extension.act else {
        panic!("{extension:?}");
    };
    assert!(version.as_ref().is_some_and(|version| version.len() < 600));
    let names: Vec<String> = (0..2000).map(|n| format!("x{n}")).collect();
    let dropped = extensions(format!("drop extension {}", names.join(", ")));
    assert!(dropped.len() < 200);
    assert!(dropped.last().is_some_and(|last| last.name.is_empty()));

    for text in [
        format!("set local a.b = '{long}'"),
        format!("select set_config('a.b', '{long}', true)"),
        format!("select set_config('a.{long}', 'b', true)"),
    ] {
        let facts = crate::sql::describe(text.as_bytes());
        let touch = &facts.statements[0].parameters[0];
        assert_eq!(touch.value, None, "{text:.30}");
        assert!(!matches!(&touch.name, crate::sql::ParameterName::Named(name) if name.len() > 600));
    }
}
