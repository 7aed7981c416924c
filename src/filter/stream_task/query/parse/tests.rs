//! What queries say, and what is refused.

use proptest::prelude::*;

use super::*;

fn parsed(rest: &str) -> Query {
    let text = format!("CREATE STREAM s AS SELECT * FROM TAG:'a' {rest}");
    query(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn condition(text: &str) -> Condition {
    parsed(&format!("WHERE {text};")).condition.expect("a condition")
}

fn refused(text: &str) -> String {
    query(text).expect_err(text).to_string()
}

fn field(path: &[&str]) -> Field {
    Field { path: path.iter().map(|key| (*key).to_owned()).collect() }
}

fn is(name: &str, value: i64) -> Condition {
    Condition::Compare(Operand::Field(field(&[name])), Operator::Equal, Value::Integer(value))
}

fn boxed(condition: Condition) -> Box<Condition> {
    Box::new(condition)
}

#[test]
fn a_query_names_a_stream_its_fields_its_source_and_a_condition() {
    let text = "create stream errors with (tag='logs.error') as select *, a['b']['c'] as deep, \
                time, x['y'], RECORD_TAG(), record_time() as t from stream:app.0 where level = 'error';";
    let query = query(text).expect("a query");
    assert_eq!((query.stream.as_str(), query.new_tag()), ("errors", "logs.error"));
    let expected = [
        Selected::All,
        Selected::Field(field(&["a", "b", "c"]), "deep".to_owned()),
        Selected::Field(field(&["time"]), "time".to_owned()),
        Selected::Field(field(&["x", "y"]), "x['y']".to_owned()),
        Selected::Tag("RECORD_TAG()".to_owned()),
        Selected::Time("t".to_owned()),
    ];
    assert_eq!(query.fields, expected);
    assert_eq!(query.source, Source::Stream("app.0".to_owned()));
    let level = Operand::Field(field(&["level"]));
    let expected = Condition::Compare(level, Operator::Equal, Value::Text("error".to_owned()));
    assert_eq!((query.condition, query.advice), (Some(expected), vec![]));
    let plain = parsed("");
    assert_eq!((plain.new_tag(), &plain.source), ("s", &Source::Tag("a".to_owned())));
}

#[test]
fn operators_compare_a_field_with_a_value() {
    let compare =
        |operator, value| Condition::Compare(Operand::Field(field(&["a"])), operator, value);
    assert_eq!(condition("a <= -1.5"), compare(Operator::LessOrEqual, Value::Float(-1.5)));
    assert_eq!(condition("a >= 2"), compare(Operator::GreaterOrEqual, Value::Integer(2)));
    assert_eq!(condition("a < TRUE"), compare(Operator::Less, Value::Bool(true)));
    assert_eq!(
        condition("a > 'it''s'"),
        compare(Operator::Greater, Value::Text("it's".to_owned()))
    );
    let equal = |value| compare(Operator::Equal, value);
    assert_eq!(condition("a IS NULL"), equal(Value::Null));
    for text in ["a != 1", "a <> 1"] {
        assert_eq!(condition(text), Condition::Not(boxed(equal(Value::Integer(1)))));
    }
    assert_eq!(condition("a is not null"), Condition::Not(boxed(equal(Value::Null))));
    assert_eq!(condition("a"), Condition::Truth(Operand::Field(field(&["a"]))));
    assert_eq!(condition("false"), Condition::Truth(Operand::Value(Value::Bool(false))));
    let time = Condition::Compare(Operand::Time, Operator::Greater, Value::Integer(5));
    assert_eq!(condition("@record.time() > 5"), time);
}

#[test]
fn a_field_may_be_asked_to_be_there() {
    let contains = || Condition::Contains(field(&["a", "b"]));
    assert_eq!(condition("@record.contains(a['b'])"), contains());
    assert_eq!(condition("@RECORD.Contains(a['b']) = true"), contains());
    for text in ["@record.contains(a['b']) = false", "@record.contains(a['b']) != true"] {
        assert_eq!(condition(text), Condition::Not(boxed(contains())), "{text}");
    }
}

#[test]
fn and_or_and_not_take_all_that_follows_as_in_fluent_bit() {
    let (a, b, c) = (|| is("a", 1), || is("b", 2), || is("c", 3));
    let or = |left, right| Condition::Or(boxed(left), boxed(right));
    let and = |left, right| Condition::And(boxed(left), boxed(right));
    assert_eq!(condition("a = 1 AND b = 2 OR c = 3"), and(a(), or(b(), c())));
    assert_eq!(condition("a = 1 OR b = 2 AND c = 3"), or(a(), and(b(), c())));
    assert_eq!(condition("(a = 1 AND b = 2) OR c = 3"), or(and(a(), b()), c()));
    assert_eq!(condition("NOT a = 1 AND b = 2"), Condition::Not(boxed(and(a(), b()))));
    assert_eq!(condition("a = 1 AND NOT (b = 2)"), and(a(), Condition::Not(boxed(b()))));
    assert_eq!(condition("NOT NOT a = 1"), a());
}

#[test]
fn what_is_not_as_one_may_think_is_told_of() {
    let advice = |rest: &str| parsed(rest).advice;
    assert_eq!(advice("WHERE a AND b OR c;"), [Advice::Reach]);
    assert_eq!(advice("WHERE NOT a OR b;"), [Advice::Reach]);
    assert_eq!(advice("WHERE a OR b AND c AND NOT d LIMIT 5;"), [Advice::Limit]);
    let text = "CREATE STREAM s WITH (storage.type='memory', tag='t') AS SELECT a FROM TAG:'x'";
    assert_eq!(query(text).expect("a query").advice, [Advice::Property]);
}

#[test]
fn what_makes_one_record_of_many_is_refused_in_one_sentence() {
    for (rest, at, what) in [
        ("SELECT COUNT(*) FROM TAG:'a';", 26, "COUNT"),
        ("SELECT a, sum(b) FROM TAG:'a';", 29, "SUM"),
        ("SELECT a FROM TAG:'a' WINDOW TUMBLING (5 SECOND);", 41, "WINDOW"),
        ("SELECT a FROM TAG:'a' WHERE b GROUP BY a;", 49, "GROUP BY"),
    ] {
        let text =
            format!("CREATE STREAM s AS {rest}").replace("s AS", "sAS").replace("sAS", "s AS");
        let expected = format!("at byte {at}: {what} makes one record of many; stream tasks only");
        let said = refused(&text);
        assert!(said.starts_with(&expected), "{text}: {said}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, expected) in [
        (
            "SELECT * FROM TAG:'a';",
            "has no CREATE STREAM before SELECT and makes nothing; Fluent Bit \
          would print its records",
        ),
        ("", "at byte 0: found the end, expected CREATE STREAM"),
        (
            "CREATE SNAPSHOT s AS SELECT * FROM TAG:'a'",
            "at byte 7: SNAPSHOT is not supported by this \
          version of Firelane",
        ),
        ("FLUSH SNAPSHOT s", "at byte 6: SNAPSHOT is not supported by this version of Firelane"),
        (
            "CREATE STREAM s AS SELECT NOW() FROM TAG:'a'",
            "at byte 26: NOW() is not supported by this \
          version of Firelane",
        ),
        (
            "CREATE STREAM s WITH (routable='false') AS",
            "at byte 22: routable is not supported by this \
          version of Firelane",
        ),
        ("CREATE STREAM s AS SELECT a, * FROM", "at byte 29: found '*', expected a field or *"),
        (
            "CREATE STREAM s AS SELECT * FROM app",
            "at byte 33: found 'app', expected TAG:'pattern' or \
          STREAM:name",
        ),
        (
            "CREATE STREAM s AS SELECT * FROM TAG:app",
            "at byte 37: found 'app', expected a pattern in \
          single quotes",
        ),
        (
            "CREATE STREAM s AS SELECT * FROM TAG:'a' WHERE a == 1",
            "at byte 50: found '=', expected a \
          number, a text in single quotes, true or false",
        ),
        (
            "CREATE STREAM s AS SELECT * FROM TAG:'a' WHERE f(a)",
            "at byte 47: found 'f', expected a \
          field or a value",
        ),
        (
            "CREATE STREAM s AS SELECT f() FROM TAG:'a'",
            "at byte 26: found 'F()', expected a field, \
          RECORD_TAG() or RECORD_TIME()",
        ),
        (
            "CREATE STREAM s AS SELECT * FROM TAG:'a'; x",
            "at byte 42: found 'x', expected the end of \
          the query",
        ),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
}

#[test]
fn terms_fields_and_keys_have_a_limit() {
    let terms = |count| {
        query(&format!(
            "CREATE STREAM s AS SELECT * FROM TAG:'a' WHERE {}",
            vec!["a"; count].join(" AND ")
        ))
    };
    assert!(terms(TERMS_MAX).is_ok());
    assert_eq!(terms(TERMS_MAX + 1), Err(QueryError::TooMany { what: "terms", max: TERMS_MAX }));
    let deep = |count| {
        query(&format!(
            "CREATE STREAM s AS SELECT * FROM TAG:'a' WHERE {}a{}",
            "(".repeat(count),
            ")".repeat(count)
        ))
    };
    assert!(deep(TERMS_MAX - 1).is_ok() && deep(TERMS_MAX).is_err());
    let fields = |count| {
        query(&format!("CREATE STREAM s AS SELECT {} FROM TAG:'a'", vec!["a"; count].join(",")))
    };
    assert!(fields(FIELDS_MAX).is_ok() && fields(FIELDS_MAX + 1).is_err());
    let keys = |count| {
        query(&format!("CREATE STREAM s AS SELECT a{} FROM TAG:'a'", "['b']".repeat(count)))
    };
    assert!(keys(PATH_KEYS_MAX - 1).is_ok() && keys(PATH_KEYS_MAX).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(
        words in proptest::collection::vec(
            prop_oneof![
                Just("CREATE"), Just("STREAM"), Just("s"), Just("WITH"), Just("("), Just(")"), Just("AS"),
                Just("SELECT"), Just("*"), Just(","), Just("FROM"), Just("TAG:'a'"), Just("WHERE"), Just("a['b']"),
                Just("="), Just("1"), Just("'x"), Just("NOT"), Just("AND"), Just("IS NULL"), Just("@record.time()"),
                Just(";"), Just("é"), Just("COUNT(*)"),
            ],
            0..20,
        ),
    ) {
        let _ = query(&words.join(" "));
        let _ = query(&format!("CREATE STREAM s AS SELECT * FROM TAG:'a' WHERE {}", words.join(" ")));
    }
}
