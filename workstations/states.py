"""The words for what a workstation and an emulator are in. Imports nothing of ours."""

from django.db.models import TextChoices


class Reachability(TextChoices):
    """What the last look at a workstation said."""

    UNKNOWN = "unknown"
    ONLINE = "online"
    OFFLINE = "offline"
    """Nobody answers there."""
    ERROR = "error"
    """It answers, but can't be worked with; or the look itself was not possible."""


class EmulatorState(TextChoices):
    """What the last reading of a workstation's list said about an emulator."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    ZOMBIE = "zombie"
    """It calls itself started, but has no virtual machine; or has one and calls itself stopped."""
    UNKNOWN = "unknown"
    """Its workstation has not been read lately."""


class Auth(TextChoices):
    """How medimgr proves to a workstation who it is. Never Basic, which sends the password."""

    NTLM = "ntlm", "NTLM"
    KERBEROS = "kerberos", "Kerberos"


class Launch(TextChoices):
    """How an emulator is started."""

    TASK = "task", "Interactive scheduled task"
    """On the desktop of who is logged on: what comes in by WinRM has none (session 0)."""
    DIRECT = "direct", "Directly"
    """By ldconsole itself, for hosts where that is seen to work."""
