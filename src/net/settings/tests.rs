use super::*;

#[test]
fn options_are_read_as_postgresql_reads_them() {
    let read = |text| options(text).map_err(|error| error.message);
    let one = |name: &str, value: &str| Ok(vec![(name.to_owned(), value.to_owned())]);
    assert_eq!(read("-c work_mem=4MB"), one("work_mem", "4MB"));
    assert_eq!(read("-cwork_mem=4MB"), one("work_mem", "4MB"));
    assert_eq!(read("--work-mem=4MB\x0b"), one("work_mem", "4MB"));
    assert_eq!(
        read("-c\x0csearch_path=a\\ b\\\\c"),
        one("search_path", "a b\\c")
    );
    assert_eq!(read(""), Ok(Vec::new()));
    assert_eq!(read("-S 64"), one("work_mem", "64"));
    assert_eq!(read("-S64"), one("work_mem", "64"));
    assert_eq!(read("-fs"), one("enable_seqscan", "off"));
    let several = [
        ("datestyle", "euro"),
        ("jit", "off"),
        ("enable_hashjoin", "off"),
    ];
    let several = several.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(read("-ec jit=off -f h"), Ok(several.to_vec()));
    for bad in [
        "-c",
        "x",
        "-d 3",
        "-c nothing",
        "work_mem=1",
        "--",
        "-- jit=off",
        "-f x",
        "-é",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn truth_has_the_spellings_of_postgresql() {
    for text in ["t", "TRUE", "tr", "on", "ON", "y", "yes", "1"] {
        assert_eq!(boolean(text), Some(true), "{text}");
    }
    for text in ["f", "False", "of", "off", "n", "no", "0"] {
        assert_eq!(boolean(text), Some(false), "{text}");
    }
    for text in ["", "o", "truer", "2", " on", "databas", "database"] {
        assert_eq!(boolean(text), None, "{text}");
    }
}

#[test]
fn the_last_value_of_a_parameter_holds() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut values = vec![
        pair("a", "1"),
        pair("b", "1"),
        pair("a", "2"),
        pair("a", "3"),
    ];
    only_last(&mut values);
    assert_eq!(values, [pair("b", "1"), pair("a", "3")]);
    let parameters = vec![("jit", "on"), ("options", "-c jit=off"), ("user", "u")];
    let startup = Startup {
        minor: 0,
        parameters,
    };
    let all = all(&startup).map_err(|error| error.message);
    assert_eq!(all, Ok(vec![pair("jit", "off"), pair("jit", "on")]));
}
