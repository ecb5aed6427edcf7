"""Whose request it is: the peer's address, or what proxies that we know say about it. Pure.

``X-Forwarded-For`` grows to the right: each proxy appends the address it was asked from. So it is read from
the right for as long as known proxies speak; whatever stands further left anybody may have written.
"""

import ipaddress
from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(names: Iterable[str]) -> tuple[Network, ...]:
    """Return addresses (``10.0.0.7``) and networks (``10.0.0.0/24``). Raises ValueError naming a bad one."""
    return tuple(ipaddress.ip_network(name) for name in names)


def client_address(peer: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """Return the address of the client behind a request that came from ``peer``.

    ``forwarded`` is the value of ``X-Forwarded-For``, empty for none. Of what is no address, and of what lies
    beyond, nothing is believed. Never raises.
    """
    known = as_address(peer)
    if known is None:
        return peer
    for hop in reversed(forwarded.split(",")):
        if not is_among(str(known), proxies):
            break
        behind = as_address(hop.strip())
        if behind is None:
            break
        known = behind
    return str(known)


def is_among(peer: str, proxies: Sequence[Network]) -> bool:
    """Return whether ``peer`` is one of the proxies that we know. Never raises."""
    known = as_address(peer)
    return known is not None and any(known in one for one in proxies if one.version == known.version)


def as_address(text: str) -> Address | None:
    """Return the address in ``text``, which may name a port: some proxies append it."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
