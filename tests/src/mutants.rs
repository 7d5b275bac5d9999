//! Ways to break the product on purpose, each with the invariant of the seeded world that must notice.
//!
//! `cargo mutants-of-the-product` puts one after the other into a copy of the tree and lives worlds in it.
//! A test holds that every text to be replaced stands exactly once in its file, so that the list never rots.

use crate::world::watch::Invariant;

pub mod copy;
mod list;

pub use self::list::MUTANTS;

/// One way to break the product.
#[derive(Debug, Clone, Copy)]
pub struct Mutant {
    /// What it breaks, in a few words.
    pub name: &'static str,
    /// The file, from the repository's root.
    pub file: &'static str,
    /// Text that stands in it exactly once.
    pub old: &'static str,
    /// What takes its place.
    pub new: &'static str,
    /// Whichever of these the world names has caught it.
    pub caught_by: &'static [Invariant],
}

impl Mutant {
    /// Whether an invariant that a world names is one of those that catch it.
    pub fn is_caught_by(&self, named: &str) -> bool {
        self.caught_by.iter().any(|by| format!("{by:?}") == named)
    }

    /// The file's text with this mutant in it.
    ///
    /// # Errors
    /// Says how often the text to be replaced was found where that is not once.
    pub fn put_into(&self, text: &str) -> Result<String, String> {
        match text.matches(self.old).count() {
            1 => Ok(text.replacen(self.old, self.new, 1)),
            found => Err(format!("`{}`: its text stands {found} times in {}, not once", self.name, self.file)),
        }
    }
}
