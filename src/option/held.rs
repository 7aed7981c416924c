//! Around the path, option: what holds for each option of a section, and where that was said.
//!
//! For people who ask what a configuration means; nothing on the way of a record reads it. Not
//! known here: which values may be shown.

use super::{Options, Place, Row};

/// What holds for an option: a value that was set, or the default of its row. An option that may
/// be given several times holds once for each.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Held {
    /// The option.
    pub row: &'static Row,
    /// Its value, variables replaced. It may be a secret.
    pub value: String,
    /// Its value as written, with the names of variables.
    pub written: String,
    /// Where it was set; `None` is the default.
    pub place: Option<Place>,
}

impl Options {
    /// What holds: first what was set, in the order of the file and without what was replaced
    /// later, then the defaults.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        let set = self.found.iter().enumerate().filter(|(index, found)| {
            let mut later = self.found.iter().skip(index + 1);
            found.row.multi || !later.any(|later| later.row == found.row)
        });
        let set = set.map(|(_, found)| Held {
            row: found.row,
            value: found.setting.value.clone(),
            written: found.setting.written.clone(),
            place: Some(found.setting.place.clone()),
        });
        let unset = self.rows().filter(|row| !self.is_set(row.name)).filter_map(|row| {
            let value = row.default?.to_owned();
            Some(Held { row, written: value.clone(), value, place: None })
        });
        set.chain(unset).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Policy, Table, section};
    use super::*;

    const OWN: Table = &[
        Row::new("record", Kind::Text, "A record to add").many(),
        Row::new("port", Kind::Text, "A port to listen on").or("24224"),
        Row::new("path", Kind::Text, "A path without default"),
    ];
    const SHARED: Table = &[Row::new("tag", Kind::Text, "A tag that may be set again").or("t")];

    fn held(lines: &[(&str, &str)]) -> Vec<String> {
        let options = Options::read(section(lines), OWN, &[SHARED], Policy::Plugin);
        let line = |held: Held| {
            let place = held.place.map_or_else(|| "default".to_owned(), |place| place.to_string());
            format!("{}={} {place}", held.row.name, held.value)
        };
        options.held().into_iter().map(line).collect()
    }

    #[test]
    fn what_is_set_comes_first_and_then_the_defaults() {
        assert_eq!(
            held(&[("Tag", "x"), ("path", "/p")]),
            ["tag=x test.conf:1", "path=/p test.conf:2", "port=24224 default"]
        );
    }

    #[test]
    fn of_an_option_set_twice_the_last_holds_unless_each_counts() {
        assert_eq!(
            held(&[("tag", "x"), ("record", "a"), ("record", "b"), ("tag", "y")]),
            [
                "record=a test.conf:2",
                "record=b test.conf:3",
                "tag=y test.conf:4",
                "port=24224 default"
            ]
        );
    }
}
