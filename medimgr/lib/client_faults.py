"""Has the log tell a client's mistake as what it is: one line, no error of ours, no traceback."""

import logging


class Refusals(logging.Filter):
    """Takes the traceback from answers below 500: a refusal is meant, and its path is told."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change ``record`` and let it pass."""
        if getattr(record, "status_code", 500) < 500:
            record.exc_info = record.exc_text = None
        return True


class ClientFaults(logging.Filter):
    """Turns the records of a logger into warnings without a traceback. For loggers of clients' mistakes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change ``record`` and let it pass."""
        if record.levelno > logging.WARNING:
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        record.exc_info = record.exc_text = None
        return True
