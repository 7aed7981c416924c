//! Step 0, record: rewrites a regular expression of Ruby's syntax into that of `fancy-regex`.
//!
//! The two differ in what `\d`, `\w`, `\s` and `[[:alpha:]]` stand for, in the letters of inline
//! flags, in braces and dashes that are only text, and in what is refused. One pass over the text,
//! no recursion. Reference: Onigmo's `doc/RE` and its `OnigSyntaxRuby`
//! (<https://github.com/k-takata/Onigmo/blob/master/doc/RE>).

use super::signs::{
    Flags, class_members, code_point, group_head, interval, property, quoted, shorthand,
};
use super::{PatternError, PatternFault};

/// Most classes of characters within one another.
const CLASS_DEPTH_MAX: usize = 32;
/// Letters that mean something after a backslash and mean the same to `fancy-regex`.
const SAME_ESCAPES: &str = "AzZbBGKRXkgntr";

/// A pattern in the dialect of `fancy-regex`.
#[derive(Debug)]
pub(super) struct Translation {
    pub(super) regex: String,
    /// The bytes to look for, if no sign of the pattern has a meaning of its own.
    pub(super) literal: Option<Vec<u8>>,
    pub(super) origins: Origins,
    /// There is a `^`.
    pub(super) has_line_start: bool,
    /// An interval is repeated itself (`a{2}+`), which only Onigmo reads so.
    pub(super) has_repeated_interval: bool,
    /// Flag `i`.
    pub(super) ignore_case: bool,
    /// Flag `m`: `.` also stands for a newline.
    pub(super) any_newline: bool,
    /// Flag `x`: blanks and comments are left out.
    pub(super) extended: bool,
}

/// Which byte of the pattern a byte of the rewritten one comes from.
#[derive(Debug, Default)]
pub(super) struct Origins(Vec<(usize, usize)>);

impl Origins {
    pub(super) fn of(&self, rewritten: usize) -> usize {
        let after = self.0.partition_point(|(out, _)| *out <= rewritten);
        after.checked_sub(1).and_then(|i| self.0.get(i)).map_or(0, |(_, origin)| *origin)
    }
}

/// Takes flags off (`/…/imx`) and rewrites the rest.
pub(super) fn translate(text: &str) -> Result<Translation, PatternError> {
    let Delimited { start, body, flags } = Delimited::of(text);
    let extended = flags.contains('x');
    let mut rewriter = Rewriter {
        text: body,
        at: 0,
        start,
        out: String::with_capacity(body.len()),
        origins: Origins::default(),
        literal: (!flags.contains('i')).then(String::new),
        repeatable: false,
        has_line_start: false,
        has_repeated_interval: false,
        extended: vec![extended],
    };
    rewriter.run()?;
    Ok(Translation {
        regex: rewriter.out,
        literal: rewriter.literal.map(String::into_bytes),
        origins: rewriter.origins,
        has_line_start: rewriter.has_line_start,
        has_repeated_interval: rewriter.has_repeated_interval,
        ignore_case: flags.contains('i'),
        any_newline: flags.contains('m'),
        extended,
    })
}

struct Delimited<'a> {
    start: usize,
    body: &'a str,
    flags: &'a str,
}

impl<'a> Delimited<'a> {
    /// Slashes belong to the pattern unless one stands at the start, one later, and only flags
    /// behind that.
    fn of(text: &'a str) -> Self {
        let whole = Self { start: 0, body: text, flags: "" };
        let Some((body, flags)) = text.strip_prefix('/').and_then(|rest| rest.rsplit_once('/'))
        else {
            return whole;
        };
        let known = flags.chars().all(|flag| matches!(flag, 'i' | 'm' | 'x' | 'o'));
        if known { Self { start: 1, body, flags } } else { whole }
    }
}

struct Rewriter<'a> {
    text: &'a str,
    at: usize,
    /// Bytes of the given pattern before `text`.
    start: usize,
    out: String,
    origins: Origins,
    literal: Option<String>,
    /// Something stands before that a repeat can refer to.
    repeatable: bool,
    has_line_start: bool,
    has_repeated_interval: bool,
    /// Flag `x`, for each open group.
    extended: Vec<bool>,
}

impl<'a> Rewriter<'a> {
    fn run(&mut self) -> Result<(), PatternError> {
        while let Some(c) = self.peek() {
            self.origins.0.push((self.out.len(), self.start + self.at));
            match c {
                '\\' => self.escape(),
                '[' => self.class()?,
                '(' => self.group(),
                ')' => self.close(),
                '|' => self.special('|', false),
                '*' | '+' | '?' => self.repeat(c)?,
                '{' => self.brace()?,
                '}' | ']' => self.text_sign(c),
                '^' => {
                    self.has_line_start = true;
                    self.special('^', true);
                }
                '.' | '$' => self.special(c, true),
                '#' if self.is_extended() => self.comment(),
                c if c.is_ascii_whitespace() && self.is_extended() => {
                    self.literal = None;
                    self.take(c);
                }
                c => {
                    self.take(c);
                    self.push_literal(c);
                }
            }
        }
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn is_extended(&self) -> bool {
        self.extended.last().copied().unwrap_or_default()
    }

    /// Goes past `c` and copies it.
    fn take(&mut self, c: char) {
        self.at += c.len_utf8();
        self.out.push(c);
    }

    fn push_literal(&mut self, c: char) {
        if let Some(literal) = &mut self.literal {
            literal.push(c);
        }
        self.repeatable = true;
    }

    fn special(&mut self, c: char, repeatable: bool) {
        self.take(c);
        self.literal = None;
        self.repeatable = repeatable;
    }

    /// A sign that is text here and syntax to the engine.
    fn text_sign(&mut self, c: char) {
        self.out.push('\\');
        self.take(c);
        self.push_literal(c);
    }

    /// Writes `regex` for the next `bytes` of the pattern.
    fn put(&mut self, bytes: usize, regex: &str) {
        self.at += bytes;
        self.out.push_str(regex);
        self.literal = None;
        self.repeatable = true;
    }

    fn fault(&self, at: usize, fault: PatternFault) -> PatternError {
        PatternError { position: self.start + at, fault }
    }

    fn repeat(&mut self, c: char) -> Result<(), PatternError> {
        if !self.repeatable {
            return Err(self.fault(self.at, PatternFault::NothingToRepeat(c)));
        }
        self.special(c, true);
        Ok(())
    }

    fn brace(&mut self) -> Result<(), PatternError> {
        let Some((bytes, low, high)) = interval(self.rest()) else {
            self.text_sign('{');
            return Ok(());
        };
        if !self.repeatable {
            return Err(self.fault(self.at, PatternFault::NothingToRepeat('{')));
        }
        let low = if low.is_empty() { "0" } else { low };
        let interval = high.map_or(format!("{{{low}}}"), |high| format!("{{{low},{high}}}"));
        self.put(bytes, &interval);
        self.has_repeated_interval |= self.rest().starts_with(['*', '+', '?', '{']);
        Ok(())
    }

    fn comment(&mut self) {
        let bytes = self.rest().find('\n').unwrap_or(self.rest().len());
        self.literal = None;
        self.at += bytes;
    }

    fn close(&mut self) {
        if self.extended.len() > 1 {
            self.extended.pop();
        }
        self.special(')', true);
    }

    /// `(` and what belongs to it.
    fn group(&mut self) {
        let rest = self.rest();
        let extended = self.is_extended();
        if let Some(comment) = rest.strip_prefix("(?#") {
            let bytes = comment.find(')').map_or(rest.len(), |end| end + "(?#)".len());
            self.literal = None;
            self.at += bytes;
            return;
        }
        if let Some(Flags { bytes, regex, extended: changed, is_group }) = Flags::read(rest) {
            self.put(bytes, &regex);
            let extended = changed.unwrap_or(extended);
            if is_group {
                self.extended.push(extended);
            } else if let Some(current) = self.extended.last_mut() {
                *current = extended;
            }
        } else {
            let (bytes, regex) = group_head(rest);
            self.put(bytes, &regex);
            self.extended.push(extended);
        }
        self.repeatable = false;
    }

    fn escape(&mut self) {
        let Some(c) = self.rest().chars().nth(1) else {
            self.special('\\', true);
            return;
        };
        if let Some(set) = shorthand(c) {
            self.put(2, &set.bracketed());
        } else if let Some((bytes, code)) = code_point(self.rest()) {
            self.put(bytes, &format!("\\x{{{code:X}}}"));
        } else if let Some((bytes, regex)) = property(self.rest()) {
            self.put(bytes, &regex);
        } else if SAME_ESCAPES.contains(c) || matches!(c, '1'..='9') {
            self.put(2, &format!("\\{c}"));
        } else {
            self.at += 1 + c.len_utf8();
            self.out.push_str(&quoted(c));
            self.push_literal(c);
        }
    }

    /// `[…]`, with classes within it.
    fn class(&mut self) -> Result<(), PatternError> {
        let opened = self.at;
        let mut depth = 0_usize;
        while let Some(c) = self.peek() {
            match c {
                '[' if depth > 0 && self.rest().starts_with("[:") && self.rest().contains(":]") => {
                    self.named_class()?;
                }
                '[' => {
                    depth += 1;
                    if depth > CLASS_DEPTH_MAX {
                        let fault = PatternFault::TooDeep { max: CLASS_DEPTH_MAX };
                        return Err(self.fault(self.at, fault));
                    }
                    self.open_class();
                }
                ']' => {
                    self.put(1, "]");
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Ok(());
                    }
                }
                '\\' => self.class_escape(),
                '-' if self.out.ends_with('-') && !self.out.ends_with("\\-") => self.put(1, "\\-"),
                '~' | '#' => self.put(1, &format!("\\{c}")),
                c if c.is_ascii_whitespace() => self.put(1, &format!("\\x{{{:X}}}", u32::from(c))),
                c => self.take(c),
            }
        }
        Err(self.fault(opened, PatternFault::UnclosedClass))
    }

    /// `[`, `[^`, and a `]` right after them, which is text.
    fn open_class(&mut self) {
        self.put(1, "[");
        if self.peek() == Some('^') {
            self.put(1, "^");
        }
        if self.peek() == Some(']') {
            self.put(1, "\\]");
        }
    }

    fn named_class(&mut self) -> Result<(), PatternError> {
        let (at, rest) = (self.at, self.rest());
        let name = rest.strip_prefix("[:").and_then(|rest| rest.split_once(":]"));
        let name = name.map(|(name, _)| name).unwrap_or_default();
        let (plain, is_negated) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
        let Some(members) = class_members(plain) else {
            return Err(self.fault(at, PatternFault::UnknownClass));
        };
        let negation = if is_negated { "^" } else { "" };
        self.put(name.len() + "[::]".len(), &format!("[{negation}{members}]"));
        Ok(())
    }

    fn class_escape(&mut self) {
        let Some(c) = self.rest().chars().nth(1) else {
            self.put(1, "\\\\");
            return;
        };
        if let Some(set) = shorthand(c) {
            self.put(2, &set.bracketed());
        } else if c == 'b' {
            self.put(2, "\\x08");
        } else if let Some((bytes, code)) = code_point(self.rest()) {
            self.put(bytes, &format!("\\x{{{code:X}}}"));
        } else if let Some((bytes, regex)) = property(self.rest()) {
            self.put(bytes, &regex);
        } else if matches!(c, 'n' | 't' | 'r') {
            self.put(2, &format!("\\{c}"));
        } else {
            self.put(1 + c.len_utf8(), &quoted(c));
        }
    }
}
