"""The operations on workstations. The operations worker carries them out."""


def register_kinds() -> None:
    """Declare the kinds."""
