//! A pool's thread in miniature: drives a template and keeps what it tells.
#![expect(clippy::unwrap_used, reason = "a helper of tests")]

use manyhands_os::launch::{Child, Program, spawn_exec};
use manyhands_os::poll::poll;
use manyhands_os::process::{ExitStatus, PidFd, reap};
use manyhands_pool::template::{Event, IMPORT_LIMIT, Role, Template, TemplateConfig};
use std::io::{PipeReader, PipeWriter, Read, pipe};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The program that acts.
pub(crate) fn actor() -> PathBuf {
    env!("CARGO_BIN_EXE_acting-template").into()
}

/// A template that acts, with more variables in its environment.
pub(crate) fn config(variables: &[(&str, &str)]) -> TemplateConfig {
    let more = variables.iter().map(|(name, value)| (name.into(), value.into()));
    let env = std::env::vars_os().chain(more).collect();
    let import_limit = IMPORT_LIMIT;
    TemplateConfig { program: actor(), args: vec![], env: Some(env), cwd: None, import_limit }
}

/// A file that is not there yet, and goes with this.
pub(crate) struct Mark(PathBuf);

impl Mark {
    pub(crate) fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let mark = Self(folder.join(format!("{name}-{}", std::process::id())));
        mark.remove();
        mark
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Whether somebody was the first.
    pub(crate) fn is_set(&self) -> bool {
        self.0.exists()
    }

    fn remove(&self) {
        // It need not be there.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A worker that has been told of.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) id: u64,
    pub(crate) pidfd: Arc<PidFd>,
}

/// A template and all that it has told.
pub(crate) struct Harness {
    pub(crate) template: Template,
    pub(crate) workers: Vec<Worker>,
    pub(crate) exits: Vec<(u64, ExitStatus)>,
    pub(crate) lost: Vec<u64>,
    /// All else, as text.
    pub(crate) notes: Vec<String>,
    /// Every worker that runs writes a letter to it.
    runs: (PipeReader, PipeWriter),
}

impl Harness {
    pub(crate) fn new(config: TemplateConfig) -> Self {
        let template = Template::new(config);
        let (workers, exits, lost, notes) = Default::default();
        Self { template, workers, exits, lost, notes, runs: pipe().unwrap() }
    }

    /// Asks for a worker that does what `blob` says.
    pub(crate) fn fork(&mut self, id: u64, blob: &str) {
        self.template.fork(id, Role::Worker, blob.as_bytes(), &[self.runs.1.as_fd()]).unwrap();
    }

    /// Lets a new worker write about itself.
    pub(crate) fn ask_worker(&mut self, id: u64, blob: &str) -> String {
        let (mut reader, writer) = pipe().unwrap();
        let fds = [self.runs.1.as_fd(), writer.as_fd()];
        self.template.fork(id, Role::Worker, blob.as_bytes(), &fds).unwrap();
        drop(writer);
        self.wait_forked(id);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    }

    /// The process that forks, found by asking a worker with the name 1000, which ends.
    pub(crate) fn find_template(&mut self) -> PidFd {
        let facts = self.ask_worker(1000, "facts");
        self.wait_exited(1000);
        let pid = facts.lines().find_map(|line| line.strip_prefix("ppid ")).unwrap();
        PidFd::open(pid.parse().unwrap()).unwrap()
    }

    /// Waits until that many more workers run.
    pub(crate) fn wait_running(&mut self, count: usize) {
        read_letters(&mut self.runs.0, count);
    }

    /// Drives the template until `done`.
    pub(crate) fn wait(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for event in self.template.receive() {
                self.note(event);
            }
            if done(self) {
                return;
            }
            let now = Instant::now();
            assert!(now < deadline, "waited too long for {what}; told so far: {:?}", self.notes);
            let until = self.template.deadline().map_or(deadline, |own| own.min(deadline));
            let fds: Vec<_> = self.template.poll_fds().collect();
            poll(&fds, Some(until.saturating_duration_since(now))).unwrap();
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Forked { id, pidfd, .. } => self.workers.push(Worker { id, pidfd }),
            Event::Exited { id, status, .. } => self.exits.push((id, status)),
            Event::Lost { id, reason } => {
                self.lost.push(id);
                self.notes.push(format!("lost {id}: {reason}"));
            }
            Event::Ready => self.notes.push("ready".into()),
            Event::ForkFailed { id, message } => self.notes.push(format!("no {id}: {message}")),
            Event::ImportFailed { module, message } => {
                self.notes.push(format!("import of {module} failed: {message}"));
            }
            Event::Dropped { module, reason } => {
                self.notes.push(format!("{module} dropped: {reason}"));
            }
            Event::Gone { message } => self.notes.push(format!("gone: {message}")),
            Event::Failed { message } => self.notes.push(format!("failed: {message}")),
        }
    }

    pub(crate) fn wait_forked(&mut self, id: u64) -> Worker {
        self.wait("a worker", |harness| harness.worker(id).is_some());
        self.worker(id).unwrap()
    }

    pub(crate) fn wait_exited(&mut self, id: u64) -> ExitStatus {
        self.wait("an exit", |harness| harness.exit_of(id).is_some());
        self.exit_of(id).unwrap()
    }

    /// Waits for a note that begins so.
    pub(crate) fn wait_note(&mut self, start: &str) -> String {
        self.wait(start, |harness| harness.notes_with(start) > 0);
        self.notes.iter().find(|note| note.starts_with(start)).unwrap().clone()
    }

    pub(crate) fn notes_with(&self, start: &str) -> usize {
        self.notes.iter().filter(|note| note.starts_with(start)).count()
    }

    /// Ends the template in good order.
    pub(crate) fn shut_down(&mut self) {
        self.template.shutdown();
        self.wait("the end", |harness| harness.template.poll_fds().count() == 0);
        assert!(self.template.shutdown());
    }

    /// Ends the template; returns how many workers have run and not been waited for.
    pub(crate) fn count_runs(mut self) -> usize {
        self.shut_down();
        let (mut reader, writer) = self.runs;
        drop(writer);
        let mut letters = Vec::new();
        reader.read_to_end(&mut letters).unwrap();
        letters.len()
    }

    fn worker(&self, id: u64) -> Option<Worker> {
        self.workers.iter().find(|worker| worker.id == id).cloned()
    }

    fn exit_of(&self, id: u64) -> Option<ExitStatus> {
        self.exits.iter().find(|(exited, _)| *exited == id).map(|(_, status)| *status)
    }
}

/// A process that acts as a pool, whose offspring to the last generation holds the other end of a
/// pipe as its standard output, or as its descriptor 9.
pub(crate) struct ActingPool {
    pub(crate) child: Child,
    runs: PipeReader,
    offspring: PipeReader,
}

impl ActingPool {
    pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let ((runs, runs_writer), (offspring, offspring_writer)) =
            (pipe().unwrap(), pipe().unwrap());
        let mut program =
            Program { path: actor(), args: vec!["pool".into()], env: None, cwd: None };
        program.args.extend(arguments.iter().map(Into::into));
        program.env = config(variables).env;
        let fds = [(runs_writer.as_fd(), 1), (offspring_writer.as_fd(), 9)];
        let child = spawn_exec(&program, &fds).unwrap();
        Self { child, runs, offspring }
    }

    /// Waits until that many workers run.
    pub(crate) fn wait_running(&mut self, count: usize) {
        read_letters(&mut self.runs, count);
    }

    /// Waits until the process, its template, its workers and theirs are gone.
    pub(crate) fn wait_all_gone(&mut self) -> ExitStatus {
        assert_eq!(poll(&[self.child.pidfd.as_fd()], Some(PATIENCE)).unwrap(), [true]);
        let status = reap(&self.child.pidfd).unwrap();
        // Nobody writes to it: it is ready when the last one who could is gone.
        let gone = poll(&[self.offspring.as_fd()], Some(PATIENCE)).unwrap();
        assert_eq!(gone, [true], "someone outlives the pool");
        status
    }
}

fn read_letters(runs: &mut PipeReader, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    for _ in 0..count {
        let left = deadline.saturating_duration_since(Instant::now());
        assert_eq!(poll(&[runs.as_fd()], Some(left)).unwrap(), [true], "a worker does not run");
        runs.read_exact(&mut [0; 1]).unwrap();
    }
}
