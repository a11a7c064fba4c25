//! Code that calls run: a blob of bytes is registered, used by calls, and let go of.
//!
//! Each worker gets a blob once, before the first item that needs it. What nobody needs any more is kept for a while,
//! for whoever registers the same bytes again; brief code is not. What a blob means is for the rung above to know.

use crate::luggage::Luggage;
use crate::pool::Pool;
use crate::wait::unload;

impl Pool {
    /// The id of a blob of code, which is sent to each worker at most once.
    ///
    /// It stays known until as many calls of [`Pool::let_go`] as of this, and for a while after that; so long the
    /// pool keeps the blocks that it names.
    #[must_use]
    pub fn register_code(&self, bytes: &[u8], luggage: Luggage) -> u64 {
        self.0.lock().register_code(bytes, luggage)
    }

    /// As [`Pool::register_code`], of code that workers drop when nobody needs it any more.
    #[must_use]
    pub fn register_brief_code(&self, bytes: &[u8], luggage: Luggage) -> u64 {
        self.0.lock().register_brief_code(bytes, luggage)
    }

    /// Says that a registration of a blob of code is not needed any more.
    pub fn let_go(&self, code: u64) {
        let mut state = self.0.lock();
        state.unuse_code(code);
        unload(state);
    }
}
