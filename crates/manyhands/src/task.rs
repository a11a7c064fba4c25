//! What runs over a batch of items, and how it is named to other processes.
//!
//! For each type of function there is a *maker* ([`Maker`]), which `code` names by its place. What is sent of a function
//! is that place and, if it was given one, the value that is its first argument.

use crate::batch::Batch;
use crate::raised::Raised;

/// Makes a task from the value that goes with it.
pub(crate) type Maker = fn(&[u8]) -> Result<Box<dyn Task>, Raised>;

/// Runs items.
pub(crate) trait Task {
    /// Runs items of the batch until it ends.
    fn run(&mut self, batch: &mut Batch<'_>);
}
