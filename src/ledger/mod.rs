//! The ledger: what became of every record, and of every byte of the memory budget.
//!
//! For every account at every moment: received + replayed + made = delivered + merged + dropped by
//! reason + stored + held. A record is entered once with [`Account::receive`], or with
//! [`Account::replay`] where an earlier process left it on disk, which gives a [`Receipt`]; the
//! receipt ends in exactly one outcome. What also lies on disk carries a [`Ticket`]. Knows nothing of what the records are.

mod account;
mod budget;
mod mark;
mod permit;
mod reason;
mod shortage;
mod ticket;
mod waits;

pub use account::{Account, Balance};
pub use budget::{Budget, Share};
pub use mark::{Mark, Marked, Marks};
pub use permit::{Permit, Receipt};
pub use reason::Reason;
pub use shortage::Shortage;
pub use ticket::{Keeper, Ticket};
