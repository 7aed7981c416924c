//! Around the path, config: an item of a YAML list → a section, with the sections within it.
//!
//! What the classic format cannot say: processors of inputs and outputs, and conditions. Not known
//! here: which options there are.

use std::sync::Arc;

use super::tree::{Content, Key, Node};
use super::{Done, Oddity, Reader, Refusal, at, fault, option_name, subject};
use crate::config::raw::{Entry, RawSection, SectionKind};
use crate::config::source::Full;
use crate::option::{Fault, Remark};

impl Reader<'_, '_> {
    /// The section that an item of a list is; nothing if it is no map.
    pub(super) fn item(
        &mut self,
        file: &Arc<str>,
        item: &Node,
        kind: SectionKind,
    ) -> Result<Option<RawSection>, Full> {
        let Content::Map(pairs) = &item.content else {
            let refusal = Refusal::Shape { expected: "a map of options", found: item.what() };
            self.refuse(file, item.line, kind.title(), refusal);
            return Ok(None);
        };
        let mut section = RawSection::new(kind, kind.title(), at(file, item.line));
        for (key, value) in pairs {
            self.option_or_group(file, &mut section, key, value)?;
        }
        Ok(Some(section))
    }

    fn option_or_group(
        &mut self,
        file: &Arc<str>,
        section: &mut RawSection,
        key: &Key,
        value: &Node,
    ) -> Done {
        let name = key.text.to_ascii_lowercase();
        let is_text = matches!(value.content, Content::Text(_));
        let is_map = matches!(value.content, Content::Map(_));
        match (section.kind, name.as_str()) {
            (SectionKind::Input | SectionKind::Output, "processors") => {
                self.processors(file, section, value)
            }
            (SectionKind::Filter, "processors") => {
                let remark = Remark::plugin(Oddity::NoProcessors);
                let subject = subject("[FILTER]", &key.text, "");
                self.source.remark(at(file, key.line), subject, remark);
                Ok(())
            }
            (SectionKind::Filter | SectionKind::Processor, "condition") if is_map => {
                self.condition(file, section, key, value)
            }
            (SectionKind::MultilineParser, "rules") => self.rules(file, section, value),
            (SectionKind::Input, "telemetry") if is_map => {
                let subject = subject("[INPUT]", &key.text, "");
                self.source.remark(at(file, key.line), subject, Remark::NoEffect);
                Ok(())
            }
            (SectionKind::Input, "routes") if !is_text => {
                let subject = subject("[INPUT]", &key.text, "");
                self.source.refuse(at(file, key.line), subject, Fault::UnsupportedOption);
                Ok(())
            }
            _ => self.option(file, section, key, value),
        }
    }

    /// An option: one for a text, one for each text of a list.
    pub(super) fn option(
        &mut self,
        file: &Arc<str>,
        section: &mut RawSection,
        key: &Key,
        value: &Node,
    ) -> Done {
        let key_text = option_name(&key.text);
        let mut add = |reader: &mut Self, text: &str, line| {
            let entry =
                Entry { key: key_text.clone(), value: text.to_owned(), place: at(file, line) };
            reader.source.add(section, entry)
        };
        let items = match &value.content {
            Content::Text(text) => return add(self, text, key.line),
            Content::List(items) => items.as_slice(),
            Content::Map(_) => &[],
        };
        let is_list_of_texts = matches!(value.content, Content::List(_))
            && items.iter().all(|item| matches!(item.content, Content::Text(_)));
        if !is_list_of_texts {
            let found = if items.is_empty() { value.what() } else { "a list of other things" };
            let refusal = Refusal::Shape { expected: "a text or a list of texts", found };
            let subject = subject(&format!("[{}]", section.name), &key.text, "");
            self.source.refuse(at(file, key.line), subject, fault(refusal));
            return Ok(());
        }
        for item in items {
            if let Content::Text(text) = &item.content {
                add(self, text, item.line)?;
            }
        }
        Ok(())
    }

    fn processors(&mut self, file: &Arc<str>, section: &mut RawSection, value: &Node) -> Done {
        let signals = self.map(file, value, "processors", "a map with logs");
        for (key, value) in signals.unwrap_or_default() {
            match key.text.to_ascii_lowercase().as_str() {
                "logs" => {
                    for item in self.list(file, value, "processors", "a list of processors") {
                        let group = self.item(file, item, SectionKind::Processor)?;
                        self.add_group(section, group)?;
                    }
                }
                "metrics" | "traces" | "profiles" => {
                    let subject = subject("processors", &key.text, "");
                    self.source.remark(
                        at(file, key.line),
                        subject,
                        Remark::plugin(Oddity::OnlyLogs),
                    );
                }
                _ => self.refuse(file, key.line, &key.text, Refusal::NoSignal),
            }
        }
        Ok(())
    }

    fn condition(
        &mut self,
        file: &Arc<str>,
        section: &mut RawSection,
        key: &Key,
        value: &Node,
    ) -> Done {
        let mut condition =
            RawSection::new(SectionKind::Condition, "condition", at(file, key.line));
        for (key, value) in self.map(file, value, "condition", "a map").unwrap_or_default() {
            if !key.text.eq_ignore_ascii_case("rules") {
                self.option(file, &mut condition, key, value)?;
                continue;
            }
            for item in self.list(file, value, "rules", "a list of rules") {
                let rule = self.item(file, item, SectionKind::Rule)?;
                self.add_group(&mut condition, rule)?;
            }
        }
        self.add_group(section, Some(condition))
    }

    /// `upstream_servers`: a group for each upstream, which has one for each node.
    pub(super) fn upstreams(&mut self, file: &Arc<str>, key: &Key, value: &Node) -> Done {
        let place = at(file, key.line);
        let mut section = RawSection::new(SectionKind::WithoutEffect, &key.text, place);
        for item in self.list(file, value, &key.text, "a list of upstreams") {
            let pairs = self.map(file, item, &key.text, "a map of name and nodes");
            let mut upstream =
                RawSection::new(SectionKind::Unknown, "UPSTREAM", at(file, item.line));
            for (key, value) in pairs.unwrap_or_default() {
                if !key.text.eq_ignore_ascii_case("nodes") {
                    self.option(file, &mut upstream, key, value)?;
                    continue;
                }
                for item in self.list(file, value, "nodes", "a list of nodes") {
                    let node = self.item(file, item, SectionKind::Unknown)?;
                    let node = node.map(|node| RawSection { name: "NODE".to_owned(), ..node });
                    self.add_group(&mut upstream, node)?;
                }
            }
            self.add_group(&mut section, Some(upstream))?;
        }
        self.push(section)
    }

    fn add_group(&mut self, section: &mut RawSection, group: Option<RawSection>) -> Done {
        if let Some(group) = group {
            self.source.count_section(&group.place)?;
            section.groups.push(group);
        }
        Ok(())
    }
}
