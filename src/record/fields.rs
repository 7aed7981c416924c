//! Fields that all records of a chunk share: stored once a chunk, not once a record.
//!
//! The task's metadata comes this way. Must not know who adds the fields or who writes them out.

use std::sync::Arc;

use super::msgpack::Writer;

/// One field that follows a record's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SharedField {
    /// The key.
    pub key: Box<[u8]>,
    /// The value, always text: what `record_modifier` and the task metadata give.
    pub value: Box<[u8]>,
    /// `true`: a record that has the key already keeps its own value. `false`: this one wins, as
    /// the later of two equal keys does.
    pub yields: bool,
}

/// Fields that follow each record's own, in order. Cheap to clone, and to compare by identity.
#[derive(Clone, Debug, Default)]
pub struct SharedFields(Option<Arc<[SharedField]>>);

impl SharedFields {
    /// These fields, in this order.
    #[must_use]
    pub fn new(fields: Vec<SharedField>) -> Self {
        Self((!fields.is_empty()).then(|| fields.into()))
    }

    /// The fields.
    #[must_use]
    pub fn as_slice(&self) -> &[SharedField] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether both are the very same list: what was computed from one holds for the other.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// These fields followed by `later` ones; no copy where one side is empty. A field that comes
    /// again replaces the earlier one: a record that passes the filters a second time, under a new
    /// tag, does not gather fields.
    #[must_use]
    pub fn followed_by(&self, later: &Self) -> Self {
        if self.is_empty() || later.is_empty() {
            return if later.is_empty() { self.clone() } else { later.clone() };
        }
        let stays = |field: &&SharedField| {
            later.get(&field.key).is_none_or(|again| again.yields != field.yields)
        };
        let earlier = self.as_slice().iter().filter(stays);
        Self::new(earlier.chain(later.as_slice()).cloned().collect())
    }

    /// The value under a key: the last of equal ones.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&SharedField> {
        self.as_slice().iter().rev().find(|field| *field.key == *key)
    }

    /// Those fields whose key passes the test.
    #[must_use]
    pub fn retain(&self, mut keep: impl FnMut(&[u8]) -> bool) -> Self {
        if self.as_slice().iter().all(|field| keep(&field.key)) {
            return self.clone();
        }
        Self::new(self.as_slice().iter().filter(|field| keep(&field.key)).cloned().collect())
    }
}

/// Fields that are appended to chunk after chunk: chunks that come alike go on with one list.
#[derive(Clone, Debug, Default)]
pub struct Appended {
    fields: SharedFields,
    /// What a chunk came with last, and the sum of that and `fields`.
    sum: Option<(SharedFields, SharedFields)>,
}

impl Appended {
    /// Appends these fields.
    #[must_use]
    pub fn new(fields: SharedFields) -> Self {
        Self { fields, sum: None }
    }

    /// The fields that are appended.
    #[must_use]
    pub fn fields(&self) -> &SharedFields {
        &self.fields
    }

    /// What a chunk came with, then the fields.
    #[must_use]
    pub fn after(&mut self, before: &SharedFields) -> SharedFields {
        if let Some((known, sum)) = &self.sum
            && known.is_same(before)
        {
            return sum.clone();
        }
        let sum = before.followed_by(&self.fields);
        self.sum = Some((before.clone(), sum.clone()));
        sum
    }
}

impl SharedField {
    /// A text under a key. Of equal keys it counts, not the record's own.
    #[must_use]
    pub fn text(key: &[u8], value: &[u8]) -> Self {
        Self { key: key.into(), value: value.into(), yields: false }
    }

    /// Writes the field as a pair of a msgpack map.
    pub fn write(&self, writer: &mut Writer<'_>) {
        writer.str(&self.key);
        writer.str(&self.value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> SharedFields {
        let field =
            |(key, value): &(&str, &str)| SharedField::text(key.as_bytes(), value.as_bytes());
        SharedFields::new(pairs.iter().map(field).collect())
    }

    #[test]
    fn the_last_of_equal_keys_is_the_one_that_counts() {
        let both = fields(&[("a", "1"), ("a", "2"), ("b", "3")]);
        assert_eq!(both.get(b"a").map(|field| &*field.value), Some(b"2".as_slice()));
    }

    #[test]
    fn a_field_that_comes_again_replaces_the_earlier_one() {
        let both = fields(&[("a", "1"), ("c", "1")]).followed_by(&fields(&[("a", "2")]));
        assert_eq!(both.as_slice(), fields(&[("c", "1"), ("a", "2")]).as_slice());
        let one_that_yields =
            SharedFields::new(vec![SharedField { yields: true, ..both.as_slice()[1].clone() }]);
        assert_eq!(both.followed_by(&one_that_yields).as_slice().len(), 3, "another meaning");
    }

    #[test]
    fn chunks_that_come_alike_go_on_with_one_list() {
        let mut appended = Appended::new(fields(&[("b", "2")]));
        let (one, other) = (fields(&[("a", "1")]), fields(&[("a", "1")]));
        let sum = appended.after(&one);
        assert_eq!(sum.as_slice(), fields(&[("a", "1"), ("b", "2")]).as_slice());
        assert!(appended.after(&one).is_same(&sum) && !appended.after(&other).is_same(&sum));
    }

    #[test]
    fn nothing_is_copied_where_one_side_is_empty() {
        let some = fields(&[("a", "1")]);
        let none = SharedFields::default();
        assert!(some.followed_by(&none).is_same(&some) && none.followed_by(&some).is_same(&some));
        assert!(some.retain(|_| true).is_same(&some));
        assert!(some.retain(|_| false).is_empty());
    }
}
