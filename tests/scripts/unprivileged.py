"""Runs a script as a user whom limits bind: `unprivileged.py SCRIPT ARGUMENTS...`

The kernel does not hold root to RLIMIT_NPROC. Started by root, this changes to a user of its own,
who has no other process, and keeps of root's rights only that of reading any file, so that the
interpreter can be anywhere. Started by anybody else it changes nothing.
"""

import ctypes
import os
import sys

KEEP_CAPS, AMBIENT, RAISE = 8, 47, 2
READ_ANYTHING = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
VERSION_3 = 0x20080522


class Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class Sets(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable"))


def become_somebody():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(KEEP_CAPS, 1, 0, 0, 0)
    user = 100_000 + os.getpid()
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    header, sets = Header(VERSION_3, 0), (Sets * 2)()
    libc.capget(ctypes.byref(header), sets)
    kept = sets[0].permitted & sum(1 << number for number in READ_ANYTHING)
    for half, value in zip(sets, (kept, 0), strict=True):
        half.effective = half.permitted = half.inheritable = value
    if libc.capset(ctypes.byref(header), sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    for number in READ_ANYTHING:
        libc.prctl(AMBIENT, RAISE, number, 0, 0)


if __name__ == "__main__":
    if os.getuid() == 0:
        become_somebody()
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])  # noqa: S606 - what the test gives
