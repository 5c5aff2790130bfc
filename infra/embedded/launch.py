"""Becomes another program, tied to the life of the process that started it.

Run as `python -I -S launch.py PARENT SIGNAL IDENTITY PROGRAM ARGUMENT…`, stdlib only. Doing this in
a small program of its own, rather than between fork and exec, is safe whatever threads the starter
has.

SIGNAL is what the program gets when PARENT dies, whatever killed it (Linux; elsewhere nothing). It
may come several times within microseconds: the program is handed on from thread to thread of PARENT
as they end one after the other, and is told each time.
IDENTITY is who the program believes to be:

- `same`: the same user.
- `namespace:UID`: the same user, seen as UID inside a user namespace of its own. PostgreSQL refuses
  to run as root; this way it need not, and still owns root's files.
- `uid:UID`: that user, which must own the files, and which can enter folders only root can enter.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CLONE_NEWUSER = 0x10000000
CAP_DAC_OVERRIDE = 1
LINUX_CAPABILITY_VERSION_3 = 0x20080522


def main(parent: int, number: int, identity: str, command: list[str]) -> None:
    """Never returns: the process is the program from here on."""
    # Python would only take note of a SIGINT, and forget it as it becomes the program.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    kind, _, user = identity.partition(":")
    if kind == "namespace":
        enter_namespace(int(user))
    elif kind == "uid":
        become(int(user))
    if sys.platform == "linux":
        # After any change of identity, because that clears it.
        check(libc().prctl(PR_SET_PDEATHSIG, number, 0, 0, 0))
    if os.getppid() != parent:
        sys.exit("The process that started this one has already ended.")
    os.execv(command[0], command)  # noqa: S606 - a shell is what this avoids


def enter_namespace(seen_as: int) -> None:
    """Moves into a user namespace in which this user has another number."""
    user, group = os.geteuid(), os.getegid()
    check(libc().unshare(CLONE_NEWUSER))
    process = Path("/proc/self")
    (process / "setgroups").write_text("deny")
    (process / "uid_map").write_text(f"{seen_as} {user} 1")
    (process / "gid_map").write_text(f"{seen_as} {group} 1")


def become(user: int) -> None:
    """Turns into an unprivileged user that may still enter every folder, and nothing else."""
    # Otherwise the change of user drops every capability, and access(2), by which initdb looks for
    # its other programs, goes by the user alone.
    check(libc().prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    header = (ctypes.c_uint32 * 2)(LINUX_CAPABILITY_VERSION_3, 0)
    only = 1 << CAP_DAC_OVERRIDE
    data = (ctypes.c_uint32 * 6)(only, only, only, 0, 0, 0)
    check(libc().capset(header, data))
    check(libc().prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0))


def libc() -> ctypes.CDLL:
    """The C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


def check(result: int) -> None:
    """Raises what the system call complains about."""
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
