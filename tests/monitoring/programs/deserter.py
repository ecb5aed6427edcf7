"""Leaves a child in a process group of its own and without its environment, and ends as soon as that is so.

Writes the child's pid. Nothing but the session tells whose the child is, and that for as long as the
leader's pid is taken.
"""

import os
import sys


def main() -> None:
    """Start the child, wait until it has forgotten where it came from, and end."""
    until_exec, in_child = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.execve("/bin/sleep", ["sleep", "60"], {})
    os.close(in_child)
    os.read(until_exec, 1)  # closed by the exec
    print(child, flush=True)
    sys.exit(int(sys.argv[1]))


main()
