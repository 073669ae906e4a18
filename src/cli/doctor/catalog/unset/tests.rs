use super::*;

const READ: &str = "current_setting('app.tenant_id'::text, true)";

fn read(text: &str) -> Condition {
    Condition::read(text, &["tenant_id".to_owned()])
}

/// What would be asked.
fn asked(condition: &Condition) -> Vec<String> {
    match &condition.kind {
        Kind::Any(parts) | Kind::All(parts) => parts.iter().flat_map(asked).collect(),
        Kind::Free(asked) => asked.iter().flatten().cloned().collect(),
        Kind::Keeps | Kind::Beside => Vec::new(),
    }
}

/// Where all that is asked is true.
fn all_true(condition: &Condition) -> Answers {
    Answers(
        asked(condition)
            .into_iter()
            .map(|sql| (sql, true))
            .collect(),
    )
}

#[test]
fn constants_stand_for_what_is_read() {
    let first = |text: &str| asked(&read(&format!("({text} OR (tenant_id = {READ}))")));
    assert_eq!(
        first(&format!("({READ} IS NULL)")),
        ["((NULL::text) IS NULL)", "((''::text) IS NULL)"]
    );
    assert_eq!(
        first(&format!("(COALESCE({READ}, ''::text) <> 'x'::text)")),
        [
            "(COALESCE((NULL::text), ''::text) <> 'x'::text)",
            "(COALESCE((''::text), ''::text) <> 'x'::text)"
        ]
    );
    // Never mentioned it is an error.
    assert_eq!(
        first("(current_setting('app.tenant_id'::text) = ''::text)"),
        ["((''::text) = ''::text)"]
    );
}

#[test]
fn nothing_is_asked_that_may_do_something_or_names_a_column() {
    for text in [
        "tenant_id IS NULL",
        "public.f() IS NULL",
        "public.length('x'::text) = 1",
        "\"length\"('x'::text) = 1",
        "\"coalesce\" IS NULL",
        "'x'::public.odd IS NULL",
        "pg_sleep((1)::double precision) IS NULL",
        "set_config('app.tenant_id'::text, 'x'::text, true) IS NULL",
        "current_setting('role'::text) = 'none'::text",
        "current_setting(name, true) IS NULL",
        "current_setting(('app.'::text || 'x'::text), true) IS NULL",
        "CURRENT_USER = 'boss'::name",
        "''::text ~ '(a*)*'::text",
        "'x'::text OPERATOR(public.=) 'x'::text",
        "EXISTS ( SELECT 1)",
        "length IS NULL",
    ] {
        let condition = read(&format!("(({text}) OR (tenant_id = {READ}))"));
        assert_eq!(asked(&condition), Vec::<String>::new(), "{text}");
        assert!(!condition.opens(&all_true(&condition)), "{text}");
    }
}

#[test]
fn alternatives_open_and_are_taken_away() {
    let none = &format!("({READ} IS NULL)");
    let own = &format!("(tenant_id = {READ})");
    for (text, closed) in [
        (format!("({none} OR {own})"), Some(own.clone())),
        (format!("({own} OR {none})"), Some(own.clone())),
        (
            format!("({none} OR ({READ} = ''::text) OR {own})"),
            Some(own.clone()),
        ),
        (
            format!("({own} OR (a IS NOT NULL) OR {none})"),
            Some(format!("({own} OR (a IS NOT NULL))")),
        ),
        (
            format!("((deleted IS NULL) AND ({none} OR {own}))"),
            Some(format!("((deleted IS NULL) AND {own})")),
        ),
        (none.clone(), None),
    ] {
        let condition = read(&text);
        let answers = all_true(&condition);
        assert!(condition.opens(&answers), "{text}");
        assert_eq!(condition.closed(&answers), closed, "{text}");
        assert!(!condition.opens(&Answers::default()), "{text}");
    }
    for text in [
        own.clone(),
        format!("(public AND {none}) OR {own}"),
        format!("({own} OR (a = 1))"),
        format!("({own} AND ({none} OR (region = 'x'::text)))"),
        format!("(public.mine(id) AND ({none} OR {own}))"),
        format!("((owner = {READ}) AND ({none} OR {own}))"),
        format!("((tenant_id = 'open'::text) AND {none})"),
        format!("(NOT ({none} OR {own}))"),
        format!("(a BETWEEN 1 AND 2 OR {none}"),
        format!("{}{none} OR {own}{}", "(".repeat(2000), ")".repeat(2000)),
        String::new(),
    ] {
        let condition = read(&text);
        let answers = all_true(&condition);
        assert!(
            !condition.opens(&answers) || text.starts_with("(((("),
            "{text}"
        );
    }
}
