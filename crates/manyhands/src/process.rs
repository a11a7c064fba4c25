//! `Process`: one function in a process of its own.
//!
//! The child writes its result into a memory file that the parent reads after the child's death: so neither
//! waits for the other, however large the result is. What the result names is pinned by the child and taken over
//! by the parent.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use manyhands_os::memory::create_log;
use manyhands_os::process::{ExitStatus, PidFd, Signal, reap};
use manyhands_os::room;
use manyhands_pool::Luggage;
use manyhands_pool::luggage::{pack, unpack};
use manyhands_shm::slate::Slate;
use manyhands_shm::world::Block;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::batch::{Batch, ONE_ITEM, Reply};
use crate::error::{ProcessError, SpawnError};
use crate::handover::{Handed, Handover, wait_for_death};
use crate::start::{self, Order, Role};
use crate::task::Maker;
use crate::{code, codec, function as make, panics, world};

/// One function that runs in a process of its own.
///
/// The function is a `fn` item or a closure that captures nothing; what it works on is its argument. It stays
/// in the process group of this process. It ends with this process at the latest; dropping the handle lets it
/// run on, as dropping that of a thread does.
///
/// ```
/// use manyhands::Process;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let process = Process::spawn(|words: Vec<String>| words.concat(), vec!["ab".into(), "cd".into()])?;
///     assert_eq!(process.join()?, "abcd");
///     Ok(())
/// }
/// ```
pub struct Process<R> {
    child: Option<Child>,
    result: PhantomData<fn() -> R>,
}

struct Child {
    pid: i32,
    pidfd: Arc<PidFd>,
    output: File,
    /// Lets go of what the argument names, if the child has not taken it.
    _handover: Arc<Handover>,
}

impl<R> fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("pid", &self.pid()).finish_non_exhaustive()
    }
}

/// How a process is to be; made by [`Process::builder`].
///
/// ```
/// use manyhands::Process;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let device = |name: String| std::env::var(name).ok();
///     let process = Process::builder().env("DEVICE", "1").spawn(device, "DEVICE".into())?;
///     assert_eq!(process.join()?, Some("1".to_owned()));
///     Ok(())
/// }
/// ```
#[derive(Debug, Default, Clone)]
#[must_use = "it makes a process when it is spawned"]
pub struct ProcessBuilder {
    env: Vec<(OsString, OsString)>,
}

impl Process<()> {
    /// Says how a process, of whatever result, is to be.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let process = manyhands::Process::builder().spawn(|x: u32| x + 1, 1)?;
    /// assert_eq!(process.join()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> ProcessBuilder {
        ProcessBuilder::default()
    }
}

impl ProcessBuilder {
    /// Sets a variable in the environment of the process, from its first instruction on. The others it has from this
    /// process.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let language = |(): ()| std::env::var("LANG").ok();
    /// let process = manyhands::Process::builder().env("LANG", "C").spawn(language, ())?;
    /// assert_eq!(process.join()?, Some("C".to_owned()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        start::set_env(&mut self.env, name.as_ref(), value.as_ref());
        self
    }

    /// Starts a process that calls `function` with `argument`; the builder can be used again.
    ///
    /// # Errors
    /// Those of [`Process::spawn`], and [`SpawnError::Setting`] for a variable that cannot be.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let builder = manyhands::Process::builder().env("DEVICE", "1");
    /// let both = [builder.spawn(|x: u32| x + 1, 1)?, builder.spawn(|x: u32| x * 7, 1)?];
    /// let results: Result<Vec<u32>, _> = both.into_iter().map(|process| process.join()).collect();
    /// assert_eq!(results?, [2, 7]);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "it is gone from here once it was sent")]
    pub fn spawn<F, T, R>(&self, function: F, argument: T) -> Result<Process<R>, SpawnError>
    where
        F: Fn(T) -> R + Copy + 'static,
        T: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        start::check_env(&self.env).map_err(SpawnError::Setting)?;
        Process::start(function, &argument, &self.env)
    }
}

/// Children whose handle was dropped: they are reaped when the next one is spawned or dropped.
static DROPPED: Mutex<Vec<Child>> = Mutex::new(Vec::new());

fn reap_dropped() {
    let mut dropped = DROPPED.lock().unwrap_or_else(PoisonError::into_inner);
    let dead: Vec<_> = dropped.extract_if(.., |child| child.pidfd.is_dead()).collect();
    drop(dropped);
    for child in &dead {
        // It is dead: whether somebody else has reaped it makes no difference.
        let _status = reap(&child.pidfd);
    }
    if !dead.is_empty() {
        world::sweep();
    }
}

impl<R: Serialize + DeserializeOwned + 'static> Process<R> {
    /// Starts a process that calls `function` with `argument`.
    ///
    /// # Errors
    /// [`SpawnError::NotInitialized`] where `main` does not call [`init`](crate::init()) first;
    /// [`SpawnError::Unwritable`] for an argument that cannot be serialized; [`SpawnError::Foreign`] for a
    /// function of another shared object; [`SpawnError::Os`] for what the kernel says.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let process = manyhands::Process::spawn(|(a, b): (u32, u32)| a + b, (1, 2))?;
    /// assert_eq!(process.join()?, 3);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "it is gone from here once it was sent")]
    pub fn spawn<F, T>(function: F, argument: T) -> Result<Self, SpawnError>
    where
        F: Fn(T) -> R + Copy + 'static,
        T: Serialize + DeserializeOwned + 'static,
    {
        Self::start(function, &argument, &[])
    }

    fn start<F, T>(
        function: F,
        argument: &T,
        env: &[(OsString, OsString)],
    ) -> Result<Self, SpawnError>
    where
        F: Fn(T) -> R + Copy + 'static,
        T: Serialize + DeserializeOwned + 'static,
    {
        reap_dropped();
        if !start::is_initialized() {
            return Err(SpawnError::NotInitialized);
        }
        let maker: Maker = make::plain(move |handed: Handed<T>| function(handed.0));
        let place = code::place_of(maker).ok_or(SpawnError::Foreign)?;
        let (argument, luggage) =
            codec::pack(argument).map_err(|error| SpawnError::Unwritable(error.to_string()))?;
        let handover = Arc::new(Handover::of(&luggage).map_err(io::Error::other)?);
        drop(luggage);
        let mut encoded = Vec::with_capacity(argument.len() + 16);
        codec::append(&handover.order(), &mut encoded).map_err(io::Error::other)?;
        encoded.extend_from_slice(&argument);
        let mut request = ONE_ITEM.to_vec();
        codec::append_framed(&encoded, &mut request)
            .map_err(|error| SpawnError::Unwritable(error.to_string()))?;
        let output = create_log("manyhands-result")?;
        let name = std::any::type_name::<F>().to_owned();
        let role = Role::Process { place, name, argument: request };
        let fds = vec![output.as_fd()];
        let child = start::launch(Order { role, fds, env, member: true })?;
        let pidfd = Arc::new(child.pidfd);
        handover.watch(&pidfd);
        let child = Child { pid: child.pid, pidfd, output, _handover: handover };
        Ok(Self { child: Some(child), result: PhantomData })
    }

    /// Waits for the end of the process; what its function returned.
    ///
    /// # Errors
    /// [`ProcessError::Panicked`] if the function panicked; [`ProcessError::Died`] if the process ended before it
    /// had returned; [`ProcessError::Unreadable`] and [`ProcessError::Unwritable`] for an argument or a result
    /// that serde refuses, the former also if this program has closed the descriptors of the process meanwhile, as
    /// daemons do.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let process = manyhands::Process::spawn(|x: u32| x + 1, 1)?;
    /// assert_eq!(process.join()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join(mut self) -> Result<R, ProcessError> {
        let Some(child) = self.child.take() else {
            return Err(ProcessError::Died { signal: None, code: None });
        };
        if let Err(error) = wait_for_death(&child.pidfd, None) {
            // Their numbers may be those of other files by now.
            std::mem::forget(child);
            let text = format!(
                "how the process ends cannot be known, for this program has closed its handle: {error}"
            );
            return Err(ProcessError::Unreadable(text));
        }
        let status = reap(&child.pidfd).ok();
        let outcome = result(&child, status);
        world::sweep();
        outcome
    }
}

impl<R> Process<R> {
    /// Its process id.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let process = manyhands::Process::spawn(|(): ()| std::process::id(), ())?;
    /// let pid = process.pid();
    /// assert_eq!(pid, Some(process.join()? as i32));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.child.as_ref().map(|child| child.pid)
    }

    /// Whether it has ended.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let process = manyhands::Process::spawn(|x: u32| x + 1, 1)?;
    /// while !process.is_finished() {
    ///     std::thread::yield_now();
    /// }
    /// assert_eq!(process.join()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.wait_timeout(Duration::ZERO)
    }

    /// Waits for its end, at most so long; whether it has ended.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// use std::time::Duration;
    ///
    /// let process = manyhands::Process::spawn(|x: u32| x + 1, 1)?;
    /// assert!(process.wait_timeout(Duration::from_secs(60)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        let Some(child) = &self.child else { return true };
        // What cannot be known `join` tells at once.
        wait_for_death(&child.pidfd, Some(timeout)).unwrap_or(true)
    }

    /// Kills it. A process that has ended is left alone.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let stay = |(): ()| loop {
    ///     std::thread::park()
    /// };
    /// let process = manyhands::Process::<()>::spawn(stay, ())?;
    /// process.kill();
    /// assert!(process.join().unwrap_err().is_death());
    /// # Ok(())
    /// # }
    /// ```
    pub fn kill(&self) {
        if let Some(child) = &self.child {
            // What is dead needs no signal.
            let _gone = child.pidfd.signal(Signal::KILL);
        }
    }
}

impl<R> Drop for Process<R> {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            DROPPED.lock().unwrap_or_else(PoisonError::into_inner).push(child);
            reap_dropped();
        }
    }
}

/// Reads what a dead child has left.
fn result<R: DeserializeOwned + 'static>(
    child: &Child,
    status: Option<ExitStatus>,
) -> Result<R, ProcessError> {
    let died = || match status {
        Some(ExitStatus::Signaled { signal, .. }) => {
            ProcessError::Died { signal: Some(signal), code: None }
        }
        Some(ExitStatus::Exited(code)) => ProcessError::Died { signal: None, code: Some(code) },
        None => ProcessError::Died { signal: None, code: None },
    };
    let whole = status == Some(ExitStatus::Exited(0)) || status.is_none();
    let bytes =
        read(&child.output).ok().filter(|bytes| whole && !bytes.is_empty()).ok_or_else(died)?;
    let (names, reply) = unpack(&bytes).unwrap_or((Vec::new(), &bytes));
    let held: Luggage = names
        .iter()
        .filter_map(|name| {
            let world = world::home().ok()?;
            let block = world.adopt(*name)?;
            world.unpin(*name);
            Some(block)
        })
        .collect();
    let reply = Reply::of(reply).ok_or_else(died)?;
    if let Some(raised) = reply.failure {
        return Err(ProcessError::from(raised));
    }
    let mut values = reply.values;
    let value =
        codec::take_item(&mut values).map_err(|error| ProcessError::Unreadable(error.to_string()));
    drop(held);
    value
}

fn read(file: &File) -> io::Result<Vec<u8>> {
    let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// The child's side: runs the function, leaves the result; the code to exit with.
pub(crate) fn run(place: u64, argument: &[u8], fds: Vec<OwnedFd>) -> io::Result<i32> {
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    let [output] = <[OwnedFd; 1]>::try_from(fds).map_err(|_| broken())?;
    let mut output = File::from(output);
    let maker = code::maker_at(place).ok_or_else(broken)?;
    panics::note_here();
    // A batch of one leaves its slate alone.
    let mut slate = Slate::create(&world::home()?, 1).map_err(io::Error::other)?;
    let mut reply = Vec::new();
    let mut batch = Batch::of(argument, &mut slate).ok_or_else(broken)?;
    match maker(&[]) {
        Ok(mut task) => task.run(&mut batch),
        Err(raised) => batch.fail(raised),
    }
    let luggage = batch.reply(&mut reply).luggage;
    room::check_file_size(reply.len() as u64)?;
    if !luggage.is_empty() {
        let names: Vec<_> = luggage.iter().map(Block::handle).collect();
        for block in &luggage {
            block.world().pin(block.handle());
        }
        reply = pack(&names, &reply);
    }
    output.write_all(&reply)?;
    Ok(0)
}
