"""What the database knows of workstations."""

from workstations.models.change import Change
from workstations.models.emulator import Emulator
from workstations.models.workstation import Workstation

__all__ = ["Change", "Emulator", "Workstation"]
