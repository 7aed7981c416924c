//! Step 0, record: what the signs of a Ruby regular expression stand for, one function a sign.
//!
//! Each takes the rest of the pattern from the sign on and says how many bytes of it belong to the
//! sign. Not known here: what came before.

/// Inline flags: `(?i)`, `(?mx-i:`.
pub(super) struct Flags {
    pub(super) bytes: usize,
    pub(super) regex: String,
    pub(super) extended: Option<bool>,
    pub(super) is_group: bool,
}

impl Flags {
    pub(super) fn read(rest: &str) -> Option<Self> {
        let letters = rest.strip_prefix("(?")?;
        let end = letters.find([')', ':'])?;
        let (letters, tail) = letters.split_at_checked(end)?;
        if !letters.chars().all(|c| matches!(c, 'i' | 'm' | 'x' | 'a' | 'd' | 'u' | '-')) {
            return None;
        }
        let is_group = tail.starts_with(':');
        let (on, off) = letters.split_once('-').unwrap_or((letters, ""));
        let extended =
            if off.contains('x') { Some(false) } else { on.contains('x').then_some(true) };
        let (on, off) = (engine_flags(on), engine_flags(off));
        let dash = if off.is_empty() { "" } else { "-" };
        let regex = match (is_group, on.is_empty() && off.is_empty()) {
            (true, _) => format!("(?{on}{dash}{off}:"),
            (false, true) => String::new(),
            (false, false) => format!("(?{on}{dash}{off})"),
        };
        Some(Self { bytes: "(?".len() + end + 1, regex, extended, is_group })
    }
}

/// Ruby's `m` is everybody else's `s`. `a`, `d` and `u` choose what `\w` stands for; the engine has
/// no such flags.
fn engine_flags(letters: &str) -> String {
    letters
        .chars()
        .filter_map(|c| match c {
            'm' => Some('s'),
            'i' | 'x' => Some(c),
            _ => None,
        })
        .collect()
}

/// The start of a group that is no inline flag.
pub(super) fn group_head(rest: &str) -> (usize, String) {
    let quoted_name = rest.strip_prefix("(?'").and_then(|name| name.split_once('\''));
    if let Some((name, _)) = quoted_name {
        return (name.len() + "(?''".len(), format!("(?<{name}>"));
    }
    for head in ["(?:", "(?=", "(?!", "(?>", "(?~", "(?<=", "(?<!"] {
        if rest.starts_with(head) {
            return (head.len(), head.to_owned());
        }
    }
    let name = rest.strip_prefix("(?<").and_then(|name| name.split_once('>'));
    if let Some((name, _)) = name {
        return (name.len() + "(?<>".len(), format!("(?<{name}>"));
    }
    let conditional = rest.strip_prefix("(?(").and_then(|condition| condition.split_once(')'));
    if let Some((condition, _)) = conditional {
        return (condition.len() + "(?()".len(), format!("(?({condition})"));
    }
    (1, "(".to_owned())
}

/// `{2}`, `{2,}`, `{,3}`, `{2,3}`: bytes, lower limit, upper limit.
pub(super) fn interval(rest: &str) -> Option<(usize, &str, Option<&str>)> {
    let (inside, _) = rest.strip_prefix('{')?.split_once('}')?;
    let bytes = inside.len() + "{}".len();
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match inside.split_once(',') {
        None => (!inside.is_empty() && is_number(inside)).then_some((bytes, inside, None)),
        Some((low, high)) => (is_number(low) && is_number(high) && inside.len() > 1).then_some((
            bytes,
            low,
            Some(high),
        )),
    }
}

/// A set of characters that a letter stands for. Ruby's are ASCII, whatever the text is.
pub(super) struct Shorthand {
    members: &'static str,
    is_negated: bool,
}

impl Shorthand {
    pub(super) fn bracketed(&self) -> String {
        format!("[{}{}]", if self.is_negated { "^" } else { "" }, self.members)
    }
}

pub(super) fn shorthand(letter: char) -> Option<Shorthand> {
    let members = match letter.to_ascii_lowercase() {
        'd' => "0-9",
        'w' => "a-zA-Z0-9_",
        's' => "\\t\\n\\x0B\\x0C\\r\\x20",
        'h' => "0-9a-fA-F",
        _ => return None,
    };
    Some(Shorthand { members, is_negated: letter.is_ascii_uppercase() })
}

/// Escapes that name a character by number or by a letter of their own: bytes, code.
pub(super) fn code_point(rest: &str) -> Option<(usize, u32)> {
    let escape = rest.strip_prefix('\\')?;
    let (digits, radix, prefix, count) = match escape.chars().next()? {
        'a' => return Some((2, 0x07)),
        'e' => return Some((2, 0x1B)),
        'f' => return Some((2, 0x0C)),
        'v' => return Some((2, 0x0B)),
        '0' => (escape, 8, 1, 3),
        'u' => (escape.strip_prefix('u')?, 16, 2, 4),
        'x' if escape.starts_with("x{") => {
            let (digits, _) = escape.strip_prefix("x{")?.split_once('}')?;
            let code = u32::from_str_radix(digits.trim(), 16).ok()?;
            return Some((digits.len() + "\\x{}".len(), code));
        }
        'x' => (escape.strip_prefix('x')?, 16, 2, 2),
        _ => return None,
    };
    let length = digits.bytes().take(count).take_while(|b| char::from(*b).is_digit(radix)).count();
    let code = u32::from_str_radix(digits.get(..length)?, radix).ok()?;
    Some((prefix + length, code))
}

/// `\p{Alpha}`, `\p{^Alpha}`: bytes, regex.
pub(super) fn property(rest: &str) -> Option<(usize, String)> {
    let escape = rest.strip_prefix('\\')?;
    let letter = escape.chars().next().filter(|c| matches!(c, 'p' | 'P'))?;
    let (name, _) = escape.get(1..)?.strip_prefix('{')?.split_once('}')?;
    let bytes = name.len() + "\\p{}".len();
    let (plain, is_negated) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
    let is_negated = is_negated != (letter == 'P');
    let letter = if is_negated { 'P' } else { 'p' };
    Some(match class_members(&plain.to_ascii_lowercase()) {
        Some(members) if is_negated => (bytes, format!("[^{members}]")),
        Some(members) => (bytes, format!("[{members}]")),
        None => (bytes, format!("\\{letter}{{{plain}}}")),
    })
}

/// Members of `[[:name:]]`, which in Ruby cover all of Unicode.
pub(super) fn class_members(name: &str) -> Option<&'static str> {
    Some(match name {
        "alnum" => "\\p{Alphabetic}\\p{Nd}",
        "alpha" => "\\p{Alphabetic}",
        "ascii" => "\\x00-\\x7F",
        "blank" => "\\t\\p{Zs}",
        "cntrl" => "\\p{Cc}",
        "digit" => "\\p{Nd}",
        "graph" => "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}",
        "lower" => "\\p{Lowercase}",
        "print" => "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}\\p{Zs}",
        "punct" => "\\p{P}$+<=>\\^`|\\~",
        "space" => "\\p{White_Space}",
        "upper" => "\\p{Uppercase}",
        "word" => "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}",
        "xdigit" => "0-9a-fA-F",
        _ => return None,
    })
}

/// A character that stands for itself, whatever it would mean to the engine.
pub(super) fn quoted(c: char) -> String {
    match c {
        c if c.is_ascii_whitespace() => format!("\\x{{{:X}}}", u32::from(c)),
        c if c.is_ascii_punctuation() && !"<>\"'/,:;=!@%_`".contains(c) => format!("\\{c}"),
        c => c.to_string(),
    }
}
