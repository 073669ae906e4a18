use super::*;

fn command(text: &str) -> Result<Command, Malformed> {
    read(text.as_bytes()).expect("a command").command
}

fn start(slot: &str, options: &[(&str, &str)]) -> Result<Command, Malformed> {
    let option = |(name, value): &(&str, &str)| ((*name).to_owned(), Some((*value).to_owned()));
    Ok(Command::StartLogical {
        slot: slot.to_owned(),
        options: options.iter().map(option).collect(),
    })
}

#[test]
fn what_real_clients_send_is_understood() {
    use Command as C;
    let logical = |slot: &str, plugin: &str| {
        Ok(C::CreateLogicalSlot {
            slot: slot.to_owned(),
            plugin: plugin.to_owned(),
        })
    };
    assert_eq!(command("IDENTIFY_SYSTEM"), Ok(C::IdentifySystem));
    assert_eq!(
        command(" \t\r\n\x0cIDENTIFY_SYSTEM ;\n"),
        Ok(C::IdentifySystem)
    );
    assert_eq!(command("SHOW data_directory_mode"), Ok(C::Show));
    assert_eq!(command("SHOW app.tenant_id;"), Ok(C::Show));
    for text in [
        "CREATE_REPLICATION_SLOT \"s\" LOGICAL \"pgoutput\"",
        "CREATE_REPLICATION_SLOT S TEMPORARY LOGICAL PGOUTPUT",
        "CREATE_REPLICATION_SLOT s LOGICAL pgoutput NOEXPORT_SNAPSHOT TWO_PHASE",
        "CREATE_REPLICATION_SLOT \"s\" LOGICAL \"pgoutput\" (SNAPSHOT 'nothing', TWO_PHASE, failover true)",
        "CREATE_REPLICATION_SLOT s  LOGICAL pgoutput ",
    ] {
        assert_eq!(command(text), logical("s", "pgoutput"), "{text}");
    }
    assert_eq!(
        command("CREATE_REPLICATION_SLOT s PHYSICAL RESERVE_WAL"),
        Ok(C::CreatePhysicalSlot("s".to_owned()))
    );
    assert_eq!(
        command(
            "START_REPLICATION SLOT \"a\"\"b\" LOGICAL 0/0 (\"proto_version\" '1', publication_names '\"p\",''q''')"
        ),
        start(
            "a\"b",
            &[("proto_version", "1"), ("publication_names", "\"p\",'q'")]
        )
    );
    assert_eq!(
        command("START_REPLICATION SLOT s LOGICAL AB/16B3748"),
        start("s", &[])
    );
    for text in [
        "START_REPLICATION 0/0",
        "START_REPLICATION PHYSICAL 0/0 TIMELINE 1",
        "START_REPLICATION SLOT s 0/0",
        "START_REPLICATION SLOT s PHYSICAL fe/0 TIMELINE 3",
    ] {
        assert_eq!(command(text), Ok(C::StartPhysical), "{text}");
    }
    assert_eq!(
        command("DROP_REPLICATION_SLOT s WAIT"),
        Ok(C::DropSlot("s".to_owned()))
    );
    assert_eq!(
        command("ALTER_REPLICATION_SLOT s (failover 'on', wait 3)"),
        Ok(C::AlterSlot("s".to_owned()))
    );
    assert_eq!(
        command("READ_REPLICATION_SLOT s"),
        Ok(C::ReadSlot("s".to_owned()))
    );
    assert_eq!(command("TIMELINE_HISTORY 1"), Ok(C::TimelineHistory));
    assert_eq!(command("UPLOAD_MANIFEST"), Ok(C::UploadManifest));
    assert_eq!(command("BASE_BACKUP"), Ok(C::BaseBackup));
    assert_eq!(
        command("BASE_BACKUP ( LABEL 'x', PROGRESS, CHECKPOINT fast, MAX_RATE 32 )"),
        Ok(C::BaseBackup)
    );
}

#[test]
fn other_first_words_are_sql() {
    for text in [
        "",
        "select 1",
        "identify_system",
        "Identify_System",
        "show x",
        "\"IDENTIFY_SYSTEM\"",
        "'IDENTIFY_SYSTEM'",
        "/**/IDENTIFY_SYSTEM",
        "-- x\nIDENTIFY_SYSTEM",
        ";IDENTIFY_SYSTEM",
        "\x0bIDENTIFY_SYSTEM",
        "\u{feff}IDENTIFY_SYSTEM",
        "\u{a0}IDENTIFY_SYSTEM",
        "IDENTIFY_SYSTEM1",
        "IDENTIFY_SYSTEM$",
        "IDENTIFY_SYSTEM\u{301}",
        "SHOWX y",
        "ＳＨＯＷ x",
        "\"",
        "0/0",
        "SLOT",
    ] {
        assert_eq!(read(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn a_command_is_the_whole_text() {
    for text in [
        "IDENTIFY_SYSTEM; DROP TABLE orders",
        "IDENTIFY_SYSTEM;;",
        "IDENTIFY_SYSTEM -- x",
        "IDENTIFY_SYSTEM /* x */",
        "IDENTIFY_SYSTEM \x0b",
        "IDENTIFY_SYSTEM '",
        "IDENTIFY_SYSTEM \"",
        "SHOW",
        "SHOW 'x'",
        "SHOW x y",
        "SHOW x; SELECT 1",
        "SHOW TIMELINE",
        "DROP_REPLICATION_SLOT",
        "DROP_REPLICATION_SLOT a, b",
        "DROP_REPLICATION_SLOT a b",
        "DROP_REPLICATION_SLOT a; DROP_REPLICATION_SLOT b",
        "DROP_REPLICATION_SLOT WAIT",
        "DROP_REPLICATION_SLOT 'a'",
        "DROP_REPLICATION_SLOT U&\"a\"",
        "DROP_REPLICATION_SLOT a/*x*/",
        "CREATE_REPLICATION_SLOT a",
        "CREATE_REPLICATION_SLOT a LOGICAL",
        "CREATE_REPLICATION_SLOT a LOGICAL p (",
        "CREATE_REPLICATION_SLOT a LOGICAL p ()",
        "CREATE_REPLICATION_SLOT a LOGICAL p (x y z)",
        "START_REPLICATION LOGICAL 0/0",
        "START_REPLICATION SLOT a LOGICAL 0",
        "START_REPLICATION SLOT a LOGICAL 0/0 (x y)",
        "START_REPLICATION SLOT a LOGICAL 0/0 (x 'y'",
        "START_REPLICATION SLOT a LOGICAL 0/0 (x 'y') (z 'y')",
        "TIMELINE_HISTORY",
        "TIMELINE_HISTORY x",
        "UPLOAD_MANIFEST x",
    ] {
        assert_eq!(command(text), Err(Malformed), "{text}");
    }
    let long = format!("SHOW {}", "x".repeat(MAX_COMMAND));
    assert_eq!(command(&long), Err(Malformed));
}

#[test]
fn no_text_panics() {
    let text = "START_REPLICATION SLOT \"a\"\"b\" LOGICAL A/0 (\"é\" '1''', n 'q');";
    for end in 0..text.len() {
        for start in 0..end {
            read(&text.as_bytes()[start..end]);
        }
    }
    read(b"DROP_REPLICATION_SLOT \"\xff\"");
    read(b"DROP_REPLICATION_SLOT \xff");
}
