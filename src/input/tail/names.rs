//! Step 1, input: the tag of a file.
//!
//! As Fluent Bit's `tag_compose`: `*` in `Tag` stands for the path with dots for its slashes, and
//! with `Tag_Regex` each `<name>` for what the expression's group of that name found in the path.

use std::path::Path;

use crate::record::pattern::Pattern;
use crate::record::tag::Tag;

/// How files are tagged.
#[derive(Clone, Debug)]
pub struct Tagging {
    /// `Tag`; the name of the instance where that is not set.
    pub tag: String,
    /// `Tag_Regex`.
    pub regex: Option<Pattern>,
}

impl Tagging {
    /// The tag of the file that is found at the path.
    #[must_use]
    pub fn tag(&self, path: &Path) -> Tag {
        let path = path.to_string_lossy();
        match &self.regex {
            Some(regex) => Tag::from(self.of_groups(regex, &path).as_slice()),
            None => match self.tag.split_once('*') {
                Some((before, behind)) => {
                    Tag::from(dotted(&[before, &path, behind].concat()).as_str())
                }
                None => Tag::from(self.tag.as_str()),
            },
        }
    }

    /// What the expression does not find, or finds nothing in, is `_`: Fluent Bit does not read a
    /// file that the expression does not match at all.
    fn of_groups(&self, regex: &Pattern, path: &str) -> Vec<u8> {
        let captures = regex.captures(path.as_bytes()).ok().flatten();
        let names = regex.names();
        let group = |name: &str| {
            let mut groups = names.iter().filter(|(known, _)| known == name);
            let found = groups.find_map(|(_, group)| captures.as_ref()?.get(*group));
            found.filter(|found| !found.is_empty()).unwrap_or(b"_")
        };
        let (mut tag, mut rest) = (Vec::new(), self.tag.as_str());
        while let Some((before, behind)) = rest.split_once('<') {
            let Some((name, after)) = behind.split_once('>') else { break };
            tag.extend_from_slice(before.as_bytes());
            tag.extend_from_slice(group(name));
            rest = after;
        }
        tag.extend_from_slice(rest.as_bytes());
        tag
    }
}

/// Dots for `/`, `\` and `:`, one for several, none at either end; no `*`.
fn dotted(text: &str) -> String {
    let mut dotted = String::with_capacity(text.len());
    for c in text.chars().filter(|c| *c != '*') {
        let c = if matches!(c, '/' | '\\' | ':') { '.' } else { c };
        let is_more = c == '.' && (dotted.is_empty() || dotted.ends_with('.'));
        if !is_more {
            dotted.push(c);
        }
    }
    if dotted.ends_with('.') {
        dotted.pop();
    }
    dotted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(tag: &str, regex: Option<&str>, path: &str) -> String {
        let regex = regex.map(|regex| Pattern::new(regex).unwrap());
        Tagging { tag: tag.to_owned(), regex }.tag(Path::new(path)).to_string()
    }

    #[test]
    fn a_star_stands_for_the_path_with_dots() {
        for (pattern, path, expected) in [
            ("t.*", "logs/a.log", "t.logs.a.log"),
            ("t.*", "/var/log/a.log", "t.var.log.a.log"),
            ("*", "/var/log/a.log", "var.log.a.log"),
            ("k.*.end", "/a//b:c\\d.", "k.a.b.c.d.end"),
            ("k.*", "/a*b/", "k.ab"),
            ("plain", "/a", "plain"),
        ] {
            assert_eq!(tag(pattern, None, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn names_stand_for_groups_and_what_is_not_found_is_a_line() {
        let regex = Some(r"/(?<app>[^/]+)/(?<file>[a-z]+)\.(?<none>x?)log$");
        assert_eq!(tag("t.<app>.<file>", regex, "/var/shop/web.log"), "t.shop.web");
        assert_eq!(tag("<none>.<other>.<app>", regex, "/var/shop/web.log"), "_._.shop");
        assert_eq!(tag("t.<app>", regex, "/nothing"), "t._");
        assert_eq!(tag("t.<app", regex, "/var/shop/web.log"), "t.<app");
        assert_eq!(tag("t.*", regex, "/var/shop/web.log"), "t.*");
    }
}
