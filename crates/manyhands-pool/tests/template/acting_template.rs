//! The program that the tests of the template start: it acts as a template whose modules and
//! workers do what their names and blobs say, and, as `pool`, as a program that has a template.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `ACT_KILL` | a [`Step`] at which whoever reaches it first kills... |
//! | `ACT_VICTIM` | ... the process with this number; without it, itself |
//! | `ACT_MARK` | a file that is made by who reaches it first, so that it happens once |
#![expect(unsafe_code, reason = "acts as the host of the template, which forks")]

use manyhands_os::poll::poll;
use manyhands_os::process::{PidFd, Signal, exit_now, own_pid, parent_pid};
use manyhands_os::signals::ignore;
use manyhands_pool::template::{
    Event, Fork, Host, Outcome, Step, Template, TemplateConfig, WorkerStart, inherited, run,
};
use std::error::Error;
use std::ffi::OsString;
use std::fs::{File, OpenOptions, read_dir, read_link, read_to_string};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::{env, process, thread};

unsafe extern "C" {
    /// The C library's fork.
    fn fork() -> i32;
}

/// Imports nothing, but does what the name of the module says.
struct Actor {
    unfit: Option<String>,
}

impl Host for Actor {
    fn import(&mut self, module: &str) -> Result<(), String> {
        match module {
            "missing" => return Err("No module named 'missing'".into()),
            "threads" => drop(thread::spawn(wait_for_ever)),
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
        // SAFETY: the process has one thread (the template checks that before), so the child finds
        // every lock free.
        match unsafe { fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => Ok(Fork::Child),
            pid => Ok(Fork::Parent(pid)),
        }
    }

    fn unfit(&mut self) -> Option<String> {
        self.unfit.take()
    }

    fn reached(&mut self, step: Step) {
        if env::var("ACT_KILL").is_ok_and(|wanted| wanted == format!("{step:?}")) && is_first() {
            let victim = env::var("ACT_VICTIM").ok().and_then(|pid| pid.parse().ok());
            // A victim that is gone already is what was wanted.
            let _ = PidFd::open(victim.unwrap_or_else(own_pid)).map(|own| own.signal(Signal::KILL));
        }
    }
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
        Some("pool") => act_as_pool(env::args().skip(2).collect()),
        Some("broken") => Err("this template is broken on purpose".into()),
        Some("nonsense") => talk_nonsense(),
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
    let mut fds = start.fds.into_iter();
    if let Some(runs) = fds.next() {
        File::from(runs).write_all(b"x")?;
    }
    let blob = String::from_utf8(start.blob)?;
    match blob.split_once(' ').unwrap_or((&blob, "")) {
        ("exit", code) => exit_now(code.parse()?),
        ("kill", _) => PidFd::of_self()?.signal(Signal::KILL)?,
        ("parent", _) => wait_for_ever_with_child()?,
        ("facts", _) => {
            File::from(fds.next().ok_or("no second descriptor")?).write_all(facts()?.as_bytes())?
        }
        ("length", _) => {
            write!(File::from(fds.next().ok_or("no second descriptor")?), "{}", blob.len())?
        }
        _ => wait_for_ever(),
    }
    exit_now(0)
}

/// Starts a process in its own group and stays.
fn wait_for_ever_with_child() -> io::Result<()> {
    let mut child = Command::new("sleep").arg("1000").spawn()?;
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
    let mut text = format!("leads {}\n", group == Some(own_pid().to_string().as_str()));
    text.extend(["SigIgn:", "SigCgt:", "SigBlk:"].map(line));
    text += &format!("threads {}\n", read_dir("/proc/self/task")?.count());
    text += &format!("ppid {}\n", parent_pid());
    for entry in read_dir("/proc/self/fd")? {
        let path = entry?.path();
        let number = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Ok(target) = read_link(&path) {
            text += &format!("fd{number} {}\n", target.display());
        }
    }
    Ok(text)
}

/// Imports what its arguments name (`import=...`), forks a worker for each other one, and stays.
fn act_as_pool(arguments: Vec<String>) -> Result<(), Box<dyn Error>> {
    let pid = OsString::from(own_pid().to_string());
    let env = env::vars_os().chain([("ACT_VICTIM".into(), pid)]).collect();
    let program = env::current_exe()?;
    let config = TemplateConfig { program, args: vec![], env: Some(env), cwd: None };
    let mut template = Template::new(config);
    let runs: OwnedFd = io::stdout().as_fd().try_clone_to_owned()?;
    for (id, argument) in (0..).zip(&arguments) {
        match argument.strip_prefix("import=") {
            Some(module) => template.import(module),
            None => template.fork(id, argument.as_bytes(), &[runs.as_fd()])?,
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
