//! What scripts see, what becomes of what they return, and that none of them takes the router down.

use std::cell::Cell;
use std::sync::LazyLock;

use bytes::Bytes;
use proptest::prelude::*;

use super::program::{CODE, Manner, Script};
use super::*;
use crate::chunk::fixture::{Fields, chunk, lines};
use crate::ledger::Account;
use crate::record::chunk::Entry;
use crate::record::fields::SharedField;
use crate::record::json_in::Transcoder;
use crate::record::json_out;

static BEGIN: LazyLock<Instant> = LazyLock::new(crate::clock::now);

thread_local! {
    static LOOKS: Cell<u32> = const { Cell::new(0) };
}

/// Time stands still: no script is out of time, however slow the machine.
fn still() -> Instant {
    *BEGIN
}

/// Each look at the clock takes 10 ms.
fn hasty() -> Instant {
    LOOKS.set(LOOKS.get() + 1);
    *BEGIN + Duration::from_millis(10) * LOOKS.get()
}

fn start(code: &str, manner: Manner, clock: Clock) -> Program {
    let script = Script { name: CODE.to_owned(), text: code.as_bytes().to_vec() };
    let manner = Manner { call: "f".to_owned(), ..manner };
    let variables = [("REGION".to_owned(), "eu".to_owned())];
    Program::start(&script, manner, &variables, clock).unwrap_or_else(|error| panic!("{error}"))
}

fn filter(code: &str) -> Lua {
    Lua::new(Config { program: start(code, Manner::default(), still) })
}

fn msgpack(json: &str) -> Vec<u8> {
    let mut out = Vec::new();
    Transcoder::new(128).transcode(json.as_bytes(), None, &mut out).expect("JSON");
    out
}

fn json(record: &[u8]) -> String {
    let mut out = Vec::new();
    json_out::write(record, &mut out).expect("a whole value");
    String::from_utf8(out).expect("text")
}

fn pass() -> Pass {
    Pass::new(still())
}

/// What a script says of a record of 1,700,000,000.25.
fn said(code: &str, manner: Manner, record: &[u8]) -> String {
    let time = EventTime::from_parts(1_700_000_000, 250_000_000);
    match start(code, manner, still).call(b"app.web", time, record) {
        Ok(Answer::Keep) => "keep".to_owned(),
        Ok(Answer::Drop) => "drop".to_owned(),
        Ok(Answer::Records { time: new_time, records }) => {
            let records: Vec<_> = records.iter().map(|record| json(record)).collect();
            match new_time {
                Some(new_time) if new_time == time => records.join(" "),
                Some(new_time) => format!("{} at {}", records.join(" "), new_time.as_nanos()),
                None => format!("{} at no time", records.join(" ")),
            }
        }
        Err(failure) => format!("failed: {failure}"),
    }
}

fn of(code: &str, record: &str) -> String {
    said(code, Manner::default(), &msgpack(record))
}

#[test]
fn the_code_says_what_becomes_of_the_record() {
    for (code, expected) in [
        ("return -1, 0, 0", "drop"),
        ("return 0, 0, 0", "keep"),
        ("return 2, 5, {a = 1}", r#"{"a":1}"#),
        ("return 1, 5, {a = 1}", r#"{"a":1} at 5000000000"#),
        ("return 7, t, r", "failed: returned the code 7, expected -1, 0, 1 or 2"),
        ("return '2', t, {}", "{}"),
        ("return nil", "keep"),
        ("", "keep"),
    ] {
        assert_eq!(of(&format!("function f(tag, t, r) {code} end"), r#"{"log":"x"}"#), expected);
    }
}

#[test]
fn the_script_gets_tag_time_and_record_and_its_variables() {
    let code =
        "function f(tag, t, r) return 2, t, {tag, t, r.log, FLB_ENV.REGION, r.none == nil} end";
    let code = code.replace("{tag", "{all = {tag").replace("nil}", "nil}}");
    let expected = r#"{"all":["app.web",1700000000.25,"x","eu",true]}"#;
    assert_eq!(of(&code, r#"{"log":"x"}"#), expected);
}

#[test]
fn a_script_keeps_its_variables_from_record_to_record() {
    let program = start(
        "n = 0 function f(tag, t, r) n = n + 1 return 2, t, {n = n} end",
        Manner::default(),
        still,
    );
    let call = || match program.call(b"t", EventTime::default(), b"\x80") {
        Ok(Answer::Records { records, .. }) => json(&records[0]),
        other => panic!("{other:?}"),
    };
    assert_eq!([call(), call()], [r#"{"n":1}"#, r#"{"n":2}"#]);
}

#[test]
fn values_come_back_as_they_went_and_in_their_order() {
    let record = r#"{"z":"é","a":[1,{"k":[]},"x"],"n":{},"f":0.5,"i":-7,"t":true,"e":""}"#;
    assert_eq!(of("function f(tag, t, r) return 2, t, r end", record), record);
}

#[test]
fn new_fields_follow_the_old_ones_and_nil_takes_fields_away() {
    let code = "function f(tag, t, r) r.b = 1 r.a = {x = {1, 2, 3}} r.log = nil r[5] = 2.5 return 2, t, r end";
    let expected = r#"{"z":1,"5":2.5,"a":{"x":[1,2,3]},"b":1}"#;
    assert_eq!(of(code, r#"{"log":"x","z":1}"#), expected);
}

#[test]
fn whole_numbers_become_integers_and_large_ones_keep_their_digits() {
    let code = "function f(tag, t, r) r.copy = r.n r.two = 2.0 return 2, t, r end";
    assert_eq!(of(code, r#"{"n":2.0}"#), r#"{"n":2,"two":2,"copy":2}"#);
    let large = r#"{"n":9007199254740993,"m":18446744073709551615,"l":[-9223372036854775807]}"#;
    let expected = large.replace('}', r#","two":2,"copy":9007199254740992}"#);
    assert_eq!(of(code, large), expected);
    let changed = "function f(tag, t, r) r.n = r.n + 2 return 2, t, r end";
    assert_eq!(of(changed, r#"{"n":9007199254740993}"#), r#"{"n":9007199254740994}"#);
}

#[test]
fn null_is_nil_unless_the_script_asked_for_it() {
    let code = "function f(tag, t, r) r.copy = r.n return 2, t, r end";
    assert_eq!(of(code, r#"{"n":null,"a":[1,null,3]}"#), r#"{"a":[1,null,3]}"#);
    let manner = Manner { has_null: true, ..Manner::default() };
    let record = msgpack(r#"{"n":null,"a":[null]}"#);
    assert_eq!(said(code, manner.clone(), &record), r#"{"n":null,"a":[null],"copy":null}"#);
    let code = "function f(tag, t, r) return 2, t, {is = r.n == flb_null} end";
    assert_eq!(said(code, manner, &record), r#"{"is":true}"#);
}

#[test]
fn a_key_that_lua_cannot_have_passes_the_script_by() {
    // {nil: "x", NaN: "y", [1]: "z", 1: "one", "log": "a"}
    let record = b"\x85\xc0\xa1x\xcb\x7f\xf8\0\0\0\0\0\0\xa1y\x91\x01\xa1z\x01\xa3one\xa3log\xa1a";
    let code = "function f(tag, t, r) r.one = r[1] return 2, t, r end";
    let expected = r#"{"null":"x","null":"y","[1]":"z","1":"one","log":"a","one":"one"}"#;
    assert_eq!(said(code, Manner::default(), record), expected);
    let keep = "function f(tag, t, r) return 0, t, r end";
    assert_eq!(said(keep, Manner::default(), record), "keep");
    let other = "function f(tag, t, r) return 2, t, {new = 1} end";
    assert_eq!(said(other, Manner::default(), record), r#"{"new":1}"#);
}

#[test]
fn of_equal_keys_the_script_sees_the_last() {
    let record =
        b"\x82\xa1n\xcf\x00\x20\x00\x00\x00\x00\x00\x01\xa1n\xcf\x00\x20\x00\x00\x00\x00\x00\x03";
    let code = "function f(tag, t, r) return 2, t, r end";
    assert_eq!(said(code, Manner::default(), record), r#"{"n":9007199254740995}"#);
}

#[test]
fn text_may_hold_any_bytes() {
    let record = b"\x82\xa1b\xc4\x03\xff\x00\xfe\xa1s\xa3\x00\xc3x";
    let program = start(
        "function f(tag, t, r) r.s = r.s .. '\\0' return 2, t, r end",
        Manner::default(),
        still,
    );
    let answer = program.call(b"t", EventTime::default(), record).expect("an answer");
    let Answer::Records { records, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(records[0], b"\x82\xa1b\xa3\xff\x00\xfe\xa1s\xa4\x00\xc3x\x00");
}

#[test]
fn a_table_is_an_array_by_its_keys_or_by_the_configuration() {
    let code = "function f(tag, t, r) return 2, t, {e = {}, l = {1, 2}, h = {[1] = 1, [3] = 3}, \
                s = {[1000000] = 1}, m = {a = 1}, z = {[0] = 0}} end";
    let expected = r#"{"e":{},"h":[1,null,3],"l":[1,2],"m":{"a":1},"s":{"1000000":1},"z":{"0":0}}"#;
    assert_eq!(of(code, "{}"), expected);
    let manner = Manner { arrays: vec!["e".to_owned(), "m".to_owned()], ..Manner::default() };
    let expected = r#""e":[],"#;
    let found = said(code, manner, b"\x80");
    assert!(found.contains(expected) && found.contains(r#""m":{"a":1}"#), "{found}");
}

#[test]
fn numbers_under_configured_keys_are_integers() {
    let manner = Manner { integers: vec!["n".to_owned()], ..Manner::default() };
    let code = "function f(tag, t, r) r.n = 2.9 r.m = {n = -2.9, nn = 0.5} return 2, t, r end";
    assert_eq!(said(code, manner, b"\x80"), r#"{"m":{"n":-2,"nn":0.5},"n":2}"#);
}

#[test]
fn an_array_of_tables_is_several_records() {
    let code = "function f(tag, t, r) return 1, t, {{a = 1}, {log = r.log}} end";
    assert_eq!(of(code, r#"{"log":"x"}"#), r#"{"a":1} {"log":"x"}"#);
    assert_eq!(of("function f(tag, t, r) return 1, t, {} end", "{}"), "{}");
    assert_eq!(of("function f(tag, t, r) return 1, t, r.l end", r#"{"l":[]}"#), "");
    let mixed = "function f(tag, t, r) return 1, t, {{a = 1}, 5} end";
    assert_eq!(
        of(mixed, "{}"),
        "failed: returned integer in place of the record, expected a table"
    );
}

#[test]
fn times_may_be_tables() {
    let manner = Manner { time_as_table: true, ..Manner::default() };
    let code =
        "function f(tag, t, r) r.s = t.sec r.ns = t.nsec t.sec = t.sec + 10 return 1, t, r end";
    let expected = r#"{"s":1700000000,"ns":250000000} at 1700000010250000000"#;
    assert_eq!(said(code, manner.clone(), b"\x80"), expected);
    let code = "function f(tag, t, r) return 1, 5, r end";
    assert_eq!(said(code, manner, b"\x80"), "{} at no time");
    assert_eq!(of("function f(tag, t, r) return 1, nil, r end", "{}"), "{} at no time");
    assert_eq!(of("function f(tag, t, r) return 1, t, r end", "{}"), "{}");
}

#[test]
fn a_function_of_five_parameters_also_gets_group_and_metadata() {
    let code = "function f(tag, t, group, metadata, r) \
                r.empty = next(group) == nil and next(metadata) == nil return 2, t, metadata, r end";
    assert_eq!(of(code, r#"{"log":"x"}"#), r#"{"log":"x","empty":true}"#);
}

#[test]
fn an_error_names_its_line_and_leaves_the_record() {
    let code = "function f(tag, t, r)\n local x = nil\n return 1, t, x.y\nend";
    let found = of(code, "{}");
    assert_eq!(found, "failed: code:3: attempt to index local 'x' (a nil value)");
    assert_eq!(of("function f() error({}) end", "{}").split(':').next(), Some("failed"));
    let unwritable = "function f(tag, t, r) r.f = print return 2, t, r end";
    let expected = "failed: returned a record with a function in it, which cannot be written";
    assert_eq!(of(unwritable, "{}"), expected);
    let endless = "function f(tag, t, r) r.r = r return 2, t, r end";
    let expected = "failed: returned a record with more than 128 tables within one another";
    assert_eq!(of(endless, "{}"), expected);
    let large = "function f(tag, t, r) r.x = ('x'):rep(17000000) return 2, t, r end";
    assert_eq!(of(large, "{}"), "failed: returned a record of more than 16 MiB");
}

#[test]
fn scripts_have_luajits_dialect_and_libraries() {
    let code = "local bit = require('bit') \
        function f(tag, t, r) \
          for i = 1, 3 do if i == 2 then goto continue end r['k' .. i] = bit.band(i, 1) ::continue:: end \
          r.m = string.match('a=b', '(%w)=') r.os = type(os.time()) \
          r.ok, r.why = pcall(error, 'x', 0) \
          local _, traced = xpcall(function() error('y') end, debug.traceback) \
          r.traced = traced:match('stack traceback') ~= nil \
          r.jit = jit.status() \
          return 2, t, r end";
    let expected =
        r#"{"m":"a","k1":1,"k3":1,"ok":false,"os":"number","jit":false,"why":"x","traced":true}"#;
    assert_eq!(of(code, "{}"), expected);
}

#[test]
fn what_a_script_prints_goes_into_the_pass_up_to_a_limit() {
    let code = "print('begin') function f(tag, t, r) print(r.log, 1, 0.5, nil, true) return 0 end";
    let mut filter = filter(code);
    let account = Arc::new(Account::default());
    let mut pass = pass();
    let records: &[Fields<'_>] = &[&[("log", "a")], &[("log", "b")]];
    filter.apply(chunk(&account, "t", records), &mut pass).expect("goes on").delivered();
    let expected = "begin\na\t1\t0.5\tnil\ttrue\nb\t1\t0.5\tnil\ttrue\n";
    assert_eq!(String::from_utf8_lossy(&pass.printed), expected);
    let long = "function f() for _ = 1, 3 do print(('x'):rep(500000)) end return 0 end";
    let program = start(long, Manner::default(), still);
    program.call(b"t", EventTime::default(), b"\x80").expect("an answer");
    assert_eq!(program.take_printed().len(), 2 * 500_001, "a third would be beyond a mebibyte");
}

#[test]
fn a_script_cannot_end_the_process() {
    let found = of("function f() os.exit(0) end", "{}");
    assert!(found.contains("os.exit would end the whole router"), "{found}");
}

#[test]
fn a_script_without_end_is_stopped_whatever_it_catches() {
    for endless in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function g() pcall(g) g() end g()",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "while true do pcall(string.gsub, 'aa', 'a', function() while true do end end) end",
        "while true do pcall(table.sort, {3, 2, 1}, function() while true do end end) end",
        "while true do load('while true do end')() end",
        "jit.on() for i = 1, 1e18 do end",
        "while true do pcall(tostring, setmetatable({}, {__tostring = function() while true do end end})) end",
    ] {
        let code = format!(
            "n = 0 function f(tag, t, r) n = n + 1 if n == 1 then {endless} end return 2, t, {{n = n}} end"
        );
        let program = start(&code, Manner::default(), hasty);
        let call = || program.call(b"t", EventTime::default(), b"\x80");
        assert_eq!(call(), Err(Failure::Time { seconds: 1 }), "{endless}");
        let Ok(Answer::Records { records, .. }) = call() else { panic!("{endless}") };
        assert_eq!(json(&records[0]), r#"{"n":2}"#, "it works again");
    }
}

#[test]
fn a_script_without_end_at_its_start_is_refused() {
    let script = Script { name: CODE.to_owned(), text: b"while true do end".to_vec() };
    let error = Program::start(&script, Manner::default(), &[], hasty).expect_err("endless");
    assert_eq!(error.to_string(), "stopped, it took longer than 10 s");
}

#[test]
fn after_a_script_without_end_the_rest_of_the_chunk_goes_on_unasked() {
    let code = "n = 0 function f(tag, t, r) n = n + 1 while n == 1 do end return 2, t, {n = n} end";
    let program = start(code, Manner::default(), hasty);
    let mut filter = Lua::new(Config { program });
    let account = Arc::new(Account::default());
    let records: &[Fields<'_>] = &[&[("log", "a")], &[("log", "b")]];
    let kept = filter.apply(chunk(&account, "t", records), &mut pass()).expect("goes on");
    assert_eq!(lines(kept), ["log=a", "log=b"]);
    assert_eq!(filter.take_failures(), 2);
    let next = filter.apply(chunk(&account, "t", &[&[]]), &mut pass()).expect("goes on");
    assert_eq!(json(next.entries.iter().next().expect("one").1), r#"{"n":2}"#);
    next.delivered();
}

#[test]
fn a_script_that_wants_too_much_memory_is_stopped_and_works_again() {
    for greedy in [
        "local t = {} for i = 1, 1e9 do t[i] = {} end",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
        "for i = 1, 100 do pcall(function() local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(i) end end) end \
         error('not enough memory')",
        "return 2, t, {s = ('x'):rep(60000000) .. 'y'}",
    ] {
        let code = format!(
            "n = 0 function f(tag, t, r) n = n + 1 if n == 1 then {greedy} end return 2, t, {{n = n}} end"
        );
        let program = start(&code, Manner::default(), still);
        let call = || program.call(b"t", EventTime::default(), b"\x80");
        assert_eq!(call(), Err(Failure::Memory), "{greedy}");
        assert!(matches!(call(), Ok(Answer::Records { .. })), "{greedy}");
    }
}

#[test]
fn a_chunk_that_no_script_changes_keeps_its_memory_and_its_shared_fields() {
    let account = Arc::new(Account::default());
    let mut chunk = chunk(&account, "t", &[&[("log", "x")], &[("log", "y")]]);
    let [key, value] = ["cluster", "blue"].map(|text| text.as_bytes().into());
    chunk.shared = SharedFields::new(vec![SharedField { key, value, yields: false }]);
    let before = Arc::clone(&chunk.entries);
    let code = "function f(tag, t, r) if r.cluster == 'blue' then return 0 end return -1 end";
    let after = filter(code).apply(chunk, &mut pass()).expect("goes on");
    assert!(Arc::ptr_eq(&before, &after.entries) && !after.shared.is_empty());
    after.delivered();
}

#[test]
fn records_before_and_after_one_that_changes_are_as_they_were() {
    let account = Arc::new(Account::default());
    let mut chunk =
        chunk(&account, "t", &[&[("log", "a")], &[("log", "b")], &[("log", "c")], &[("log", "d")]]);
    let [key, value] = ["x", "1"].map(|text| text.as_bytes().into());
    chunk.shared = SharedFields::new(vec![SharedField { key, value, yields: false }]);
    let code = "function f(tag, t, r) if r.log == 'b' then return -1 end \
                if r.log == 'c' then return 2, t, {{log = 'c1'}, {log = 'c2'}} end return 0 end";
    let kept = filter(code).apply(chunk, &mut pass()).expect("some");
    assert_eq!(lines(kept), ["log=a x=1", "log=c1", "log=c2", "log=d x=1"]);
    let balance = account.balance();
    assert_eq!((balance.received, balance.made, balance.delivered), (4, 1, 4));
    assert_eq!((balance.dropped_for(Reason::Filtered), balance.held), (1, 0));
}

#[test]
fn records_for_which_the_script_fails_are_counted_and_go_on() {
    let account = Arc::new(Account::default());
    let chunk = chunk(&account, "t", &[&[("log", "a")], &[("log", "b")], &[("log", "c")]]);
    let code =
        "function f(tag, t, r) if r.log == 'b' then error('no') end r.new = 'y' return 2, t, r end";
    let mut filter = filter(code);
    let kept = filter.apply(chunk, &mut pass()).expect("all");
    assert_eq!(lines(kept), ["log=a new=y", "log=b", "log=c new=y"]);
    assert_eq!((filter.take_failures(), filter.take_failures()), (1, 0));
}

proptest! {
    #[test]
    fn no_record_makes_it_panic_and_each_has_its_outcome(
        data in proptest::collection::vec(any::<u8>(), 0..60),
        deep in 0..200_usize,
    ) {
        let data = [vec![0x81, 0xa1, b'k'], vec![0x91; deep], data].concat();
        let account = Arc::new(Account::default());
        let mut chunk = chunk(&account, "t", &[&[]]);
        let entry = Entry { time: EventTime::default(), start: 0, end: u32::try_from(data.len()).expect("small") };
        chunk.entries = Arc::new(Entries { data: Bytes::from(data), entries: vec![entry] });
        let code = "function f(tag, t, r) r.more = r.k return 2, t, r end";
        let kept = filter(code).apply(chunk, &mut pass());
        kept.into_iter().for_each(Chunk::delivered);
        prop_assert_eq!(account.balance().held, 0);
    }

    #[test]
    fn a_record_that_goes_through_a_script_is_what_it_was(
        value in proptest::collection::btree_map("[a-c]{1,2}", json_value(), 0..5),
    ) {
        let record = serde_json::Value::Object(value.into_iter().collect()).to_string();
        let found = of("function f(tag, t, r) return 2, t, r end", &record);
        let found: serde_json::Value = serde_json::from_str(&found).expect("JSON");
        let expected: serde_json::Value = serde_json::from_str(&record).expect("JSON");
        prop_assert_eq!(found, expected);
    }
}

/// Any JSON without null, which is nothing to Lua, and without whole floats.
fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<u64>().prop_map(serde_json::Value::from),
        (-1000_i32..1000).prop_map(|n| serde_json::Value::from(f64::from(n) + 0.5)),
        "[a-zé\\\\\"\u{0}-\u{1f}]{0,5}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            proptest::collection::btree_map("[a-z]{0,3}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}
