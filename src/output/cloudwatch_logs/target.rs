//! Where a log event goes: a log group and a log stream, by names that the service takes.
//!
//! Pure. Must not know how an output chooses them.

use super::limits::{NAME_CHARS_MAX, RESERVED_PREFIX};

/// A log group and a log stream.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Target {
    /// The log group.
    pub group: String,
    /// The log stream.
    pub stream: String,
}

impl Target {
    /// A target of these names. A character that the service would refuse becomes a dot, an empty
    /// name a dash, and a long one is cut: a name never costs an event.
    #[must_use]
    pub fn new(group: &str, stream: &str) -> Self {
        // `[.\-_/#A-Za-z0-9]+`, CreateLogGroup API reference
        let of_group = |c: char| c.is_ascii_alphanumeric() || "._/#-".contains(c);
        // `[^:*]*`, CreateLogStream API reference; control characters cannot be seen or typed
        let of_stream = |c: char| c != ':' && c != '*' && !c.is_control();
        let mut group = clean(group, of_group);
        if group.starts_with(RESERVED_PREFIX) {
            let slash = RESERVED_PREFIX.len() - 1;
            group.replace_range(slash..=slash, ".");
        }
        Self { group, stream: clean(stream, of_stream) }
    }
}

fn clean(name: &str, is_allowed: impl Fn(char) -> bool) -> String {
    let dotted = |c| if is_allowed(c) { c } else { '.' };
    let cleaned: String = name.chars().map(dotted).take(NAME_CHARS_MAX).collect();
    if cleaned.is_empty() { "-".to_owned() } else { cleaned }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "log group {} stream {}", self.group, self.stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_the_service_refuses_becomes_a_dot() {
        let target = Target::new("/ecs/a b:c*", "a:b*c d/é");
        assert_eq!((target.group.as_str(), target.stream.as_str()), ("/ecs/a.b.c.", "a.b.c d/é"));
    }

    #[test]
    fn a_group_never_begins_as_those_that_the_service_keeps_for_itself() {
        let group = |name| Target::new(name, "s").group;
        assert_eq!((group("aws/ecs"), group("/aws/ecs")), ("aws.ecs".into(), "/aws/ecs".into()));
        assert_eq!((group("aws"), group("AWS/x")), ("aws".into(), "AWS/x".into()));
    }

    #[test]
    fn a_name_has_from_1_to_512_characters() {
        let longest = "é".repeat(512);
        assert_eq!(Target::new("g", &longest).stream, longest);
        assert_eq!(Target::new("g", &"é".repeat(513)).stream, longest);
        assert_eq!(Target::new("", "").stream, "-");
    }
}
