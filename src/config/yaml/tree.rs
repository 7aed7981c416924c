//! Around the path, config: a YAML text → a tree of texts, lists and maps, each with its line.
//!
//! Texts stay as they are written, as for Fluent Bit: nothing here says that `on` is a boolean. Maps
//! keep their order and a key that is there twice. An alias shares the tree of its anchor, and the
//! limits count it each time, so that a few lines of aliases cannot grow beyond them. Not known
//! here: which keys there are. Reference: YAML 1.2.2.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScanError, Span};

/// Most collections within collections, inclusive; a condition of a processor is 10 deep.
pub(super) const DEPTH_MAX: usize = 64;
/// Most texts, lists and maps of a file, inclusive: two for each option that there may be, and as
/// many again for what holds them.
pub(super) const NODES_MAX: usize = 4 * crate::config::ENTRIES_MAX;
/// Most bytes of all texts of a file, inclusive, each alias counted as what it stands for.
pub(super) const TEXT_BYTES_MAX: usize = crate::config::BYTES_MAX;

/// A text, a list or a map.
#[derive(Debug)]
pub(super) struct Node {
    /// The line it starts on, from 1.
    pub(super) line: u32,
    pub(super) content: Content,
    size: Size,
}

#[derive(Debug)]
pub(super) enum Content {
    Text(String),
    List(Vec<Rc<Node>>),
    Map(Vec<(Key, Rc<Node>)>),
}

/// A key of a map.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Key {
    pub(super) text: String,
    /// The line it stands on, from 1.
    pub(super) line: u32,
}

/// What a tree comes to if it is walked.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

/// Why a text is no tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Broken {
    /// The line, from 1.
    pub(super) line: u32,
    pub(super) reason: Reason,
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Reason {
    #[error("not YAML at column {column}: {what}")]
    Syntax { column: usize, what: String },
    #[error("expected a text as the key of a map, found a list or a map")]
    Key,
    #[error("the alias stands within the anchor that it names")]
    Circle,
    #[error("more than {max} {what}")]
    TooMany { what: &'static str, max: usize },
}

impl Node {
    /// Whether there is nothing: `key:` without a value, `~` or `null`.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(&self.content, Content::Text(text) if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// What it is, to go after "found".
    pub(super) const fn what(&self) -> &'static str {
        match &self.content {
            Content::Text(_) => "a text",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }
}

impl Size {
    /// With one more below it.
    fn and(self, below: Self) -> Self {
        Self {
            nodes: self.nodes.saturating_add(below.nodes),
            bytes: self.bytes.saturating_add(below.bytes),
            depth: self.depth.max(below.depth.saturating_add(1)),
        }
    }

    fn check(self) -> Result<(), Reason> {
        let limits = [
            (self.nodes, "texts, lists and maps", NODES_MAX),
            (self.bytes, "bytes of text", TEXT_BYTES_MAX),
            (self.depth, "collections within each other", DEPTH_MAX),
        ];
        let over = limits.into_iter().find(|(found, _, max)| found > max);
        over.map_or(Ok(()), |(_, what, max)| Err(Reason::TooMany { what, max }))
    }
}

/// The tree of each document of the text.
pub(super) fn read(text: &str) -> Result<Vec<Rc<Node>>, Broken> {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some((event, span)) = parser.next_event().transpose().map_err(|e| broken(&e))? {
        let line = line_of(span);
        builder.take(event, line).map_err(|reason| Broken { line, reason })?;
    }
    Ok(builder.roots)
}

fn broken(error: &ScanError) -> Broken {
    let mark = error.marker();
    Broken {
        line: u32::try_from(mark.line()).unwrap_or(u32::MAX),
        reason: Reason::Syntax { column: mark.col() + 1, what: error.info().to_owned() },
    }
}

fn line_of(span: Span) -> u32 {
    u32::try_from(span.start.line()).unwrap_or(u32::MAX)
}

/// A collection whose end has not come.
struct Open {
    anchor: usize,
    line: u32,
    collection: Collection,
    size: Size,
}

enum Collection {
    List(Vec<Rc<Node>>),
    Map { pairs: Vec<(Key, Rc<Node>)>, key: Option<Key> },
}

#[derive(Default)]
struct Builder {
    roots: Vec<Rc<Node>>,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    /// What all finished documents come to.
    done: Size,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, line: u32) -> Result<(), Reason> {
        let list = Collection::List(Vec::new());
        let map = Collection::Map { pairs: Vec::new(), key: None };
        match event {
            Event::Scalar(text, _, anchor, _) => {
                let size = Size { nodes: 1, bytes: text.len(), depth: 0 };
                let content = Content::Text(text.into_owned());
                self.finished(anchor, Rc::new(Node { line, content, size }))
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).ok_or(Reason::Circle)?;
                self.add(Rc::clone(node))
            }
            Event::SequenceStart(anchor, _) => self.start(anchor, line, list),
            Event::MappingStart(anchor, _) => self.start(anchor, line, map),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn start(&mut self, anchor: usize, line: u32, collection: Collection) -> Result<(), Reason> {
        if self.open.len() == DEPTH_MAX {
            return Err(Reason::TooMany { what: "collections within each other", max: DEPTH_MAX });
        }
        self.open.push(Open {
            anchor,
            line,
            collection,
            size: Size { nodes: 1, bytes: 0, depth: 1 },
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Reason> {
        let Some(Open { anchor, line, collection, size }) = self.open.pop() else { return Ok(()) };
        let content = match collection {
            Collection::List(items) => Content::List(items),
            Collection::Map { pairs, .. } => Content::Map(pairs),
        };
        self.finished(anchor, Rc::new(Node { line, content, size }))
    }

    fn finished(&mut self, anchor: usize, node: Rc<Node>) -> Result<(), Reason> {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.add(node)
    }

    /// Puts a whole node where it belongs.
    fn add(&mut self, node: Rc<Node>) -> Result<(), Reason> {
        let Some(Open { collection, size, .. }) = self.open.last_mut() else {
            let depth = self.done.depth.max(node.size.depth);
            self.done = Size { depth, ..self.done.and(node.size) };
            self.roots.push(node);
            return self.done.check();
        };
        *size = size.and(node.size);
        size.check()?;
        match collection {
            Collection::List(items) => items.push(node),
            Collection::Map { pairs, key } => match (key.take(), &node.content) {
                (Some(key), _) => pairs.push((key, node)),
                (None, Content::Text(text)) => {
                    *key = Some(Key { text: text.clone(), line: node.line });
                }
                (None, Content::List(_) | Content::Map(_)) => return Err(Reason::Key),
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `text@line`, `[…]@line`, `{key@line: …}@line`.
    fn drawn(node: &Node) -> String {
        let inside = match &node.content {
            Content::Text(text) => text.clone(),
            Content::List(items) => {
                format!("[{}]", items.iter().map(|i| drawn(i)).collect::<Vec<_>>().join(", "))
            }
            Content::Map(pairs) => {
                let pairs = pairs
                    .iter()
                    .map(|(key, value)| format!("{}@{}: {}", key.text, key.line, drawn(value)));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
            }
        };
        format!("{inside}@{}", node.line)
    }

    fn read_one(text: &str) -> String {
        match read(text) {
            Ok(roots) => roots.iter().map(|root| drawn(root)).collect::<Vec<_>>().join(" | "),
            Err(Broken { line, reason }) => format!("{line}: {reason}"),
        }
    }

    #[test]
    fn texts_lists_and_maps_know_their_lines() {
        let text = "a: 1\nb:\n  - x\n  - {c: 'y z', d: [on, 0x1F]}\ne:\n";
        let expected = "{a@1: 1@1, b@2: [x@3, {c@4: y z@4, d@4: [on@4, 0x1F@4]@4}@4]@3, e@5: @5}@1";
        assert_eq!(read_one(text), expected);
        assert_eq!(read_one(&text.replace('\n', "\r\n")), expected);
    }

    #[test]
    fn a_key_that_is_there_twice_is_kept_twice() {
        assert_eq!(read_one("a: 1\na: 2"), "{a@1: 1@1, a@2: 2@2}@1");
    }

    #[test]
    fn each_document_is_a_tree_of_its_own() {
        assert_eq!(read_one("a: 1\n---\nb\n"), "{a@1: 1@1}@1 | b@3");
        assert_eq!((read_one(""), read_one("# nothing")), (String::new(), String::new()));
    }

    #[test]
    fn an_alias_is_what_its_anchor_is() {
        let text = "a: &x {k: v}\nb: *x\n*y : 1";
        assert_eq!(read_one("a: &x {k: v}\nb: *x"), "{a@1: {k@1: v@1}@1, b@2: {k@1: v@1}@1}@1");
        assert!(read_one(text).starts_with("3: not YAML at column "), "{}", read_one(text));
        assert_eq!(read_one("a: &x [*x]"), "1: the alias stands within the anchor that it names");
    }

    #[test]
    fn what_is_no_yaml_is_named_with_line_and_column() {
        assert_eq!(
            read_one("a: [1"),
            "2: not YAML at column 1: while parsing a flow sequence, expected ',' or ']'"
        );
        assert_eq!(
            read_one("a: 1\n[b]: 2"),
            "2: expected a text as the key of a map, found a list or a map"
        );
    }

    #[test]
    fn collections_nest_64_deep_and_no_further() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(64)).is_ok());
        assert_eq!(read_one(&nested(65)), "1: more than 64 collections within each other");
        assert_eq!(
            read_one(&"- ".repeat(500_000)),
            "1: more than 64 collections within each other"
        );
        let aliases = format!("- &a {}\n- [[*a]]", nested(62));
        assert_eq!(read_one(&aliases), "2: more than 64 collections within each other");
    }

    #[test]
    fn aliases_of_aliases_do_not_explode() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..20 {
            let last = level - 1;
            let items = vec![format!("*a{last}"); 9].join(", ");
            text += &format!("a{level}: &a{level} [{items}]\n");
        }
        assert_eq!(read_one(&text), "6: more than 400000 texts, lists and maps");
    }

    #[test]
    fn the_bytes_of_an_alias_count_each_time() {
        let anchor = format!("- &a {}\n", "x".repeat(1024 * 1024));
        assert!(read(&format!("{anchor}{}", "- *a\n".repeat(15))).is_ok());
        let (line, max) = (17, 16 * 1024 * 1024);
        let broken = read(&format!("{anchor}{}", "- *a\n".repeat(16))).unwrap_err();
        assert_eq!(broken, Broken { line, reason: Reason::TooMany { what: "bytes of text", max } });
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([-?:,\\[\\]{}#&*!|>'\"%@` \n\t\r~ab0é\u{FEFF}]|: |- |---|\\.\\.\\.|&a|\\*a|<<|\n  ){0,60}") {
            let _ = read(&text);
        }

        #[test]
        fn no_characters_make_it_panic(text in "\\PC{0,80}") {
            let _ = read(&text);
        }
    }
}
