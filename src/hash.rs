//! The map that code uses whose order of iteration decides anything.
//!
//! In the product its order is chance, as for every map: nobody who sends names can make it slow.
//! In tests it is the same in every run, so that a simulation of one seed is one run.

/// A map.
#[cfg(not(test))]
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V>;

/// A map, in the same order in every run.
#[cfg(test)]
pub(crate) type HashMap<K, V> = std::collections::HashMap<
    K,
    V,
    std::hash::BuildHasherDefault<std::collections::hash_map::DefaultHasher>,
>;
