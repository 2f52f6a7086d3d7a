"""Which addresses the crawler may connect to."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp.connector import AddrInfoType

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # its last 32 bits are an IPv4 address (RFC 6052)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # nothing else was given out (RFC 4291, 2.4)
_PROTOCOLS = ipaddress.IPv4Network("192.0.0.0/24")  # IETF's; a cloud has its metadata there


class PrivateAddressError(OSError):
    """The address is one that only this machine or its network should reach."""

    def __init__(self) -> None:
        super().__init__("private address")  # always the same: it is then raised as it is


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet.

    An IPv6 address that carries an IPv4 address is as public as that.

    Args:
        address: IPv4 or IPv6, as numbers.

    >>> is_public("1.1.1.1"), is_public("169.254.169.254"), is_public("::ffff:127.0.0.1")
    (True, False, False)
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        carried = ip.ipv4_mapped or ip.sixtofour
        if carried is None and ip in _NAT64:
            carried = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if carried is not None:
            return is_public(str(carried))
        if ip not in _GLOBAL_UNICAST:
            return False
    elif ip in _PROTOCOLS:
        return False
    return ip.is_global and not ip.is_multicast


def public_socket(info: AddrInfoType) -> socket.socket:
    """A socket for a connection to an address that was resolved, if it is public.

    aiohttp calls this for the very address that it then connects to, whatever named it: a host
    name, numbers in the URL, a redirect. So what is checked is what is connected to, and a name
    that resolves anew cannot slip in between.

    Raises:
        PrivateAddressError: It is not.
    """
    family, kind, protocol, _, address = info
    if not is_public(str(address[0])):
        raise PrivateAddressError
    return socket.socket(family, kind, protocol)
