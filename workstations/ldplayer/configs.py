"""Processors and memory of the emulators, which no list tells: they stand in their config files."""

from typing import TYPE_CHECKING

from workstations.powershell import EmulatorConfig as Config
from workstations.powershell import EmulatorConfigs, ask

if TYPE_CHECKING:
    from workstations.winrm import Host

__all__ = ["Config", "read_configs"]

SECONDS = 60.0


def read_configs(host: "Host", *, timeout: float = SECONDS) -> dict[int, Config]:
    """Return the config of each emulator by its index, all read by one script. No query.

    What a config does not say is None: a new one has no processors or memory before its first ``modify``.
    One that can't be read has a ``fault``. Raises what :func:`workstations.powershell.ask` raises.
    """
    answer = ask(host, EmulatorConfigs, timeout=timeout, folder=host.access.ldplayer_folder)
    return {config.index: config for config in answer.configs}
