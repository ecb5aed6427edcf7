"""What is counted of looks at workstations, for good."""

from medimgr.tallies.counting import Durations

CONNECTED = Durations(
    "medimgr_workstation_connect_seconds",
    "Looks at workstations: the connect to the WinRM port, the look-up of the name included.",
    ("result",),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
ANSWERED, FAILED = RESULTS = ("answered", "failed")
