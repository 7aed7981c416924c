//! Which memory is short, and so whose records may be given up for room.

/// Memory that is short. Only what holds some of it makes room by being given up.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Shortage {
    /// There is enough.
    #[default]
    None,
    /// The parts of these owners; not what is common to all.
    Of(Vec<u16>),
    /// What is common to all.
    Whole,
}

impl Shortage {
    /// Whether there is enough.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Whether there is room where it is needed once a record of this owner goes.
    #[must_use]
    pub fn is_eased_by(&self, owner: u16) -> bool {
        match self {
            Self::None => false,
            Self::Of(owners) => owners.contains(&owner),
            Self::Whole => true,
        }
    }
}
