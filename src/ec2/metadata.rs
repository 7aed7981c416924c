//! What is asked about an instance, and what was learnt.
//!
//! Pure: answers in, values out. Not known here: where the answers come from.
//! Source: "Instance metadata categories" and "Use tags in instance metadata", Amazon EC2 User
//! Guide, <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html>.

use serde_json::Value;

/// Most bytes of a value. A tag's value has at most 256 characters, a host's name 253.
pub const VALUE_BYTES_MAX: usize = 1_024;
/// Most tags that are asked for. An instance has at most 50 of its owner's, and a few of AWS.
pub const TAGS_MAX: usize = 100;
/// What a tag's key may have besides letters and digits where IMDS shows it.
const TAG_KEY_MARKS: &[u8] = b"+-=.,_:@";

/// Which protocol the service is asked by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// Without a token. Instances can be told to refuse it.
    V1,
    /// With a token that has to be asked for first.
    V2,
}

/// One thing to know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Item {
    /// `eu-west-1a`
    AvailabilityZone,
    /// `i-0123456789abcdef0`
    InstanceId,
    /// `m7g.large`
    InstanceType,
    /// Of the first network interface.
    PrivateIp,
    /// Of the first network interface.
    VpcId,
    /// `ami-0123456789abcdef0`
    AmiId,
    /// The account that owns the instance.
    AccountId,
    /// The private DNS name.
    Hostname,
}

/// What is to be asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// These items.
    pub items: Vec<Item>,
    /// These tags.
    pub tags: Tags,
}

/// Which of an instance's tags.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tags {
    /// None; they are not asked for.
    None,
    /// Every tag.
    All,
    /// Those with these keys.
    Only(Vec<String>),
    /// Those with other keys.
    AllBut(Vec<String>),
}

/// What is known of the instance.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Metadata {
    values: [Option<Box<str>>; Item::ALL.len()],
    /// Keys and values; `None` until they are known.
    tags: Option<Vec<(Box<str>, Box<str>)>>,
}

/// The answer is no single line of text, is empty or too long.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected one line of text of at most {VALUE_BYTES_MAX} bytes")]
pub struct NoValue;

impl Item {
    /// Every item.
    pub const ALL: [Self; 8] = [
        Self::AvailabilityZone,
        Self::InstanceId,
        Self::InstanceType,
        Self::PrivateIp,
        Self::VpcId,
        Self::AmiId,
        Self::AccountId,
        Self::Hostname,
    ];
}

impl Tags {
    /// Whether a tag of this key is wanted.
    #[must_use]
    pub fn wants(&self, key: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Only(keys) => keys.iter().any(|wanted| wanted == key),
            Self::AllBut(keys) => keys.iter().all(|unwanted| unwanted != key),
        }
    }
}

impl Metadata {
    /// What is known under an item.
    #[must_use]
    pub fn get(&self, item: Item) -> Option<&str> {
        self.values.get(item as usize)?.as_deref()
    }

    /// Keys and values of the tags, as far as they are known.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().flatten().map(|(key, value)| (&**key, &**value))
    }

    /// Enters what was learnt.
    pub fn set(&mut self, item: Item, value: Box<str>) {
        if let Some(place) = self.values.get_mut(item as usize) {
            *place = Some(value);
        }
    }

    /// Enters the tags.
    pub fn set_tags(&mut self, tags: Vec<(Box<str>, Box<str>)>) {
        self.tags = Some(tags);
    }

    /// The items that are wanted and not known.
    #[must_use]
    pub fn missing(&self, wanted: &Wanted) -> Vec<Item> {
        wanted.items.iter().copied().filter(|item| self.get(*item).is_none()).collect()
    }

    /// Whether tags are wanted and not known.
    #[must_use]
    pub fn lacks_tags(&self, wanted: &Wanted) -> bool {
        wanted.tags != Tags::None && self.tags.is_none()
    }
}

/// Reads an answer that is one value. It would stand in every record: whatever else may answer at
/// the address, a page of a proxy for one, must not.
///
/// # Errors
///
/// [`NoValue`].
pub fn value(body: &[u8]) -> Result<Box<str>, NoValue> {
    let text = line(body)?;
    (!text.trim().is_empty()).then(|| text.into()).ok_or(NoValue)
}

/// Reads the value of a tag, which may be empty.
///
/// # Errors
///
/// [`NoValue`].
pub fn tag_value(body: &[u8]) -> Result<Box<str>, NoValue> {
    line(body).map(Into::into)
}

fn line(body: &[u8]) -> Result<&str, NoValue> {
    let text = std::str::from_utf8(body).map_err(|_| NoValue)?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let is_line = text.len() <= VALUE_BYTES_MAX && !text.contains(char::is_control);
    is_line.then_some(text).ok_or(NoValue)
}

/// Reads the list of the tags' keys, one a line, and keeps the wanted ones. What no key can be is
/// left out: it would not reach the service as a path.
#[must_use]
pub fn tag_keys(body: &[u8], wanted: &Tags) -> Vec<Box<str>> {
    let keys = body.split(|byte| *byte == b'\n').filter_map(|line| {
        let key = line.trim_ascii();
        let is_mark = |byte: &u8| byte.is_ascii_alphanumeric() || TAG_KEY_MARKS.contains(byte);
        let is_key = !key.is_empty() && key != b"." && key != b".." && key.iter().all(is_mark);
        std::str::from_utf8(key).ok().filter(|_| is_key)
    });
    keys.filter(|key| wanted.wants(key)).take(TAGS_MAX).map(Into::into).collect()
}

/// Reads the account out of the instance's identity document.
///
/// # Errors
///
/// [`NoValue`].
pub fn account_id(document: &[u8]) -> Result<Box<str>, NoValue> {
    let document: Value = serde_json::from_slice(document).map_err(|_| NoValue)?;
    value(document.get("accountId").and_then(Value::as_str).ok_or(NoValue)?.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn only(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn a_value_is_one_line_of_text_within_its_bound() {
        assert_eq!(value(b"i-0abc\n").as_deref(), Ok("i-0abc"));
        let longest = "x".repeat(VALUE_BYTES_MAX);
        assert_eq!(value(longest.as_bytes()).as_deref(), Ok(longest.as_str()));
        for bad in [&b""[..], b" \n", b"<html>\n<body>", b"a\0b", b"\xff", &[b'x'; 1_025]] {
            assert_eq!(value(bad), Err(NoValue), "{bad:?}");
        }
    }

    #[test]
    fn the_value_of_a_tag_may_be_empty() {
        assert_eq!(
            (tag_value(b"").as_deref(), tag_value(b" a b").as_deref()),
            (Ok(""), Ok(" a b"))
        );
        assert_eq!(tag_value(b"a\nb"), Err(NoValue));
    }

    #[test]
    fn keys_of_tags_are_kept_as_they_are_wanted() {
        let keys = |wanted: &Tags| tag_keys(b"Name\nteam:x\r\n\nenv", wanted).join(" ");
        assert_eq!(keys(&Tags::All), "Name team:x env");
        assert_eq!(keys(&Tags::Only(only(&["env", "Name", "other"]))), "Name env");
        assert_eq!(keys(&Tags::AllBut(only(&["Name"]))), "team:x env");
        assert_eq!(keys(&Tags::None), "");
    }

    #[test]
    fn what_no_key_can_be_is_left_out_and_so_are_too_many() {
        let keys = tag_keys(b"a/b\n..\n<p>\nx y\n\xff\ngood", &Tags::All);
        assert_eq!(keys.join(" "), "good");
        let lines = "k\n".repeat(TAGS_MAX + 1);
        assert_eq!(tag_keys(lines.as_bytes(), &Tags::All).len(), TAGS_MAX);
    }

    #[test]
    fn the_account_stands_in_the_identity_document() {
        let document = br#"{"region": "eu-west-1", "accountId": "123456789012"}"#;
        assert_eq!(account_id(document).as_deref(), Ok("123456789012"));
        for bad in [&b""[..], b"[]", b"{}", br#"{"accountId": 1}"#, br#"{"accountId": ""}"#] {
            assert_eq!(account_id(bad), Err(NoValue), "{bad:?}");
        }
    }

    #[test]
    fn what_is_missing_is_what_is_wanted_and_not_known() {
        let items = vec![Item::AvailabilityZone, Item::Hostname];
        let wanted = Wanted { items, tags: Tags::All };
        let mut metadata = Metadata::default();
        metadata.set(Item::Hostname, "h".into());
        assert_eq!(metadata.missing(&wanted), [Item::AvailabilityZone]);
        assert!(metadata.lacks_tags(&wanted));
        metadata.set_tags(Vec::new());
        assert!(!metadata.lacks_tags(&wanted), "no tags is an answer too");
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = (value(&body), tag_value(&body), account_id(&body));
            prop_assert!(tag_keys(&body, &Tags::All).iter().all(|key| key.is_ascii()));
        }
    }
}
