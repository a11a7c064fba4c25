"""A shell with job control for one command, to test what the keys of a terminal do.

    python job_shell.py REPORT_FD ORDER_FD COMMAND...

It leads a session whose terminal is its standard input, runs the command as a foreground job, and
writes `stopped`, `continued` or `ended CODE` to REPORT_FD. After `stopped` it waits for a line on
ORDER_FD and then continues the job in the foreground, as `fg` does.
"""

import contextlib
import fcntl
import os
import resource
import signal
import sys
import termios

OF_THE_JOB = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTOU)


def run_job(command):
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        for number in OF_THE_JOB:
            signal.signal(number, signal.SIG_DFL)
        os.execv(command[0], command)  # noqa: S606 - the arguments are the test's
    with contextlib.suppress(PermissionError):  # the child has done it, and is the command by now
        os.setpgid(pid, pid)
    return pid


def main():
    report, order, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    for fd in (report, order):
        os.set_inheritable(fd, False)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    attributes = termios.tcgetattr(0)
    # The kernel takes in a key a moment later, and would throw away what was printed until then.
    attributes[3] = attributes[3] & ~termios.ECHO | termios.NOFLSH
    termios.tcsetattr(0, termios.TCSANOW, attributes)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whoever runs the tests by `nohup` has it ignored, and so would everybody here.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for number in OF_THE_JOB:
        signal.signal(number, signal.SIG_IGN)
    job = run_job(command)
    while True:
        _, status = os.waitpid(job, os.WUNTRACED)
        os.tcsetpgrp(0, os.getpgrp())
        if not os.WIFSTOPPED(status):
            os.write(report, f"ended {os.waitstatus_to_exitcode(status)}\n".encode())
            return
        os.write(report, b"stopped\n")
        os.read(order, 100)
        os.tcsetpgrp(0, job)
        os.killpg(job, signal.SIGCONT)
        os.write(report, b"continued\n")


main()
