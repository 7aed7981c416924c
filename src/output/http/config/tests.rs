//! What the options of `http` become.

use super::*;
use crate::option::{Effect, Policy, first_bad_row, section, tables};
use crate::tls;

const TABLES: &[crate::option::Table] =
    &[ADDRESS, NET, tables::SECTION, tables::OUTPUT, tls::CLIENT_OPTIONS];

fn read_in(lines: &[(&str, &str)], defaults: Defaults<'_>) -> (Option<Config>, String) {
    let mut options = Options::read(section(lines), OPTIONS, TABLES, Policy::Plugin);
    let config = Config::from_options(&mut options, defaults);
    let report = options.into_report();
    let problems = report.problems.iter().map(ToString::to_string);
    let notes = report.notes.iter().map(|note| note.remark.to_string());
    (config, problems.chain(notes).collect::<Vec<_>>().join("; "))
}

fn read(lines: &[(&str, &str)]) -> (Option<Config>, String) {
    read_in(lines, Defaults::default())
}

fn config(lines: &[(&str, &str)]) -> Config {
    let (config, said) = read(lines);
    assert_eq!(said, "");
    config.expect("a configuration")
}

/// What is said of lines that keep the output from being made.
fn refused(lines: &[(&str, &str)]) -> String {
    let (config, said) = read(lines);
    assert_eq!(config, None, "{lines:?}");
    said
}

#[test]
fn every_row_has_a_sentence_and_a_default_that_parses() {
    assert_eq!(first_bad_row(&[&[OPTIONS], TABLES].concat()), None);
}

#[test]
fn without_options_it_is_what_fluent_bit_sends() {
    let found = config(&[]);
    let expected = Config {
        host: "127.0.0.1".to_owned(),
        port: 80,
        target: "/".to_owned(),
        method: Method::Post,
        format: Format::Json {
            layout: Layout::Array,
            date: Some(("date".to_owned(), DateFormat::Double)),
        },
        compress: None,
        headers: Vec::new(),
        header_tag: None,
        allows_duplicates: true,
        login: None,
        aws: None,
        of_record: None,
        proxy: None,
        tls: None,
        shows_answers: true,
        net: Net {
            connect_timeout: Some(Duration::from_secs(10)),
            idle_timeout: None,
            response_timeout: Some(Duration::from_secs(60)),
            keepalive: true,
            keepalive_idle_timeout: Duration::from_secs(30),
            keepalive_max_recycle: Some(2_000),
            source_address: None,
        },
    };
    assert_eq!(found, expected);
    assert_eq!(found.to_string(), "sent as arrays of JSON to 127.0.0.1:80");
}

#[test]
fn host_port_and_path_say_where_to_send() {
    let found = config(&[("Host", "[::1]"), ("Port", "8080"), ("URI", "v1/logs?a=b c")]);
    assert_eq!((found.host.as_str(), found.port), ("::1", 8_080));
    assert_eq!(found.target, "/v1/logs?a=b%20c");
    assert!(refused(&[("port", "65536")]).contains("expected a whole number from 0 to 65535"));
}

#[test]
fn a_method_is_post_or_put() {
    assert_eq!(config(&[("http_method", "put")]).method, Method::Put);
    assert_eq!(config(&[("http_method", "Post")]).method, Method::Post);
    assert!(refused(&[("http_method", "GET")]).contains("expected POST or PUT"));
}

#[test]
fn every_format_has_a_name_and_an_unknown_one_is_msgpack() {
    let date = || Some(("t".to_owned(), DateFormat::Iso8601));
    let json = |layout| Format::Json { layout, date: date() };
    let cases = [
        ("JSON", json(Layout::Array)),
        ("json_lines", json(Layout::Lines)),
        ("json_stream", json(Layout::Stream)),
        ("msgpack", Format::Msgpack),
        ("Gelf", Format::Gelf(GelfFormat::default())),
    ];
    for (name, format) in cases {
        let lines = [("format", name), ("json_date_key", "t"), ("json_date_format", "iso8601")];
        assert_eq!(config(&lines).format, format, "{name}");
    }
    let off = [("format", "json"), ("json_date_key", "false")];
    assert_eq!(config(&off).format, Format::Json { layout: Layout::Array, date: None });
    let (found, said) = read(&[("format", "xml")]);
    assert_eq!(found.map(|config| config.format), Some(Format::Msgpack));
    assert!(said.starts_with("is no format, msgpack holds"), "{said}");
    assert!(refused(&[("format", "otlp_json")]).contains("not supported"));
}

#[test]
fn the_keys_of_gelf_can_be_set_one_by_one() {
    type Field = fn(&mut GelfFormat) -> &mut String;
    let set: [(&str, Field); 5] = [
        ("gelf_timestamp_key", |format| &mut format.timestamp_key),
        ("gelf_host_key", |format| &mut format.host_key),
        ("gelf_short_message_key", |format| &mut format.short_message_key),
        ("gelf_full_message_key", |format| &mut format.full_message_key),
        ("gelf_level_key", |format| &mut format.level_key),
    ];
    for (name, field) in set {
        let mut expected = GelfFormat::default();
        *field(&mut expected) = "mine".to_owned();
        let found = config(&[("format", "gelf"), (name, "mine")]);
        assert_eq!(found.format, Format::Gelf(expected), "{name}");
    }
}

#[test]
fn a_body_may_be_compressed_by_three_codecs() {
    for (name, codec) in [("GZIP", Codec::Gzip), ("snappy", Codec::Snappy), ("zstd", Codec::Zstd)] {
        assert_eq!(config(&[("compress", name)]).compress, Some(codec));
    }
    assert!(refused(&[("compress", "lz4")]).contains("expected gzip, snappy or zstd"));
}

#[test]
fn headers_keep_their_order_and_may_repeat() {
    let found = config(&[("Header", "X-B 1"), ("Header", "X-A \"2\""), ("header", "X-B 3")]);
    let expected = [("X-B", "1"), ("X-A", "\"2\""), ("X-B", "3")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(found.headers, expected);
    assert!(found.allows_duplicates);
    assert!(!config(&[("Allow_Duplicated_Headers", "false")]).allows_duplicates);
}

#[test]
fn a_header_that_cannot_be_sent_is_told_of_and_never_its_value() {
    let said = refused(&[("header", "X(Y) s3cret")]);
    assert!(said.contains("test.conf:1") && said.contains("expected a name"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    let said = refused(&[("header", "X-Y s3\u{1}cret")]);
    assert!(said.contains("no header may have") && !said.contains("s3"), "{said}");
    for line in ["X-Y", "Content-Length 5", "transfer-encoding chunked", "Connection close"] {
        let (found, said) = read(&[("header", line)]);
        assert_eq!(found.map(|config| config.headers), Some(Vec::new()), "{line}");
        assert!(said.contains("not sent"), "{said}");
    }
    let many: Vec<_> = (0..=header::HEADERS_MAX).map(|_| ("header", "X-Y z")).collect();
    assert_eq!(config(&many[1..]).headers.len(), header::HEADERS_MAX);
    assert!(refused(&many).contains("more than 256 headers"));
}

#[test]
fn the_tag_may_be_a_header() {
    assert_eq!(config(&[("header_tag", "X-Tag")]).header_tag.as_deref(), Some("X-Tag"));
    assert!(refused(&[("header_tag", "X Tag")]).contains("is no name of a header"));
    for name in ["Host", "content-length", "Transfer-Encoding", "Connection"] {
        assert!(refused(&[("header_tag", name)]).contains("follows from the request"), "{name}");
    }
}

#[test]
fn a_login_has_a_name_and_perhaps_a_password_which_is_shown_nowhere() {
    let found = config(&[("http_user", "u"), ("http_passwd", "s3cret")]);
    let expected = Login { user: "u".to_owned(), password: "s3cret".to_owned() };
    assert_eq!(found.login, Some(expected));
    assert!(!format!("{found:?}").contains("s3cret"));
    assert_eq!(config(&[("http_user", "u")]).login.map(|login| login.password), Some("".into()));
    let (found, said) = read(&[("http_passwd", "s3cret")]);
    assert_eq!(found.and_then(|config| config.login), None);
    assert_eq!(said, "is not sent, because there is no http_user");
}

#[test]
fn a_proxy_is_named_by_its_address() {
    let proxy = Proxy { host: "proxy".to_owned(), port: 3_128 };
    assert_eq!(config(&[("proxy", "http://proxy:3128")]).proxy, Some(proxy));
    assert!(refused(&[("proxy", "proxy:3128")]).contains("expected http://host:port"));
}

#[test]
fn body_and_headers_of_a_record_belong_together() {
    let found = config(&[("body_key", "$body['x']"), ("headers_key", "h")]).of_record;
    let expected = OfRecord {
        body: Accessor::parse("$body['x']").expect("a path"),
        headers: Accessor::parse("h").expect("a path"),
    };
    assert_eq!(found, Some(expected));
    assert!(refused(&[("body_key", "b")]).contains("belong together"));
    assert!(refused(&[("headers_key", "b")]).contains("belong together"));
    assert!(refused(&[("headers_key", "$x["), ("body_key", "b")]).contains("is no path"));
}

#[test]
fn times_and_uses_of_connections_can_be_set_and_0_is_without_end() {
    let second = Duration::from_secs(1);
    let found = config(&[
        ("net.connect_timeout", "1"),
        ("net.io_timeout", "2"),
        ("http.response_timeout", "3"),
        ("net.keepalive", "off"),
        ("net.keepalive_idle_timeout", "4"),
        ("net.keepalive_max_recycle", "5"),
        ("net.source_address", "127.0.0.9"),
        ("log_response_payload", "false"),
    ]);
    let expected = Net {
        connect_timeout: Some(second),
        idle_timeout: Some(2 * second),
        response_timeout: Some(3 * second),
        keepalive: false,
        keepalive_idle_timeout: 4 * second,
        keepalive_max_recycle: Some(5),
        source_address: "127.0.0.9".parse().ok(),
    };
    assert_eq!((found.net, found.shows_answers), (expected, false));
    let idle = config(&[("net.io_timeout", "2"), ("http.read_idle_timeout", "1s")]);
    assert_eq!(idle.net.idle_timeout, Some(second));
    let found = config(&[
        ("net.connect_timeout", "0"),
        ("http.response_timeout", "0"),
        ("net.keepalive_idle_timeout", "0"),
        ("net.keepalive_max_recycle", "0"),
    ]);
    let net = found.net;
    assert_eq!((net.connect_timeout, net.response_timeout), (None, None));
    assert_eq!((net.keepalive_idle_timeout, net.keepalive_max_recycle), (Duration::ZERO, None));
    assert!(refused(&[("net.source_address", "eth0")]).contains("is no address"));
}

#[test]
fn signing_needs_a_service_and_a_region() {
    let lines = [
        ("aws_auth", "on"),
        ("aws_service", "es"),
        ("aws_region", "eu-west-1"),
        ("aws_role_arn", "arn:aws:iam::1:role/r"),
        ("aws_external_id", "id"),
        ("aws_sts_endpoint", "sts.example"),
        ("aws_profile", "p"),
    ];
    let expected = Aws {
        service: "es".to_owned(),
        region: "eu-west-1".to_owned(),
        role_arn: Some("arn:aws:iam::1:role/r".to_owned()),
        external_id: Some("id".to_owned()),
        sts_endpoint: Some("sts.example".to_owned()),
        profile: Some("p".to_owned()),
    };
    assert_eq!(config(&lines).aws, Some(expected));
    assert_eq!(config(&lines[1..]).aws, None, "aws_auth is off");
    let said = refused(&lines[..1]);
    assert!(said.contains("aws_service") && said.contains("aws_region"), "{said}");
    let defaults = Defaults { region: Some("us-east-1") };
    let (found, said) = read_in(&lines[..2], defaults);
    let region = found.and_then(|config| config.aws).map(|aws| aws.region);
    assert_eq!((region.as_deref(), said.as_str()), (Some("us-east-1"), ""));
}

#[test]
fn tls_is_off_unless_asked_for() {
    assert!(config(&[("tls", "on"), ("tls.verify", "off")]).tls.is_some());
    assert_eq!(config(&[("tls.verify", "off")]).tls, None);
}

#[test]
fn oauth2_is_refused_and_options_without_effect_say_so() {
    let of = |effect| OPTIONS.iter().chain(NET).filter(move |row| row.effect == effect);
    assert_eq!(of(Effect::Unsupported).count(), 17);
    for row in of(Effect::Unsupported) {
        assert!(row.name.starts_with("oauth2."), "{}", row.name);
        assert!(refused(&[(row.name, "x")]).contains("not supported"), "{}", row.name);
    }
    for row in of(Effect::None) {
        let (found, said) = read(&[(row.name, "1")]);
        assert!(found.is_some() && said.contains("no effect"), "{}: {said}", row.name);
    }
}

#[test]
fn the_options_of_aws_examples_are_taken() {
    let dynatrace = config(&[
        ("Allow_Duplicated_Headers", "false"),
        ("Format", "json"),
        ("Header", "Content-Type application/json; charset=utf-8"),
        ("Host", "{your-environment-id}.live.dynatrace.com"),
        ("Json_Date_Format", "iso8601"),
        ("Json_Date_Key", "timestamp"),
        ("Port", "443"),
        ("TLS", "on"),
        ("TLS.verify", "off"),
        ("URI", "/api/v2/logs/ingest?api-token=x"),
        ("retry_limit", "2"),
    ]);
    let value = "application/json; charset=utf-8".to_owned();
    assert_eq!(dynatrace.headers, [("Content-Type".to_owned(), value)]);
    assert!(config(&[("Host", "<endpoint>"), ("tls", "on")]).tls.is_some());
}
