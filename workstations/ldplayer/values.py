"""What ldconsole takes for processors, memory and resolution. The rest it refuses, or ignores."""

from dataclasses import dataclass

PROCESSORS = (1, 2, 3, 4)
MEMORY_MB = (256, 512, 768, 1024, 1536, 2048, 4096, 8192)
SMALLEST_SIDE, LARGEST_SIDE = 100, 7680
SMALLEST_DPI, LARGEST_DPI = 60, 960


@dataclass(frozen=True, slots=True)
class Resolution:
    """Of an emulator's screen, in pixels and dots per inch."""

    width: int
    height: int
    dpi: int

    def __str__(self) -> str:
        """Return it as ldconsole takes it."""
        return f"{self.width},{self.height},{self.dpi}"


def processors_fault(count: int) -> str:
    """Return what is wrong with ``count`` processors, in one sentence; empty: nothing. Pure."""
    return "" if count in PROCESSORS else f"An emulator has {_listed(PROCESSORS)} processors, not {count}."


def memory_fault(megabytes: int) -> str:
    """Return what is wrong with ``megabytes`` of memory, in one sentence; empty: nothing. Pure."""
    if megabytes in MEMORY_MB:
        return ""
    return f"An emulator has {_listed(MEMORY_MB)} MB of memory, not {megabytes}."


def resolution_fault(wanted: Resolution) -> str:
    """Return what is wrong with a resolution, in one sentence; empty: nothing. Pure."""
    for name, side in (("width", wanted.width), ("height", wanted.height)):
        if not SMALLEST_SIDE <= side <= LARGEST_SIDE:
            return f"The {name} is between {SMALLEST_SIDE} and {LARGEST_SIDE} pixels, not {side}."
    if not SMALLEST_DPI <= wanted.dpi <= LARGEST_DPI:
        return f"The density is between {SMALLEST_DPI} and {LARGEST_DPI} dots per inch, not {wanted.dpi}."
    return ""


def _listed(values: tuple[int, ...]) -> str:
    return f"{', '.join(map(str, values[:-1]))} or {values[-1]}"
