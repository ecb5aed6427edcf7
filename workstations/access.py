"""All that is needed to reach a workstation, away from the database."""

from dataclasses import dataclass, field

from workstations.states import Auth, Launch


@dataclass(frozen=True, slots=True)
class Access:
    """How a workstation is reached. The password is in no ``repr``."""

    workstation_id: int
    name: str
    host: str
    port: int
    tls: bool
    ca_certificates: str
    """PEM; empty: the system's."""
    auth: Auth
    username: str
    password: str = field(repr=False)
    ldconsole_path: str
    code_page: str
    """A Python codec for output that is neither UTF-8 nor GBK; empty: none."""
    launch: Launch
    desktop_user: str
    """Whose desktop emulators are started on."""
    boot_seconds: int
    """How long an emulator may take to start."""

    @property
    def ldplayer_folder(self) -> str:
        """Return the folder that ldconsole is in, as Windows writes it, without a slash at its end."""
        return self.ldconsole_path.replace("/", "\\").rpartition("\\")[0]
