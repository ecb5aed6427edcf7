"""What a workstation said of its system, in words. Pure."""

from workstations.powershell import SystemInfo


def gigabytes(size: int) -> str:
    """Return bytes as Windows writes them: ``12.3 GB``, by 1024. Pure."""
    return f"{size / 2**30:.1f} GB"


def in_words(system: SystemInfo) -> list[str]:
    """Return what the workstation said as lines for people. Pure."""
    load = "" if system.cpu.load_percent is None else f", {system.cpu.load_percent} % busy"
    people = system.sessions
    return [
        f"{system.computer}: {system.os.name} {system.os.version}, running since "
        f"{system.os.booted_at:%Y-%m-%d %H:%M} UTC",
        f"{system.cpu.model}: {system.cpu.cores} cores, {system.cpu.threads} threads{load}",
        f"Memory: {gigabytes(system.memory.free_bytes)} of {gigabytes(system.memory.total_bytes)} free",
        *(
            f"Disk {disk.name} {gigabytes(disk.free_bytes)} of {gigabytes(disk.total_bytes)} free"
            for disk in system.disks
        ),
        "Who is logged on is not known"
        if people is None
        else f"Logged on: {', '.join(sorted({one.user for one in people})) or 'nobody'}",
    ]
