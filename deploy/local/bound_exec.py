"""Become a command that is told to stop when the process that started it dies.

    python -I -S bound_exec.py PARENT_PID COMMAND...

Called by `process.spawn`. A small program of its own and not a `preexec_fn`,
because Python code between fork and exec can deadlock in a process with threads.
On systems without `prctl` it only becomes the command.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1
EXIT_ORPHAN = 77

if __name__ == "__main__":
    parent_pid = int(sys.argv[1])
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        # The parent may have died before the call: then no signal would ever come.
        if os.getppid() != parent_pid:
            sys.exit(EXIT_ORPHAN)
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command comes from our own code
