"""Runs programs on workstations over WinRM: one session per thread, under deadlines and cancels of our own.

``connect`` gives a Host, ``reach`` one behind the workstation's circuit breaker. pypsrp is imported where
somebody connects: web workers never load it.
"""

from workstations.winrm.host import Host, Output, connect

__all__ = ["Host", "Output", "connect"]
