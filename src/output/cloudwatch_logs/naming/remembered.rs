//! The targets that were made of names lately, so that a record whose names were seen before costs
//! no allocation.
//!
//! Pure. Bounded: what was not used while many others were goes. Must not know where names come
//! from.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::target::Target;
use super::Name;

/// Most targets that are remembered; half of them for certain.
const TARGETS_MAX: usize = 4_096;
/// Longest names, together, that are remembered: more than two names can have that the service
/// takes as they are.
const NAME_BYTES_MAX: usize = 4_096;
/// Most bytes of names in each generation; those of the targets made of them are as many at most.
const NAMES_BYTES_MAX: usize = 1_048_576;

/// Targets by the names they were made of, in two generations: when the younger one is full, it
/// becomes the older one, and what was in that and not used since goes.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// The one that was asked for last, and its name.
    last: Option<Arc<Target>>,
    last_name: Name,
    younger: HashMap<Name, Arc<Target>>,
    /// Of the names in there.
    younger_bytes: usize,
    older: HashMap<Name, Arc<Target>>,
}

impl Remembered {
    /// The target of these names, made anew where they were not seen lately.
    pub(super) fn target(&mut self, name: &Name) -> Arc<Target> {
        // Records that follow each other mostly have the same names.
        if let Some(last) = &self.last
            && self.last_name == *name
        {
            return Arc::clone(last);
        }
        let target = self.look_up(name);
        if name.bytes() <= NAME_BYTES_MAX {
            self.last_name.copy(name);
            self.last = Some(Arc::clone(&target));
        }
        target
    }

    fn look_up(&mut self, name: &Name) -> Arc<Target> {
        if let Some(target) = self.younger.get(name) {
            return Arc::clone(target);
        }
        let (name, target) = match self.older.remove_entry(name) {
            Some(known) => known,
            None => (name.clone(), Arc::new(name.target())),
        };
        if name.bytes() <= NAME_BYTES_MAX {
            let bytes = self.younger_bytes.saturating_add(name.bytes());
            if self.younger.len() == TARGETS_MAX / 2 || bytes > NAMES_BYTES_MAX {
                self.older = std::mem::take(&mut self.younger);
                self.younger_bytes = 0;
            }
            self.younger_bytes = self.younger_bytes.saturating_add(name.bytes());
            self.younger.insert(name, Arc::clone(&target));
        }
        target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(stream: usize) -> Name {
        let mut name = Name::default();
        name.group(|out| out.extend_from_slice(b"g"));
        name.stream(|out| out.extend_from_slice(format!("s{stream}").as_bytes()));
        name
    }

    #[test]
    fn names_that_were_seen_lately_have_the_same_target() {
        let mut remembered = Remembered::default();
        let (first, other) = (remembered.target(&name(0)), remembered.target(&name(1)));
        assert_eq!((first.stream.as_str(), other.stream.as_str()), ("s0", "s1"));
        assert!(Arc::ptr_eq(&first, &remembered.target(&name(0))));
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes_and_there_are_never_more_than_the_most() {
        let mut remembered = Remembered::default();
        let (used, unused) = (remembered.target(&name(0)), remembered.target(&name(1)));
        for stream in 2..3 * TARGETS_MAX {
            remembered.target(&name(stream));
            assert!(Arc::ptr_eq(&used, &remembered.target(&name(0))));
            assert!(remembered.younger.len() + remembered.older.len() <= TARGETS_MAX);
        }
        assert!(!Arc::ptr_eq(&unused, &remembered.target(&name(1))));
    }

    #[test]
    fn long_names_are_fewer() {
        let mut remembered = Remembered::default();
        for stream in 0..TARGETS_MAX {
            let mut long = name(stream);
            long.stream(|out| out.resize(NAME_BYTES_MAX, b'x'));
            remembered.target(&long);
            let names = remembered.younger.keys().chain(remembered.older.keys());
            assert!(names.map(Name::bytes).sum::<usize>() <= 2 * NAMES_BYTES_MAX);
        }
        assert!(!remembered.older.is_empty() && !remembered.younger.is_empty());
    }

    #[test]
    fn a_name_of_any_length_has_a_target_and_a_huge_one_is_not_remembered() {
        let mut remembered = Remembered::default();
        let mut huge = Name::default();
        huge.group(|out| out.extend_from_slice(b"g"));
        huge.stream(|out| out.resize(out.len() + NAME_BYTES_MAX, b'x'));
        assert_eq!(remembered.target(&huge).stream.len(), 512);
        assert!(remembered.younger.is_empty() && remembered.last.is_none());
    }
}
