"""Imported before Twisted, keeps it from loading what it needs for TLS: 5 MB that no web worker ever uses.

TLS ends at the reverse proxy. Twisted reckons with a system that has no pyOpenSSL.
"""

import sys

sys.modules.setdefault("OpenSSL", None)  # type: ignore[arg-type]
