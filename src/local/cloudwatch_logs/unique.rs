//! JSON values that are read for one purpose only: to find a member that an object has twice, which
//! a JSON library silently takes. Must not know what the members mean.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How an error about a member that is there twice starts; the derived readers of `serde` say the
/// same.
pub(super) const DUPLICATE: &str = "duplicate field";

/// Any value without a repeated member at any depth.
#[derive(Debug)]
pub(super) struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Unique, A::Error> {
        while seq.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some((key, Unique)) = map.next_entry::<String, Unique>()? {
            if seen.contains(&key) {
                return Err(Error::custom(format_args!("{DUPLICATE} `{key}`")));
            }
            seen.insert(key);
        }
        Ok(Unique)
    }
}

/// A map of texts whose keys are all different.
#[derive(Clone, Debug, Default)]
pub(super) struct UniqueTexts(pub(super) BTreeMap<String, String>);

impl<'de> Deserialize<'de> for UniqueTexts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueTextsVisitor)
    }
}

struct UniqueTextsVisitor;

impl<'de> Visitor<'de> for UniqueTextsVisitor {
    type Value = UniqueTexts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueTexts, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            if texts.contains_key(&key) {
                return Err(Error::custom(format_args!("{DUPLICATE} `{key}`")));
            }
            texts.insert(key, value);
        }
        Ok(UniqueTexts(texts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_member_is_found_at_any_depth() {
        let good = r#"{"a":{"b":[1,-1,1.5,true,null,"x",{"a":1}]},"b":{}}"#;
        assert!(serde_json::from_str::<Unique>(good).is_ok());
        for bad in [r#"{"a":1,"a":1}"#, r#"[{"b":[{"a":{},"\u0061":0}]}]"#] {
            let error = serde_json::from_str::<Unique>(bad).unwrap_err();
            assert!(error.to_string().starts_with(DUPLICATE), "{error}");
        }
    }

    #[test]
    fn a_repeated_key_of_a_map_is_found() {
        let good = serde_json::from_str::<UniqueTexts>(r#"{"a":"1","b":"1"}"#).unwrap();
        assert_eq!(good.0.len(), 2);
        let error = serde_json::from_str::<UniqueTexts>(r#"{"a":"1","a":"2"}"#).unwrap_err();
        assert!(error.to_string().starts_with(DUPLICATE), "{error}");
    }

    #[test]
    fn the_derived_readers_say_it_the_same_way() {
        #[derive(Debug, serde::Deserialize)]
        struct One {
            #[serde(rename = "a")]
            _a: u8,
        }
        let error = serde_json::from_str::<One>(r#"{"a":1,"a":1}"#).unwrap_err();
        assert!(error.to_string().starts_with(DUPLICATE), "{error}");
    }
}
