"""What whoever sits at the shell is called."""

import os
import pwd


def shell_name() -> str:
    """Return the login name of this process's account, with whom it acts for under sudo.

    The account comes from the kernel, not from the environment, which anybody may set.
    """
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # an account without a name, as containers have
        name = f"uid {os.getuid()}"
    behind = os.environ.get("SUDO_USER", "")
    if behind and os.getuid() == 0 and behind != name:
        name = f"{name} (sudo by {behind})"
    return name[:150]
