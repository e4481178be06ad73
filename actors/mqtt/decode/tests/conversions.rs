//! What a column makes of a value, type by type.

use barograph_config::{Constant, DecimalMark, Mapping};

use super::super::convert::Unfit;
use super::super::{convert, json, tree_seed};
use super::*;

/// The value of a column, from JSON; the first word of a refusal otherwise.
fn converted(column: &Column, json: &str) -> Result<Value, &'static str> {
    let left = tree_seed::ValuesLeft::new();
    let tree = match json::strict(json.as_bytes(), &left) {
        Some(tree) => tree,
        None => super::super::lenient_json::parse(json.as_bytes(), &left).unwrap(),
    };
    convert::convert(column, &tree).map_err(|unfit| match unfit {
        Unfit::Type(_) => "type",
        Unfit::Size(_) => "size",
        Unfit::Bounds { .. } => "bounds",
        Unfit::NotUtf8 => "utf-8",
    })
}

fn holds(column: &Column, table: &[(&str, Result<Value, &'static str>)]) {
    for (json, expected) in table {
        assert_eq!(&converted(column, json), expected, "{json} as {:?}", column.kind);
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

const NO: Result<Value, &str> = Err("type");

#[test]
fn an_integer_takes_whole_numbers_however_they_are_written() {
    use Value::{Integer, Null};
    holds(
        &column("c", Kind::Integer),
        &[
            ("5", Ok(Integer(5))),
            ("5.0", Ok(Integer(5))),
            ("-0.0", Ok(Integer(0))),
            ("1e3", Ok(Integer(1_000))),
            (r#""5""#, Ok(Integer(5))),
            (r#"" +5\t""#, Ok(Integer(5))),
            (r#""-5.0""#, Ok(Integer(-5))),
            (r#""9223372036854775807""#, Ok(Integer(i64::MAX))),
            (r#""9223372036854775808""#, Err("size")),
            ("18446744073709551615", Err("size")),
            ("1e400", Err("size")),
            (r#""1e400""#, Err("size")),
            (r#""NaN""#, Ok(Null)),
            (r#""-inf""#, Ok(Null)),
            ("5.5", NO),
            (r#""5.5""#, NO),
            (r#""5,5""#, NO),
            (r#""""#, NO),
            (r#"" ""#, NO),
            (r#""5 V""#, NO),
            (r#""0x1f""#, NO),
            (r#""1_000""#, NO),
            ("true", NO),
            ("[5]", NO),
            ("{}", NO),
        ],
    );
}

#[test]
fn a_real_takes_numbers_however_they_are_written() {
    use Value::{Null, Real};
    let mut real = column("c", Kind::Real);
    holds(
        &real,
        &[
            ("5", Ok(Real(5.0))),
            ("18446744073709551615", Ok(Real(18_446_744_073_709_551_615.0))),
            (r#""317.3988""#, Ok(Real(317.3988))),
            (r#"" 21.5""#, Ok(Real(21.5))),
            (r#""+5""#, Ok(Real(5.0))),
            (r#"".5""#, Ok(Real(0.5))),
            (r#""-1.5E-3""#, Ok(Real(-0.0015))),
            (r#""nan""#, Ok(Null)),
            (r#""Infinity""#, Ok(Null)),
            ("1e400", Err("size")),
            (r#""1e400""#, Err("size")),
            (r#""1,5""#, NO),
            (r#""21.5 °C""#, NO),
            (r#""--5""#, NO),
            (r#""e""#, NO),
            (r#""""#, NO),
            ("false", NO),
        ],
    );
    real.decimal = DecimalMark::Comma;
    holds(
        &real,
        &[
            (r#""1,5""#, Ok(Real(1.5))),
            (r#""-0,5e1""#, Ok(Real(-5.0))),
            (r#""15""#, Ok(Real(15.0))),
            ("1.5", Ok(Real(1.5))),
            (r#""1.234,5""#, NO),
            (r#""1,234,5""#, NO),
            (r#""1.5""#, NO),
        ],
    );
    (real.min, real.max) = (Some(0.0), Some(10.0));
    holds(
        &real,
        &[
            (r#""10,0""#, Ok(Real(10.0))),
            (r#""10,1""#, Err("bounds")),
            ("-1", Err("bounds")),
            (r#""nan""#, Ok(Null)),
        ],
    );
}

#[test]
fn a_boolean_takes_the_usual_words_or_those_of_the_column() {
    use Value::Integer;
    let mut boolean = column("c", Kind::Boolean);
    holds(
        &boolean,
        &[
            ("true", Ok(Integer(1))),
            (r#""on""#, Ok(Integer(1))),
            ("1", Ok(Integer(1))),
            ("1.0", Ok(Integer(1))),
            (r#"" TRUE ""#, Ok(Integer(1))),
            (r#""Yes""#, Ok(Integer(1))),
            (r#""1""#, Ok(Integer(1))),
            ("false", Ok(Integer(0))),
            (r#""Off""#, Ok(Integer(0))),
            (r#""no""#, Ok(Integer(0))),
            ("0", Ok(Integer(0))),
            ("2", NO),
            ("0.5", NO),
            ("1e400", NO),
            (r#""open""#, NO),
            (r#""""#, NO),
            ("[]", NO),
        ],
    );
    boolean.true_words = words(&["open"]);
    boolean.false_words = words(&["closed", "0"]);
    holds(
        &boolean,
        &[
            (r#""OPEN""#, Ok(Integer(1))),
            (r#""closed""#, Ok(Integer(0))),
            ("0", Ok(Integer(0))),
            ("true", Ok(Integer(1))),
            ("1", NO),
            (r#""on""#, NO),
        ],
    );
}

#[test]
fn a_text_takes_numbers_and_booleans_as_json_prints_them() {
    let text = |text: &str| Ok(Value::Text(text.to_owned()));
    holds(
        &column("c", Kind::Text),
        &[
            (r#""a1b2""#, text("a1b2")),
            (r#"" kept ""#, text(" kept ")),
            (r#""""#, text("")),
            (r#""NaN""#, text("NaN")),
            ("37", text("37")),
            ("37.0", text("37.0")),
            ("1e-7", text("1e-7")),
            ("1e400", text("1e400")),
            ("18446744073709551615", text("18446744073709551615")),
            ("true", text("true")),
            (r#""\ud800""#, Err("utf-8")),
            ("[1]", NO),
            (r#"{"a":1}"#, NO),
        ],
    );
}

#[test]
fn json_and_bytes_are_kept() {
    let text = |text: &str| Ok(Value::Text(text.to_owned()));
    holds(
        &column("c", Kind::Json),
        &[
            ("[1, 2.50, {\"b\": null, \"a\": \"x\"}]", text(r#"[1,2.5,{"a":"x","b":null}]"#)),
            (r#""x""#, text(r#""x""#)),
            ("1e400", text("1e400")),
            ("[nan]", text("[null]")),
            (r#"["\udc00"]"#, Err("utf-8")),
        ],
    );
    let blob = |bytes: &[u8]| Ok(Value::Blob(Bytes::copy_from_slice(bytes)));
    holds(
        &column("c", Kind::Blob),
        &[(r#""k\u00e4se""#, blob("käse".as_bytes())), ("5", NO), ("[1]", NO), ("{}", NO)],
    );
}

#[test]
fn a_map_gives_the_values_that_texts_stand_for() {
    use Value::{Integer, Real, Text};
    let mapping = |text: &str, value| Mapping { text: text.to_owned(), value };
    let mut state = column("c", Kind::Integer);
    state.map = vec![
        mapping("off", Constant::Integer(0)),
        mapping("heat", Constant::Integer(1)),
        mapping("true", Constant::Integer(2)),
        mapping("7", Constant::Integer(70)),
        mapping("high", Constant::Integer(99)),
    ];
    state.max = Some(90.0);
    holds(
        &state,
        &[
            (r#""off""#, Ok(Integer(0))),
            (r#"" heat ""#, Ok(Integer(1))),
            ("true", Ok(Integer(2))),
            ("7", Ok(Integer(70))),
            (r#""7""#, Ok(Integer(70))),
            ("8", Ok(Integer(8))),
            (r#""8""#, NO),
            (r#""Off""#, NO),
            ("false", NO),
            ("[]", NO),
            (r#""high""#, Err("bounds")),
        ],
    );
    let mut names = column("c", Kind::Text);
    names.map = vec![mapping("0", Constant::Text("off".to_owned()))];
    holds(&names, &[("0", Ok(Text("off".into()))), ("1", Ok(Text("1".into())))]);
    let mut level = column("c", Kind::Real);
    level.map = vec![mapping("half", Constant::Real(0.5)), mapping("full", Constant::Integer(1))];
    holds(&level, &[(r#""half""#, Ok(Real(0.5))), (r#""full""#, Ok(Real(1.0)))]);
}

fn millis(utc: &str) -> Result<Value, &'static str> {
    let timestamp: jiff::Timestamp = utc.parse().unwrap();
    Ok(Value::Time(UnixMillis(timestamp.as_millisecond())))
}

#[test]
fn a_time_is_understood_as_devices_write_it() {
    let at = || millis("2026-11-30T10:00:00Z");
    let time = column("c", Kind::Time);
    holds(
        &time,
        &[
            (r#""2026-11-30T10:00:00Z""#, at()),
            (r#""2026-11-30T11:00:00+01:00""#, at()),
            (r#""2026-11-30T11:00:00+0100""#, at()),
            (r#""2026-11-30t10:00:00z""#, at()),
            (r#"" 2026-11-30 10:00:00 ""#, at()),
            (r#""2026-11-30T10:00""#, at()),
            (r#""2026-11-30 10:00""#, at()),
            (r#""2026-11-30T10:00:00.250""#, millis("2026-11-30T10:00:00.250Z")),
            (r#""2026-11-30T10:00:00,250Z""#, millis("2026-11-30T10:00:00.250Z")),
            (r#""2026-11-30T10:00:00.123456789Z""#, millis("2026-11-30T10:00:00.123Z")),
            (r#""20261130T100000Z""#, at()),
            (r#""2026-11-30""#, millis("2026-11-30T00:00:00Z")),
            ("1796032800", at()),
            ("1796032800.0", at()),
            ("1796032800.25", millis("2026-11-30T10:00:00.250Z")),
            (r#""1796032800.25""#, millis("2026-11-30T10:00:00.250Z")),
            ("1796032800250", millis("2026-11-30T10:00:00.250Z")),
            ("1796032800250999", millis("2026-11-30T10:00:00.250Z")),
            ("1796032800250999999", millis("2026-11-30T10:00:00.250Z")),
            (r#""1796032800""#, at()),
            ("0", millis("1970-01-01T00:00:00Z")),
            ("-1", millis("1969-12-31T23:59:59Z")),
            ("1e17", millis("1973-03-03T09:46:40Z")),
            ("1e300", Err("size")),
            ("1e400", Err("size")),
            ("18446744073709551615", Err("size")),
            (r#""30.11.2026 10:00""#, NO),
            (r#""2026-02-30""#, NO),
            (r#""now""#, NO),
            (r#""""#, NO),
            ("true", NO),
            ("[]", NO),
        ],
    );
}

#[test]
fn a_time_has_the_zone_and_the_pattern_of_its_column() {
    let at = || millis("2026-11-30T10:00:00Z");
    let mut time = column("c", Kind::Time);
    time.zone = Some("Europe/Berlin".to_owned());
    holds(
        &time,
        &[
            (r#""2026-11-30T11:00:00""#, at()),
            (r#""2026-07-01T12:00""#, millis("2026-07-01T10:00:00Z")),
            (r#""2026-11-30T10:00:00Z""#, at()),
            ("1796032800", at()),
        ],
    );
    time.format = Some("%d.%m.%Y %H:%M".to_owned());
    holds(&time, &[(r#""30.11.2026 11:00""#, at()), (r#""2026-11-30T10:00:00Z""#, NO), ("5", NO)]);
    time.format = Some("%Y%m%d%H%M%S%z".to_owned());
    holds(&time, &[(r#""20261130110000+0100""#, at())]);
    time.format = Some("%Y%m%d".to_owned());
    holds(&time, &[("20261130", millis("2026-11-29T23:00:00Z")), ("20261340", NO)]);
    time.format = Some("%s".to_owned());
    holds(&time, &[("1796032800", at())]);
    (time.format, time.zone) = (None, Some("Mars/Olympus".to_owned()));
    holds(&time, &[(r#""2026-11-30""#, NO), (r#""2026-11-30T10:00:00Z""#, at())]);
}
