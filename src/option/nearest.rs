//! Around the path, option: the known name that a mistyped one is nearest to.

/// Longest name that is compared, in bytes; a longer one is no typing mistake.
const NAME_BYTES_MAX: usize = 64;

/// The nearest of `names` to `name`, whatever the case; `None` if none is near.
#[must_use]
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let name = name.to_ascii_lowercase();
    // One mistake in three letters, and never so many that any short name would do.
    let mistakes_max = (name.chars().count() / 3).clamp(1, 3);
    names
        .into_iter()
        .map(|known| (distance(&name, &known.to_ascii_lowercase()), known))
        .filter(|(mistakes, known)| *mistakes <= mistakes_max && *mistakes < known.len())
        .min_by_key(|(mistakes, _)| *mistakes)
        .map(|(_, known)| known)
}

/// Letters to add, take away, replace or swap with their neighbour to get from one to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, letter) in from.chars().enumerate() {
        let mut current = Vec::with_capacity(last.len());
        let mut left = row + 1;
        current.push(left);
        let mut above = last.iter().copied();
        let mut diagonal = above.next().unwrap_or_default();
        for (column, (other, up)) in to.iter().zip(above).enumerate() {
            let replaced = diagonal + usize::from(*other != letter);
            let mut least = replaced.min(up + 1).min(left + 1);
            let swapped = column
                .checked_sub(1)
                .filter(|before| to.get(*before) == Some(&letter) && previous == Some(*other));
            if let Some(cost) = swapped.and_then(|before| before_last.get(before)) {
                least = least.min(cost + 1);
            }
            current.push(least);
            (left, diagonal) = (least, up);
        }
        previous = Some(letter);
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["regex", "exclude", "log_group_name", "port"];

    #[test]
    fn the_distance_counts_letters() {
        let cases =
            [("", "abc", 3), ("kitten", "sitting", 3), ("ab", "ba", 1), ("same", "same", 0)];
        for (from, to, expected) in cases {
            assert_eq!(
                (distance(from, to), distance(to, from)),
                (expected, expected),
                "{from} {to}"
            );
        }
    }

    #[test]
    fn a_mistyped_name_finds_the_one_that_was_meant() {
        assert_eq!(nearest("Regexp", NAMES), Some("regex"));
        assert_eq!(nearest("log_gruop_nam", NAMES), Some("log_group_name"));
        assert_eq!(nearest("prot", NAMES), Some("port"));
    }

    #[test]
    fn a_name_that_is_far_from_all_finds_none() {
        assert_eq!(nearest("not_an_option", NAMES), None);
        assert_eq!(nearest("", NAMES), None);
        assert_eq!(nearest(&"regex".repeat(1_000), NAMES), None);
    }
}
