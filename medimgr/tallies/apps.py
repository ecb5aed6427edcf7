"""Counts that survive the processes that counted, and what each process says of itself."""

from django.apps import AppConfig


class TalliesConfig(AppConfig):
    """Two tables for monitoring. Nobody is shown their rows but by way of /metrics."""

    name = "medimgr.tallies"
    label = "tallies"
