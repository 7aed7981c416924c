//! The ledger: what became of every record, and of every byte of the memory budget.
//!
//! For every account at every moment: received = passed on + dropped by reason + held. A record is
//! entered once with [`Account::receive`], which gives a [`Receipt`]; the receipt ends in exactly
//! one outcome. Knows nothing of what the records are.

mod account;
mod budget;
mod mark;
mod permit;
mod reason;

pub use account::{Account, Balance};
pub use budget::{Budget, Share};
pub use mark::{Mark, Marked};
pub use permit::{Permit, Receipt};
pub use reason::Reason;
