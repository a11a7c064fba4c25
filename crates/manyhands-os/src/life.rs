//! Whether a process that is known by number still lives, asked by somebody who is no relation.
//!
//! A pidfd names a process for ever, but it cannot be kept in shared memory, and ten thousand of them
//! are more than a process may open. What can be kept is a [`Mark`], which fits into a word together
//! with other things: the number, and some bits of the time at which that process started, since a
//! number that is given out again has another one.
//!
//! Death is judged by a pidfd that is opened for the question, never by signal 0, which a zombie
//! passes; only where no pidfd can be had (no descriptors left, an old sandbox) signal 0 is what is
//! left, and then a zombie counts as alive.
//!
//! Opening one and comparing the starting time costs ten microseconds, so [`Acquaintances`] keeps the
//! pidfds of the last few processes that were found alive: the same question again costs one. A kept
//! number can be closed behind our back (a program that becomes a daemon closes them all), and then
//! belongs to another file. So it is only ever believed that a process lives, and only of a number that
//! still is a pidfd; that it is dead is asked anew, and what is no pidfd is not closed.
//!
//! A number means something in one pid namespace only: the caller compares [`own_namespace`] first.
//! In doubt a process is alive: where `/proc` is not there or shows another namespace, a number that
//! was given out again passes for its first owner.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::fs;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use crate::poll::poll;
use crate::process::{PidFd, own_pid, parent_pid};

/// How often [`wait_for_parent`] looks.
const LOOK: Duration = Duration::from_millis(500);

/// Waits until the parent of this process is another than the one with that number: that has died. It looks twice a
/// second, and needs no descriptor, for where a pidfd of it has been closed behind our back.
pub fn wait_for_parent(number: i32) {
    while parent_pid() == number {
        // Without memory to wait with it looks more often.
        let _pause = poll(&[], Some(LOOK));
    }
}

/// What tells a process from others of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its number in its own pid namespace: below 2^22.
    pub pid: i32,
    /// The lower bits of the time at which it started, in the kernel's ticks (there are 100 in a
    /// second), where 0 counts as 1; 0 if the time is unknown.
    pub start: u16,
}

/// The number of the pid namespace of this process; 0 if it is unknown. Not to be kept across a fork.
pub fn own_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |file| file.ino())
}

impl Mark {
    /// This process. Not to be kept across a fork.
    pub fn of_self() -> Self {
        let pid = own_pid();
        // A /proc of another namespace has other numbers, so its times are of no use to anyone.
        let start = started("self").filter(|found| found.pid == pid).map_or(0, |found| found.start);
        Self { pid, start }
    }

    /// Whether `other`, in the same pid namespace, lives, as far as this process, which is `self`, can
    /// know.
    pub fn sees_alive(self, other: Self) -> bool {
        other == self || self.look_at(other).is_alive()
    }

    fn look_at(self, other: Self) -> Look {
        match PidFd::open(other.pid) {
            Ok(pidfd) if pidfd.is_dead() || self.sees_another(other) || pidfd.is_dead() => {
                Look::Dead
            }
            Ok(pidfd) => Look::Alive(pidfd),
            // EINVAL and ENOENT: the number belongs to a thread of somebody else by now.
            Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::SRCH | Errno::INVAL | Errno::NOENT) => Look::Dead,
                _ if exists(other.pid) => Look::InDoubt,
                _ => Look::Dead,
            },
        }
    }

    /// Whether the number of `other` belongs to a process that started at another time.
    fn sees_another(self, other: Self) -> bool {
        if self.start == 0 || other.start == 0 {
            return false;
        }
        started(&other.pid.to_string()).is_some_and(|found| found.start != other.start)
    }
}

/// What was seen of a process.
#[derive(Debug)]
enum Look {
    /// It lives, and this names it for as long as it is open.
    Alive(PidFd),
    /// It lives as far as can be known.
    InDoubt,
    Dead,
}

impl Look {
    fn is_alive(&self) -> bool {
        matches!(self, Self::Alive(_) | Self::InDoubt)
    }
}

/// The processes that were last found alive, with a pidfd of each: at most [`Acquaintances::MOST`].
///
/// It belongs to one process: a forked child calls [`Acquaintances::forget`].
#[derive(Debug, Default)]
pub struct Acquaintances {
    seats: [Option<(Mark, PidFd)>; Self::MOST],
    /// The seat that is given up next.
    next: usize,
}

impl Acquaintances {
    /// How many descriptors it keeps open at most.
    pub const MOST: usize = 8;

    /// As [`Mark::sees_alive`], asked by `me`, and cheap where the answer is yes as it was the last time.
    pub fn sees_alive(&mut self, me: Mark, other: Mark) -> bool {
        if other == me {
            return true;
        }
        let known = |seat: &&mut Option<(Mark, PidFd)>| {
            seat.as_ref().is_some_and(|(mark, _)| *mark == other)
        };
        if let Some(seat) = self.seats.iter_mut().find(known) {
            if seat.as_ref().is_some_and(|(_, pidfd)| lives(pidfd)) {
                return true;
            }
            give_up(seat);
        }
        let look = me.look_at(other);
        let alive = look.is_alive();
        if let Look::Alive(pidfd) = look {
            self.keep(other, pidfd);
        }
        alive
    }

    fn keep(&mut self, mark: Mark, pidfd: PidFd) {
        let empty = self.seats.iter().position(Option::is_none);
        let place = empty.unwrap_or(self.next);
        self.next = (place + 1) % Self::MOST;
        give_up(&mut self.seats[place]);
        self.seats[place] = Some((mark, pidfd));
    }

    /// Closes what is kept of those that have died since.
    pub fn forget_the_dead(&mut self) {
        for seat in &mut self.seats {
            if seat.as_ref().is_some_and(|(_, pidfd)| !lives(pidfd)) {
                give_up(seat);
            }
        }
    }

    /// Closes what is kept.
    pub fn forget(&mut self) {
        self.seats.iter_mut().for_each(give_up);
    }
}

/// Whether the process of a kept pidfd lives, as far as that one can tell.
fn lives(pidfd: &PidFd) -> bool {
    pidfd.is_open() && !pidfd.is_dead()
}

/// Closes a pidfd, unless somebody else has: then the number is another file's.
fn give_up(seat: &mut Option<(Mark, PidFd)>) {
    if let Some((_, pidfd)) = seat.take()
        && !pidfd.is_open()
    {
        let _anothers = OwnedFd::from(pidfd).into_raw_fd();
    }
}

impl Drop for Acquaintances {
    fn drop(&mut self) {
        self.forget();
    }
}

/// Whether there is a process, or a zombie, with that number.
fn exists(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

/// What `/proc/<who>/stat` says of a process: `pid (name) state ppid ... start ...`, where the name
/// may hold anything.
fn started(who: &str) -> Option<Mark> {
    /// The place of the starting time behind the name.
    const START: usize = 19;
    let text = fs::read(format!("/proc/{who}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let pid = text.split(' ').next()?.parse().ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let start: u64 = rest.split(' ').nth(START)?.parse().ok()?;
    Some(Mark { pid, start: fold(start) })
}

/// The lower bits, never 0.
fn fold(start: u64) -> u16 {
    u16::try_from(start & u64::from(u16::MAX)).unwrap_or(0).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::{AsFd, AsRawFd, RawFd};
    use std::process::{Child, Command};

    #[test]
    fn this_process_lives() {
        let me = Mark::of_self();
        assert!(me.start > 0 && own_namespace() > 0);
        assert!(me.sees_alive(me));
        assert!(me.sees_alive(Mark { start: 0, ..me }));
    }

    #[test]
    fn a_zombie_and_a_reaped_process_are_dead() {
        let me = Mark::of_self();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let other = started(&child.id().to_string()).unwrap();
        assert!(me.sees_alive(other));
        child.kill().unwrap();
        let pidfd = PidFd::open(other.pid).unwrap();
        crate::poll::poll(&[pidfd.as_fd()], None).unwrap();
        assert!(!me.sees_alive(other), "a zombie");
        child.wait().unwrap();
        assert!(!me.sees_alive(other), "reaped");
    }

    #[test]
    fn a_number_that_was_given_out_again_is_someone_else() {
        let me = Mark::of_self();
        assert!(!me.sees_alive(Mark { start: me.start ^ 2, ..me }));
    }

    #[test]
    fn the_number_of_a_thread_is_no_process() {
        let me = Mark::of_self();
        let thread = std::thread::spawn(|| rustix::thread::gettid().as_raw_nonzero().get());
        let pid = thread.join().unwrap();
        assert!(!me.sees_alive(Mark { pid, start: 0 }));
        assert!(!me.sees_alive(Mark { pid: (1 << 22) - 1, start: 0 }));
    }

    fn sleeper() -> (Child, Mark) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let mark = started(&child.id().to_string()).unwrap();
        (child, mark)
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn kept(all: &Acquaintances) -> Vec<RawFd> {
        all.seats.iter().flatten().map(|(_, pidfd)| pidfd.as_fd().as_raw_fd()).collect()
    }

    #[test]
    fn an_acquaintance_is_asked_by_the_same_descriptor_until_it_is_dead() {
        let (me, mut all) = (Mark::of_self(), Acquaintances::default());
        let (mut child, other) = sleeper();
        assert!(all.sees_alive(me, me) && kept(&all).is_empty());
        assert!(all.sees_alive(me, other));
        let before = kept(&all);
        assert!(all.sees_alive(me, other));
        assert_eq!((before.len(), kept(&all)), (1, before));
        child.kill().unwrap();
        crate::poll::poll(&[PidFd::open(other.pid).unwrap().as_fd()], None).unwrap();
        all.forget_the_dead();
        assert!(kept(&all).is_empty(), "a zombie");
        assert!(!all.sees_alive(me, other));
        child.wait().unwrap();
        assert!(!all.sees_alive(me, other) && kept(&all).is_empty());
    }

    #[test]
    fn descriptors_are_bounded_and_stay_with_this_program() {
        let (me, mut all) = (Mark::of_self(), Acquaintances::default());
        let sleepers: Vec<_> = (0..Acquaintances::MOST + 3).map(|_| sleeper()).collect();
        for (_, other) in sleepers.iter().chain(&sleepers) {
            assert!(all.sees_alive(me, *other));
        }
        let mut numbers = kept(&all);
        assert_eq!(numbers.len(), Acquaintances::MOST);
        for (_, pidfd) in all.seats.iter().flatten() {
            let flags = rustix::io::fcntl_getfd(pidfd.as_fd()).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
        all.forget();
        assert!(kept(&all).is_empty());
        numbers.dedup();
        assert_eq!(numbers.len(), Acquaintances::MOST);
        for (child, _) in sleepers {
            end(child);
        }
    }

    #[test]
    fn a_number_that_was_closed_behind_our_back_is_not_believed_and_not_closed() {
        let (me, mut all) = (Mark::of_self(), Acquaintances::default());
        let (child, other) = sleeper();
        assert!(all.sees_alive(me, other));
        // The number becomes that of a socket that is readable, as the pidfd of a dead process is.
        let (ours, theirs) = crate::socket::pair().unwrap();
        drop(theirs);
        let seat = all.seats.iter_mut().find(|seat| seat.is_some()).unwrap();
        let mut number = OwnedFd::from(seat.take().unwrap().1);
        rustix::io::dup2(&ours, &mut number).unwrap();
        let name = format!("/proc/self/fd/{}", number.as_raw_fd());
        *seat = Some((other, PidFd::from_fd(number)));
        assert!(all.sees_alive(me, other));
        assert!(fs::read_link(name).unwrap().to_string_lossy().starts_with("socket:"));
        end(child);
        assert!(!all.sees_alive(me, other));
    }
}
