//! Text with values of a record in it: `from.$TAG[1].$log['level']`.
//!
//! Reference: Fluent Bit's manual, "Record Accessor"; `flb_record_accessor.c`. Must not know what
//! the text is for.

use std::io::Write as _;

use super::accessor::{Accessor, AccessorError, Found};
use super::fields::SharedFields;
use super::json_out;
use super::msgpack::{Reader, Token};

/// Most pieces of one template, inclusive.
pub const PIECES_MAX: usize = 64;

/// A text with places to fill.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    text: Box<str>,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Literal(Box<str>),
    Tag,
    TagPart(usize),
    Capture(usize),
    Value(Accessor),
}

/// What a template is filled with.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The tag.
    pub tag: &'a [u8],
    /// The record, with all its fields.
    pub record: &'a [u8],
    /// What the groups of a regular expression matched, the whole match first.
    pub captures: &'a [Option<&'a [u8]>],
}

/// Why a text is no template.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TemplateError {
    /// A path that is none.
    #[error(transparent)]
    Path(#[from] AccessorError),
    /// More pieces than [`PIECES_MAX`].
    #[error("more than {max} pieces in one template")]
    TooLong {
        /// The limit.
        max: usize,
    },
}

/// A place for which there is no value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no text, number or map under the key '{key}'")]
pub struct Missing<'a> {
    /// The first key of the path.
    pub key: &'a str,
}

impl Template {
    /// Reads a text with `$TAG`, `$TAG[1]`, `$0` to `$9` and paths such as `$key['sub']`. A `$` that
    /// begins none of these is a text.
    ///
    /// # Errors
    ///
    /// A path with a bracket that is not closed, or too many pieces.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let (mut literal, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('$') {
            literal.push_str(before);
            let Some((piece, left)) = piece(after)? else {
                literal.push('$');
                rest = after;
                continue;
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
            }
            pieces.push(piece);
            rest = left;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        if pieces.len() > PIECES_MAX {
            return Err(TemplateError::TooLong { max: PIECES_MAX });
        }
        Ok(Self { text: text.into(), pieces })
    }

    /// The text it was read from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is the same for every record.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Literal(_)))
    }

    /// The first keys of all its paths.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Value(path) => Some(path.key()),
            Piece::Literal(_) | Piece::Tag | Piece::TagPart(_) | Piece::Capture(_) => None,
        })
    }

    /// Appends the filled text to `out`. Parts of the tag and groups that are not there are empty.
    ///
    /// # Errors
    ///
    /// A path leads to nothing, or to an array; what `out` got by then stays.
    pub fn render(&self, scene: &Scene<'_>, out: &mut Vec<u8>) -> Result<(), Missing<'_>> {
        self.render_with(scene, &SharedFields::default(), out)
    }

    /// As [`Self::render`], for a record that is followed by these fields.
    ///
    /// # Errors
    ///
    /// As [`Self::render`].
    pub fn render_with(
        &self,
        scene: &Scene<'_>,
        shared: &SharedFields,
        out: &mut Vec<u8>,
    ) -> Result<(), Missing<'_>> {
        self.pieces.iter().try_for_each(|piece| piece.render(scene, shared, out))
    }

    /// As [`Self::render`], but a path that leads to nothing is empty as well.
    pub fn render_or_empty(&self, scene: &Scene<'_>, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            let before = out.len();
            if piece.render(scene, &SharedFields::default(), out).is_err() {
                out.truncate(before);
            }
        }
    }
}

impl Piece {
    fn render(
        &self,
        scene: &Scene<'_>,
        shared: &SharedFields,
        out: &mut Vec<u8>,
    ) -> Result<(), Missing<'_>> {
        match self {
            Self::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Self::Tag => out.extend_from_slice(scene.tag),
            Self::TagPart(place) => {
                let part = scene.tag.split(|byte| *byte == b'.').nth(*place);
                out.extend_from_slice(part.unwrap_or_default());
            }
            Self::Capture(group) => {
                let matched = scene.captures.get(*group).copied().flatten();
                out.extend_from_slice(matched.unwrap_or_default());
            }
            Self::Value(path) => {
                let missing = Missing { key: path.key() };
                match path.find(scene.record, shared).ok_or(missing)? {
                    Found::Own(value) => show(value, out).ok_or(missing)?,
                    Found::Shared(text) => out.extend_from_slice(text),
                }
            }
        }
        Ok(())
    }
}

/// What stands behind a `$`, and what follows it.
fn piece(text: &str) -> Result<Option<(Piece, &str)>, TemplateError> {
    if let Some(after) = text.strip_prefix(|c: char| c.is_ascii_digit()) {
        let group = text.bytes().next().map_or(0, |digit| usize::from(digit - b'0'));
        return Ok(Some((Piece::Capture(group), after)));
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/');
    let key_bytes = text.find(|c| !is_part(c)).unwrap_or(text.len());
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return Ok(None);
    }
    let after_tag = text.strip_prefix("TAG");
    let goes_on = |after: &&str| after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if let Some(after) = after_tag.filter(|after| !goes_on(after)) {
        return Ok(Some(tag_part(after).unwrap_or((Piece::Tag, after))));
    }
    let (path, after) = Accessor::begin(text, key_bytes)?;
    Ok(Some((Piece::Value(path), after)))
}

/// `[1]`
fn tag_part(text: &str) -> Option<(Piece, &str)> {
    let (digits, after) = text.strip_prefix('[')?.split_once(']')?;
    Some((Piece::TagPart(digits.parse().ok()?), after))
}

/// Appends a value as text; `None` for what has no text.
pub fn show(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match Reader::new(value).token().ok()? {
        Token::Nil => out.extend_from_slice(b"null"),
        Token::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        // Writing to a `Vec` cannot fail.
        Token::UInt(value) => write!(out, "{value}").ok()?,
        Token::Int(value) => write!(out, "{value}").ok()?,
        Token::F32(value) => write!(out, "{value:.6}").ok()?,
        Token::F64(value) => write!(out, "{value:.6}").ok()?,
        Token::Str(text) => out.extend_from_slice(text),
        Token::Bin(bytes) => bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}")).ok()?,
        Token::Map(_) => json_out::write(value, out)?,
        Token::Array(_) | Token::Ext(..) => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fields::SharedField;

    /// `{"a": "x", "n": -5, "f": 1.5, "m": {"k": true}, "l": []}`
    const RECORD: &[u8] =
        b"\x85\xa1a\xa1x\xa1n\xfb\xa1f\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xa1m\x81\xa1k\xc3\xa1l\x90";

    fn filled(text: &str) -> Result<String, String> {
        let template = Template::parse(text).map_err(|error| error.to_string())?;
        let captures = [Some(b"whole".as_slice()), None, Some(b"two")];
        let scene = Scene { tag: b"app.web.1", record: RECORD, captures: &captures };
        let mut out = Vec::new();
        template.render(&scene, &mut out).map_err(|missing| missing.to_string())?;
        Ok(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn values_stand_where_their_paths_stood() {
        assert_eq!(filled("p-$a.$n.x").as_deref(), Ok("p-x.-5.x"));
        assert_eq!(filled("$f $m['k'] $m").as_deref(), Ok("1.500000 true {\"k\":true}"));
        assert_eq!(filled("a $ b 5$").as_deref(), Ok("a $ b 5$"));
    }

    #[test]
    fn parts_of_the_tag_and_groups_may_be_missing() {
        assert_eq!(filled("$TAG/$TAG[1]/$TAG[7]!").as_deref(), Ok("app.web.1/web/!"));
        assert_eq!(filled("$0-$1-$2-$9").as_deref(), Ok("whole--two-"));
    }

    #[test]
    fn a_path_to_nothing_or_to_an_array_is_missing() {
        let missing = |key| Err(format!("no text, number or map under the key '{key}'"));
        assert_eq!((filled("$zz"), filled("$l")), (missing("zz"), missing("l")));
        assert_eq!(filled("$m['b']"), missing("m"));
        assert_eq!(filled("$a['b']").as_deref(), Ok("x"), "as in Fluent Bit");
    }

    #[test]
    fn shared_fields_count_as_those_of_the_record() {
        let field = |key: &[u8], yields| SharedField {
            key: key.into(),
            value: b"s".as_slice().into(),
            yields,
        };
        let shared =
            SharedFields::new(vec![field(b"a", false), field(b"n", true), field(b"z", true)]);
        let scene = Scene { tag: b"", record: RECORD, captures: &[] };
        let mut out = Vec::new();
        let filled = Template::parse("$a.$n.$z.$f")
            .map(|one| one.render_with(&scene, &shared, &mut out).is_ok());
        assert_eq!((filled, out.as_slice()), (Ok(true), b"s.-5.s.1.500000".as_slice()));
        let missing = Template::parse("$y").expect("a template");
        assert!(missing.render_with(&scene, &shared, &mut out).is_err());
    }

    #[test]
    fn where_it_is_asked_for_what_is_missing_is_empty() {
        let template = Template::parse("$a.$zz.$l.$n").expect("a template");
        let scene = Scene { tag: b"t", record: RECORD, captures: &[] };
        let mut out = Vec::new();
        template.render_or_empty(&scene, &mut out);
        assert_eq!(out, b"x...-5");
    }

    #[test]
    fn a_bracket_that_is_not_closed_is_refused() {
        assert!(filled("$a['b'").is_err_and(|error| error.contains("from byte 1 on")));
        let long = |pieces: usize| Template::parse(&"$a".repeat(pieces));
        assert!(long(PIECES_MAX).is_ok() && long(PIECES_MAX + 1).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_template_and_no_record_make_it_panic(
            text in "[$TAGa\\['\\]0.é]{0,16}",
            record in proptest::collection::vec(proptest::num::u8::ANY, 0..24),
        ) {
            if let Ok(template) = Template::parse(&text) {
                let scene = Scene { tag: b"a.b", record: &record, captures: &[] };
                let _ = template.render(&scene, &mut Vec::new());
            }
        }
    }
}
