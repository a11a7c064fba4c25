//! Panics of functions that run in children: what was said, where, and the way there.
//!
//! A child's panic hook notes the place and the backtrace for the thread that panicked; whoever caught the panic
//! adds the message. In the thread that runs tasks nothing is printed: the error tells it all. Other threads of
//! the child keep the hook that was there.
//!
//! Of a backtrace what lies between the machinery of panics and this crate's is kept, as std does with what it prints;
//! all of it with `RUST_BACKTRACE=full`.

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

    /// The calls that led to it, if `RUST_BACKTRACE` was set in the process that panicked; with `full` also those of
    /// this crate and of the machinery of panics.
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
    // Nothing is caught then, so the hook that was there has to tell it.
    if cfg!(panic = "abort") {
        return;
    }
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
    let whole = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value == "full");
    let backtrace = matches!(backtrace.status(), BacktraceStatus::Captured).then(|| {
        let text = backtrace.to_string();
        if whole { text } else { short(&text).unwrap_or(text) }
    });
    let location = info.location().map(ToString::to_string);
    LAST.with_borrow_mut(|last| *last = Some((location, backtrace)));
}

/// The frames between the machinery of panics and this crate's, if there are such.
fn short(text: &str) -> Option<String> {
    let lines: Vec<_> = text.lines().collect();
    let frames: Vec<_> = (0..lines.len()).filter(|at| is_frame(lines[*at])).collect();
    let machinery = |at: &usize| {
        lines[*at].contains("rust_begin_unwind") || lines[*at].contains("rust_end_short_backtrace")
    };
    let first = frames.iter().rposition(machinery)? + 1;
    let last = first + frames[first..].iter().position(|at| is_ours(lines[*at]))?;
    (first < last).then(|| lines[frames[first]..frames[last]].join("\n"))
}

/// Whether a line begins a frame, as `  12: name`.
fn is_frame(line: &str) -> bool {
    let rest = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < line.trim_start().len() && rest.starts_with(": ")
}

/// Whether a frame is of the code of this crate that calls functions of users.
fn is_ours(line: &str) -> bool {
    ["manyhands::function::", "manyhands::process::"].iter().any(|path| {
        let before = line.find(path).map(|at| line[..at].chars().next_back());
        before.is_some_and(|before| before.is_none_or(|c| !c.is_alphanumeric() && c != '_'))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "   0: manyhands::panics::note\n             at src/panics.rs:114:21\n   \
        1: __rustc::rust_begin_unwind\n   2: core::panicking::panic_fmt\n   \
        3: own::manyhands::count\n             at ./own.rs:5:132\n   \
        4: my_manyhands::function::run\n  10: <manyhands::function::Plain<F,T,R> as manyhands::task::Task>::run\n  11: main\n";

    #[test]
    fn a_backtrace_is_of_the_function() {
        let kept = short(TRACE).unwrap();
        assert!(kept.starts_with("   2: core::panicking"), "{kept}");
        assert!(kept.ends_with("my_manyhands::function::run"), "{kept}");
    }

    #[test]
    fn a_backtrace_without_known_names_is_kept_whole() {
        assert_eq!(short("   0: <unknown>\n   1: <unknown>\n"), None);
        assert_eq!(short(&TRACE.replace("rust_begin_unwind", "x")), None);
        assert_eq!(short(&TRACE.replace("<manyhands::function::", "<")), None);
        assert_eq!(short("   0: rust_begin_unwind\n   1: manyhands::function::run\n"), None);
        assert_eq!(short(""), None);
    }
}
