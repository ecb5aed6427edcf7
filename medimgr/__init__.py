"""medimgr: a service manager for operators of on-premise systems."""

__version__ = "0.1.0"
