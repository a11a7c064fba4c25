//! Panics of functions that run in children: what was said, where, and the way there.
//!
//! A child's panic hook notes the place and the backtrace for the thread that panicked; whoever caught the panic
//! adds the message. In the thread that runs tasks nothing is printed: the error tells it all. Other threads of
//! the child keep the hook that was there.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{PanicHookInfo, set_hook, take_hook};

use serde::{Deserialize, Serialize};

/// A panic of a function that ran in another process.
///
/// ```
/// # fn check(error: manyhands::TaskError) {
/// if let manyhands::TaskError::Panicked { panic, .. } = &error {
///     println!("{} at {}", panic.message(), panic.location().unwrap_or("an unknown place"));
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    message: String,
    location: Option<String>,
    backtrace: Option<String>,
}

impl Panic {
    /// What the panic said.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let error = manyhands::Process::spawn(|x: u32| assert!(x > 7, "too small"), 1)?.join();
    /// let Err(manyhands::ProcessError::Panicked(panic)) = error else { unreachable!() };
    /// assert_eq!(panic.message(), "too small");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where it was, as `file:line:column`.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let error = manyhands::Process::spawn(|x: u32| assert!(x > 7), 1)?.join();
    /// let Err(manyhands::ProcessError::Panicked(panic)) = error else { unreachable!() };
    /// assert!(panic.location().is_some_and(|place| place.contains(".rs:")));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// The calls that led to it, if `RUST_BACKTRACE` was set in the process that panicked.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let error = manyhands::Process::spawn(|x: u32| assert!(x > 7), 1)?.join();
    /// let Err(manyhands::ProcessError::Panicked(panic)) = error else { unreachable!() };
    /// println!("{}", panic.backtrace().unwrap_or("RUST_BACKTRACE=1 shows the calls"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn backtrace(&self) -> Option<&str> {
        self.backtrace.as_deref()
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.message)?;
        if let Some(location) = &self.location {
            write!(f, " (at {location})")?;
        }
        match &self.backtrace {
            Some(backtrace) => write!(f, "\n{backtrace}"),
            None => Ok(()),
        }
    }
}

thread_local! {
    /// This thread's panics are caught and told.
    static CAUGHT_HERE: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<(Option<String>, Option<String>)>> = const { RefCell::new(None) };
}

/// From now on panics of this thread are noted rather than printed.
pub(crate) fn note_here() {
    CAUGHT_HERE.set(true);
    let before = take_hook();
    set_hook(Box::new(move |info| {
        if CAUGHT_HERE.try_with(Cell::get).unwrap_or(false) {
            note(info);
        } else {
            before(info);
        }
    }));
}

fn note(info: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let backtrace =
        matches!(backtrace.status(), BacktraceStatus::Captured).then(|| backtrace.to_string());
    let location = info.location().map(ToString::to_string);
    LAST.with_borrow_mut(|last| *last = Some((location, backtrace)));
}

/// The panic that was just caught in this thread.
pub(crate) fn caught(payload: &(dyn Any + Send)) -> Panic {
    let (location, backtrace) = LAST.with_borrow_mut(Option::take).unwrap_or_default();
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = text.or_else(|| payload.downcast_ref::<String>().cloned());
    Panic {
        message: message.unwrap_or_else(|| "a value that is no text".into()),
        location,
        backtrace,
    }
}
