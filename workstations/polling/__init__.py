"""Looks after the workstations without being asked: who answers, and what the emulators are in."""
