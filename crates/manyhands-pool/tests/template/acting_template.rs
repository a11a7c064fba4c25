//! The program that the tests of the template start: it acts as a template whose modules and
//! workers do what their names and blobs say, and, as `pool`, as a program that has a template.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `ACT_KILL` | a [`Step`] at which whoever reaches it first kills... |
//! | `ACT_SIGNAL` | ... by the signal with this number, not SIGKILL... |
//! | `ACT_VICTIM` | ... the process with this number; without it, itself |
//! | `ACT_NO_FORK` | the first fork fails |
//! | `ACT_MARK` | a file that is made by who reaches it first, so that it happens once |
#![forbid(unsafe_code)]

use manyhands_os::fork::{at_fork, fork_alone};
use manyhands_os::poll::poll;
use manyhands_os::process::{PidFd, Signal, exit_now, own_group, own_pid, parent_pid, reap};
use manyhands_os::signals::ignore;
use manyhands_pool::template::{
    Event, Fork, Host, IMPORT_LIMIT, Outcome, Role, Step, Template, TemplateConfig, WorkerStart,
    inherited, run,
};
use std::error::Error;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions, read_dir, read_link, read_to_string};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::{env, process};

/// Imports nothing, but does what the name of the module says.
struct Actor {
    unfit: Option<String>,
}

impl Host for Actor {
    fn import(&mut self, module: &str) -> Result<(), String> {
        match module {
            "missing" => return Err("No module named 'missing'".into()),
            "threads" => drop(thread::spawn(wait_for_ever)),
            "resting" => start_resting_thread().map_err(|error| error.to_string())?,
            "sigterm" => ignore(Signal::TERM).map_err(|error| error.to_string())?,
            "sigchld" => ignore(Signal::CHILD).map_err(|error| error.to_string())?,
            "env" => self.unfit = Some("it reads ACT_MARK".into()),
            "crash" => {
                writeln!(io::stderr(), "about to crash").map_err(|error| error.to_string())?;
                process::abort();
            }
            "slow" => wait_for_ever(),
            _ => {}
        }
        Ok(())
    }

    fn fork(&mut self) -> io::Result<Fork> {
        if env::var_os("ACT_NO_FORK").is_some() && is_first() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(fork_alone()?.map_or(Fork::Child, Fork::Parent))
    }

    fn unfit(&mut self) -> Option<String> {
        self.unfit.take()
    }

    fn reached(&mut self, step: Step) {
        if env::var("ACT_KILL").is_ok_and(|wanted| wanted == format!("{step:?}")) && is_first() {
            let victim = env::var("ACT_VICTIM").ok().and_then(|pid| pid.parse().ok());
            let signal = env::var("ACT_SIGNAL").ok().and_then(|number| number.parse().ok());
            let signal = signal.and_then(Signal::from_named_raw).unwrap_or(Signal::KILL);
            // A victim that is gone already is what was wanted.
            let _ = PidFd::open(victim.unwrap_or_else(own_pid)).map(|own| own.signal(signal));
        }
    }
}

/// A thread, and what ends it when it is dropped.
static RESTING: Mutex<Option<(Sender<()>, JoinHandle<()>)>> = Mutex::new(None);

/// Starts a thread that is stopped before a fork, as OpenBLAS does it.
fn start_resting_thread() -> io::Result<()> {
    extern "C" fn stop() {
        let taken = RESTING.lock().ok().and_then(|mut resting| resting.take());
        if let Some((sender, thread)) = taken {
            drop(sender);
            // It does not panic.
            let _ = thread.join();
        }
    }
    extern "C" fn nothing() {}
    at_fork(stop, nothing, nothing)?;
    let (sender, receiver) = channel::<()>();
    let thread = thread::spawn(move || while receiver.recv().is_ok() {});
    *RESTING.lock().map_err(|_| io::ErrorKind::Other)? = Some((sender, thread));
    Ok(())
}

fn is_first() -> bool {
    env::var_os("ACT_MARK")
        .is_none_or(|path| OpenOptions::new().write(true).create_new(true).open(path).is_ok())
}

fn wait_for_ever() {
    // Without descriptors and without a limit it does not end.
    let _ = poll(&[], None);
}

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1).as_deref() {
        Some("pool") => act_as_pool(&env::args().skip(2).collect::<Vec<_>>()),
        Some("broken") => Err("this template is broken on purpose".into()),
        Some("nonsense") => talk_nonsense(),
        Some("threaded") => {
            thread::spawn(wait_for_ever);
            act_as_template()
        }
        _ => act_as_template(),
    }
}

fn act_as_template() -> Result<(), Box<dyn Error>> {
    let (control, parent) = inherited()?;
    match run(control, parent, &mut Actor { unfit: None })? {
        Outcome::Shutdown => Ok(()),
        Outcome::Child(start) => act_as_worker(start),
    }
}

/// Answers with a message that is none.
fn talk_nonsense() -> Result<(), Box<dyn Error>> {
    let (control, _parent) = inherited()?;
    manyhands_os::socket::send(&control, b"nonsense", &[])?;
    wait_for_ever();
    Ok(())
}

/// Does what the blob says, after it has written one letter to the first descriptor.
fn act_as_worker(start: WorkerStart) -> Result<(), Box<dyn Error>> {
    let mut fds = start.fds.into_iter().map(File::from);
    // A process keeps its lifeline.
    let _lifeline = if start.role == Role::Worker { None } else { fds.next() };
    if let Some(mut runs) = fds.next() {
        runs.write_all(b"x")?;
    }
    let mut answer = |text: &str| match fds.next() {
        Some(mut out) => out.write_all(text.as_bytes()),
        None => Err(io::ErrorKind::InvalidInput.into()),
    };
    let blob = String::from_utf8(start.blob)?;
    match blob.split_once(' ').unwrap_or((&blob, "")) {
        ("exit", code) => exit_now(code.parse()?),
        ("kill", _) => PidFd::of_self()?.signal(Signal::KILL)?,
        ("parent", _) => wait_for_ever_with_child(answer)?,
        ("facts", _) => answer(&facts()?)?,
        ("length", _) => answer(&blob.len().to_string())?,
        _ => wait_for_ever(),
    }
    exit_now(0)
}

/// Starts a process in its own group, says so to whoever wants to know, and stays.
fn wait_for_ever_with_child(mut told: impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    let mut child = Command::new("sleep").arg("1000").spawn()?;
    // Most of those who start a worker give no descriptor to tell it to.
    let _ = told("x");
    child.wait()?;
    Ok(())
}

/// What a worker finds about itself, a line each.
fn facts() -> Result<String, Box<dyn Error>> {
    let status = read_to_string("/proc/self/status")?;
    let stat = read_to_string("/proc/self/stat")?;
    let group = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(2));
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        format!("{name} {}\n", line.unwrap_or("").trim())
    };
    let leads = group == Some(own_pid().to_string().as_str());
    let mut text = format!("leads {leads}\ngroup {}\n", group.unwrap_or("?"));
    text.extend(["SigIgn:", "SigCgt:", "SigBlk:"].map(line));
    writeln!(text, "threads {}", read_dir("/proc/self/task")?.count())?;
    writeln!(text, "ppid {}", parent_pid())?;
    for entry in read_dir("/proc/self/fd")? {
        let path = entry?.path();
        let number = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Ok(target) = read_link(&path) {
            writeln!(text, "fd{number} {}", target.display())?;
        }
    }
    Ok(text)
}

/// Imports what its arguments name (`import=...`), forks a worker for each other one, and stays; but
/// the functions below tell what `drop`, `shutdown` and `fork` do.
fn act_as_pool(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let end_well = arguments.first().is_some_and(|first| first == "shutdown");
    let victim = (!end_well).then(|| ("ACT_VICTIM".into(), own_pid().to_string().into()));
    let env = env::vars_os().chain(victim).collect();
    let program = env::current_exe()?;
    let config = TemplateConfig {
        program,
        args: vec![],
        env: Some(env),
        cwd: None,
        import_limit: IMPORT_LIMIT,
    };
    let mut template = Template::new(config);
    let mut held = Vec::new();
    let runs: OwnedFd = io::stdout().as_fd().try_clone_to_owned()?;
    match arguments {
        [first, blob] if first == "drop" => {
            return start_parent(&mut template, blob);
        }
        [_, blob] if end_well => {
            start_parent(&mut template, blob)?;
            return shut_down(template);
        }
        [first] if first == "fork" => return drop_in_fork(template),
        _ => {}
    }
    for (id, argument) in (0..).zip(arguments) {
        match argument.strip_prefix("import=") {
            Some(module) => template.import(module),
            None if argument == "process" => {
                let (lifeline, writer) = io::pipe()?;
                held.push(writer);
                let role = Role::Process { group: own_group(), bound: true };
                template.fork(id, role, b"wait", &[lifeline.as_fd(), runs.as_fd()])?;
            }
            None => template.fork(id, Role::Worker, argument.as_bytes(), &[runs.as_fd()])?,
        }
    }
    loop {
        let fds: Vec<_> = template.poll_fds().collect();
        poll(&fds, None)?;
        for event in template.receive() {
            if let Event::Failed { message } = event {
                return Err(message.into());
            }
        }
    }
}

/// Waits until a worker has started a process; the template's news stay unread.
fn start_parent(template: &mut Template, blob: &str) -> Result<(), Box<dyn Error>> {
    let (mut reader, writer) = io::pipe()?;
    template.fork(1, Role::Worker, blob.as_bytes(), &[writer.as_fd(), writer.as_fd()])?;
    drop(writer);
    // One letter when the worker begins, one when it has started its process.
    reader.read_exact(&mut [0; 2])?;
    Ok(())
}

/// Ends the template as a pool does.
fn shut_down(mut template: Template) -> Result<(), Box<dyn Error>> {
    while !template.shutdown() {
        poll(&template.poll_fds().collect::<Vec<_>>(), None)?;
        template.receive();
    }
    Ok(())
}

/// Drops a copy of the template in a forked child; fails if that ended the worker.
fn drop_in_fork(mut template: Template) -> Result<(), Box<dyn Error>> {
    template.fork(1, Role::Worker, b"wait", &[])?;
    let worker = loop {
        poll(&template.poll_fds().collect::<Vec<_>>(), None)?;
        let forked = template.receive().into_iter().find_map(|event| match event {
            Event::Forked { pidfd, .. } => Some(pidfd),
            _ => None,
        });
        if let Some(worker) = forked {
            break worker;
        }
    };
    match (Actor { unfit: None }).fork()? {
        Fork::Child => {
            drop(template);
            exit_now(0);
        }
        Fork::Parent(pid) => reap(&PidFd::open(pid)?)?,
    };
    // The template ends it, and would have by now.
    match (worker.is_dead(), template.shutdown()) {
        (false, false) => Ok(()),
        state => Err(format!("(worker dead, template gone) is {state:?}").into()),
    }
}
