"""Whether a page can listen where it is asked to, found out before the library is loaded that would."""

from __future__ import annotations

import errno
import socket

from ..errors import LensError


def check_listening(host: str, port: int | None) -> None:
    """Nothing, where this machine has that address, and the port is free.

    Args:
        host: Name or number of an address.
        port: Or None for any that is free.

    Raises:
        LensError: It is not so.

    Example:
        >>> check_listening("127.0.0.1", None)
        >>> check_listening("192.0.2.1", 7860)  # which is nobody's
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: cannot listen on 192.0.2.1: it is no address of this machine; try another --host
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):  # a name that is too long is the latter
        raise LensError(
            f"cannot listen on {host}: no address of that name; try another --host"
        ) from None
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise LensError(
                f"cannot listen on {host}: it is no address of this machine; try another --host"
            ) from None
        raise not_listening(host, port, error) from None


def not_listening(host: str, port: int | None, error: OSError) -> LensError:
    """In the system's words, or in none: a library's are about the library.

    Example:
        >>> print(not_listening("127.0.0.1", 80, PermissionError(13, "Permission denied")))
        cannot listen on 127.0.0.1:80: Permission denied; try another --port
    """
    why = f": {error.strerror}" if error.strerror else ""
    at = host if port is None else f"{host}:{port}"
    return LensError(f"cannot listen on {at}{why}; try another --port")
