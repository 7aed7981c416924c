//! Step 6, output: the names of groups and streams of `cloudwatch`, with `$(...)` in them.
//!
//! Pure. Values come from the tag, from what ECS says of the task, or from texts of the record; what
//! is neither is no value, and then the default name holds. Must not know who asks.
//! Source: `cloudwatch/helpers.go` of <https://github.com/aws/amazon-cloudwatch-logs-for-fluent-bit>.

use crate::ecs::snapshot::Snapshot;
use crate::output::cloudwatch_logs::field;
use crate::record::fields::SharedFields;
use crate::record::map;
use crate::record::msgpack::{Reader, Token};
use crate::record::tag::Tag;

/// Parts that a tag is cut into at its dots; the last of them has all that is left.
const TAG_PARTS_MAX: usize = 10;
/// Longest name, in bytes; the service takes as many characters.
const NAME_BYTES_MAX: usize = 512;

/// A name with `$(...)` in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NameTemplate {
    text: String,
    parts: Vec<Part>,
}

/// `$(` that no `)` follows.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected ) behind {0:?}")]
pub struct TemplateError(String);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Literal(String),
    Tag,
    PieceOfTag(usize),
    Task(OfTask),
    Uuid,
    Field(Field),
}

/// What ECS says of the task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum OfTask {
    Cluster,
    Id,
    Arn,
}

/// `key` or `key['a']['b']`.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Field {
    key: String,
    steps: Vec<Step>,
}

/// What follows a key.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Step {
    Key(String),
    /// Text between keys, which stands in the name as it is.
    Literal(String),
}

/// What a name is made for.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Tag of the record.
    pub tag: &'a Tag,
    /// The record: a msgpack map.
    pub record: &'a [u8],
    /// Fields that follow the record's own.
    pub shared: &'a SharedFields,
    /// The task, where it is known.
    pub task: Option<&'a Snapshot>,
    /// What `$(uuid)` stands for.
    pub uuid: &'a str,
}

/// A value that is not there, by what the template calls it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Missing<'a>(pub &'a str);

/// What a name is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// A log group.
    Group,
    /// A log stream.
    Stream,
}

impl NameTemplate {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// [`TemplateError`], where a `$(` has no end.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, behind)) = rest.split_once("$(") {
            let Some((inner, tail)) = behind.split_once(')') else {
                return Err(TemplateError(format!("$({behind}")));
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            parts.push(Part::parse(inner));
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it says anything of the task.
    #[must_use]
    pub fn needs_task(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Task(_)))
    }

    /// Whether records of one tag may have different names.
    #[must_use]
    pub fn reads_records(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Field(_)))
    }

    /// Appends the name, with a dot for each byte that its purpose does not allow.
    ///
    /// # Errors
    ///
    /// [`Missing`]; what was appended until then is taken back.
    pub fn render<'a>(
        &'a self,
        scene: &Scene<'_>,
        purpose: Purpose,
        out: &mut Vec<u8>,
    ) -> Result<(), Missing<'a>> {
        let start = out.len();
        for part in &self.parts {
            if let Err(missing) = part.render(scene, out) {
                out.truncate(start);
                return Err(missing);
            }
        }
        let name = out.get_mut(start..).unwrap_or_default();
        name.iter_mut().filter(|byte| !purpose.allows(**byte)).for_each(|byte| *byte = b'.');
        let end = character_boundary(name, NAME_BYTES_MAX);
        out.truncate(start + end);
        Ok(())
    }
}

impl Purpose {
    fn allows(self, byte: u8) -> bool {
        match self {
            Self::Group => byte.is_ascii_alphanumeric() || b"_-./".contains(&byte),
            Self::Stream => byte != b':' && byte != b'*',
        }
    }
}

/// The last place of at most `most` bytes where no character is cut in two.
pub(crate) fn character_boundary(text: &[u8], most: usize) -> usize {
    let is_inside = |at: &usize| text.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (0..=most.min(text.len())).rev().find(|at| !is_inside(at)).unwrap_or(0)
}

impl Part {
    /// Reads what stands between `$(` and `)`.
    fn parse(inner: &str) -> Self {
        match inner {
            "ecs_task_id" => return Self::Task(OfTask::Id),
            "ecs_task_arn" => return Self::Task(OfTask::Arn),
            "ecs_cluster" => return Self::Task(OfTask::Cluster),
            "uuid" => return Self::Uuid,
            _ => {}
        }
        let at = inner.find('[').unwrap_or(inner.len());
        let (key, behind) = inner.split_at(at);
        if key != "tag" {
            return Self::Field(Field { key: key.to_owned(), steps: steps(behind) });
        }
        // One digit counts; whatever else stands there is 0.
        match behind.as_bytes() {
            [] | [_] => Self::Tag,
            [_, digit, ..] if digit.is_ascii_digit() => Self::PieceOfTag(usize::from(digit - b'0')),
            [_, _, ..] => Self::PieceOfTag(0),
        }
    }

    fn render<'a>(&'a self, scene: &Scene<'_>, out: &mut Vec<u8>) -> Result<(), Missing<'a>> {
        match self {
            Self::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Self::Tag => out.extend_from_slice(scene.tag.as_bytes()),
            Self::PieceOfTag(number) => {
                let mut parts = scene.tag.as_bytes().splitn(TAG_PARTS_MAX, |byte| *byte == b'.');
                out.extend_from_slice(parts.nth(*number).ok_or(Missing("tag"))?);
            }
            Self::Task(what) => {
                let value = scene.task.and_then(|task| what.of(task));
                out.extend_from_slice(value.ok_or(Missing(what.name()))?.as_bytes());
            }
            Self::Uuid => out.extend_from_slice(scene.uuid.as_bytes()),
            Self::Field(field) => field.render(scene, out)?,
        }
        Ok(())
    }
}

impl OfTask {
    fn name(self) -> &'static str {
        match self {
            Self::Cluster => "ecs_cluster",
            Self::Id => "ecs_task_id",
            Self::Arn => "ecs_task_arn",
        }
    }

    fn of(self, task: &Snapshot) -> Option<&str> {
        match self {
            Self::Cluster => task.cluster.as_deref(),
            Self::Id => task.task_id.as_deref(),
            Self::Arn => task.task_arn.as_deref(),
        }
    }
}

/// Reads `['a']['b']`, and whatever stands between and around.
fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let literal = |text: &str, steps: &mut Vec<Step>| {
        if !text.is_empty() {
            steps.push(Step::Literal(text.to_owned()));
        }
    };
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("['") {
        let Some((key, tail)) = behind.split_once("']") else { break };
        literal(before, &mut steps);
        steps.push(Step::Key(key.to_owned()));
        rest = tail;
    }
    literal(rest, &mut steps);
    steps
}

impl Field {
    /// A text stands for itself whatever follows the key; of a map, what is reached by the keys.
    fn render<'a>(&'a self, scene: &Scene<'_>, out: &mut Vec<u8>) -> Result<(), Missing<'a>> {
        let found = field::last(scene.record, scene.shared, self.key.as_bytes());
        let mut inner = match found.ok_or(Missing(&self.key))? {
            field::Value::Text(text) => {
                out.extend_from_slice(text);
                return Ok(());
            }
            field::Value::Packed(value) if is_map(value) => value,
            field::Value::Packed(_) => return Err(Missing(&self.key)),
        };
        for step in &self.steps {
            let key = match step {
                Step::Literal(text) => {
                    out.extend_from_slice(text.as_bytes());
                    continue;
                }
                Step::Key(key) => key,
            };
            let value = map::get(inner, key.as_bytes());
            match value.map(field::Value::packed) {
                Some(field::Value::Text(text)) => out.extend_from_slice(text),
                Some(field::Value::Packed(value)) if is_map(value) => inner = value,
                Some(field::Value::Packed(_)) | None => return Err(Missing(key)),
            }
        }
        Ok(())
    }
}

fn is_map(value: &[u8]) -> bool {
    matches!(Reader::new(value).token(), Ok(Token::Map(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fields::SharedField;
    use crate::record::msgpack::Writer;

    /// `{"pam": {"item": "soup", "item2": {"subitem": bin, "subitem2": {"more": "final"}}, "n": 1},
    /// "s": "x:y", "n": 5}`
    fn record() -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.map_header(3);
        writer.str(b"pam");
        writer.map_header(3);
        writer.str(b"item");
        writer.str(b"soup");
        writer.str(b"item2");
        writer.map_header(2);
        writer.str(b"subitem");
        writer.bin(b"SubIt3m");
        writer.str(b"subitem2");
        writer.map_header(1);
        writer.str(b"more");
        writer.str(b"final");
        writer.str(b"n");
        writer.uint(1);
        writer.str(b"s");
        writer.str(b"x:y");
        writer.str(b"n");
        writer.uint(5);
        out
    }

    fn task() -> Snapshot {
        Snapshot {
            cluster: Some("cluster".to_owned()),
            task_arn: Some("arn:task".to_owned()),
            task_id: Some("taskID".to_owned()),
            ..Snapshot::default()
        }
    }

    fn filled_for(purpose: Purpose, text: &str, tag: &str) -> Result<String, String> {
        let template = NameTemplate::parse(text).expect("a template");
        let (record, task) = (record(), task());
        let field = SharedField {
            key: b"ecs_cluster".as_slice().into(),
            value: b"shared".as_slice().into(),
            yields: false,
        };
        let scene = Scene {
            tag: &tag.into(),
            record: &record,
            shared: &SharedFields::new(vec![field]),
            task: Some(&task),
            uuid: "123",
        };
        let mut out = b"before".to_vec();
        let filled = template.render(&scene, purpose, &mut out);
        let name = String::from_utf8_lossy(&out).strip_prefix("before").expect("kept").to_owned();
        match filled {
            Ok(()) => Ok(name),
            Err(Missing(key)) => {
                assert_eq!(name, "");
                Err(key.to_owned())
            }
        }
    }

    fn filled(text: &str) -> Result<String, String> {
        filled_for(Purpose::Group, text, "syslog.0")
    }

    /// The plugin's own test.
    #[test]
    fn every_kind_of_value_stands_where_its_name_stood() {
        let text = "$(ecs_task_id).$(ecs_cluster).$(ecs_task_arn).$(uuid).$(tag).\
                    $(pam['item2']['subitem2']['more']).$(pam['item']).$(pam['item2']).\
                    $(pam['item2']['subitem'])-$(pam['item2']['subitem2']['more'])-$(tag[1])";
        let expected = "taskID.cluster.arn.task.123.syslog.0.final.soup..SubIt3m-final-0";
        assert_eq!(filled(text).as_deref(), Ok(expected));
    }

    #[test]
    fn what_is_not_there_or_no_text_is_missing_by_its_key() {
        let missing = |key: &str| Err(key.to_owned());
        assert_eq!(filled("$(missing-variable).stuff"), missing("missing-variable"));
        assert_eq!(filled("a$(pam['item6']).stuff"), missing("item6"));
        assert_eq!(filled("$(pam['item2']['x'])"), missing("x"));
        assert_eq!((filled("$(n)"), filled("$(pam['n'])")), (missing("n"), missing("n")));
        assert_eq!((filled("$()"), filled("$(tag[9])")), (missing(""), missing("tag")));
    }

    #[test]
    fn a_text_stands_for_itself_whatever_follows_its_key() {
        assert_eq!(filled_for(Purpose::Stream, "$(s['a'])", "t").as_deref(), Ok("x.y"));
        assert_eq!(filled("$(pam)-$(pam[0])-$(pam['item']!['n2'])"), Err("n2".to_owned()));
        assert_eq!(filled("$(pam)-$(pam[0])-$(pam['item']!)").as_deref(), Ok("-.0.-soup."));
        assert_eq!(filled("$(pam['item)").as_deref(), Ok("..item"));
    }

    #[test]
    fn what_ecs_says_of_the_task_comes_before_a_field_of_that_name() {
        assert_eq!(filled("$(ecs_cluster)").as_deref(), Ok("cluster"));
        let template = NameTemplate::parse("$(ecs_cluster)").expect("a template");
        let shared = SharedFields::default();
        let tag = "t".into();
        let scene = Scene { tag: &tag, record: b"\x80", shared: &shared, task: None, uuid: "" };
        let filled = template.render(&scene, Purpose::Group, &mut Vec::new());
        assert_eq!(filled, Err(Missing("ecs_cluster")));
    }

    #[test]
    fn a_tag_has_up_to_ten_parts_and_one_digit_counts() {
        let tag = "0.1.2.3.4.5.6.7.8.9.10";
        let of = |text| filled_for(Purpose::Stream, text, tag);
        assert_eq!(of("$(tag[0])$(tag[8])").as_deref(), Ok("08"));
        assert_eq!(of("$(tag[9])").as_deref(), Ok("9.10"));
        assert_eq!(of("$(tag[10])").as_deref(), Ok("1"));
        assert_eq!(of("$(tag[x])$(tag[])").as_deref(), Ok("00"));
        assert_eq!(of("$(tag[)").as_deref(), Ok(tag));
        assert_eq!(filled_for(Purpose::Stream, "$(tag[0])", "a").as_deref(), Ok("a"));
    }

    #[test]
    fn a_byte_that_a_name_does_not_allow_becomes_a_dot() {
        let odd = r#"!@#$%^&*+_}{][=-';":/.?>,<~é"#;
        let group = filled_for(Purpose::Group, odd, "t");
        assert_eq!(group.as_deref(), Ok("........._.....-..../........"));
        let stream = filled_for(Purpose::Stream, odd, "t");
        assert_eq!(stream.as_deref(), Ok(r#"!@#$%^&.+_}{][=-';"./.?>,<~é"#));
    }

    #[test]
    fn a_name_has_at_most_512_bytes_and_no_half_character() {
        let long = |text: &str| filled_for(Purpose::Stream, text, "t").map(|name| name.len());
        assert_eq!((long(&"x".repeat(512)), long(&"x".repeat(513))), (Ok(512), Ok(512)));
        assert_eq!(long(&format!("x{}", "é".repeat(256))), Ok(511));
    }

    #[test]
    fn a_template_without_its_end_is_refused() {
        assert_eq!(NameTemplate::parse("a$(b"), Err(TemplateError("$(b".to_owned())));
        assert!(NameTemplate::parse("a$b)$").is_ok_and(|one| !one.reads_records()));
    }

    proptest::proptest! {
        #[test]
        fn no_text_and_no_record_make_it_panic(
            text in "[$()tagé\\['\\]0.]{0,24}",
            record in proptest::collection::vec(proptest::num::u8::ANY, 0..24),
        ) {
            if let Ok(template) = NameTemplate::parse(&text) {
                let (tag, shared) = ("a.b".into(), SharedFields::default());
                let scene = Scene { tag: &tag, record: &record, shared: &shared, task: None, uuid: "" };
                let _ = template.render(&scene, Purpose::Stream, &mut Vec::new());
            }
        }
    }
}
