"""One request and its answer over HTTP: one deadline for all of it, a size for everything, no redirects.

Owns what is sent and taken, and the words of what goes wrong. Knows no models
and no tensors.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeadlineError, InfraError, ProtocolError
from pytest_edgedevice.goldens.servers.oip.connection import Connection, Cut

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.goldens.servers.oip.address import Address

CHUNK_BYTES = 1 << 20
SHOWN = 300  # characters of a foreign text


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: a whole body, however it was framed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def exchange(
    address: Address,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str],
    timeout_s: float,
    most_bytes: int,
) -> Reply:
    """Send one request, and read its answer to the end.

    Args:
        address: Host, port and whether it is encrypted.
        method: ``GET`` or ``POST``.
        path: Path on the server.
        body: What is sent.
        headers: Headers besides those that frame the body.
        timeout_s: Deadline of everything together, finding the host included.
        most_bytes: Largest body that is taken.

    Returns:
        The answer, keys of its headers in small letters; also of errors, but no redirect.

    Raises:
        InfraError: It cannot be reached or trusted, or the answer is a redirect.
        DeadlineError: The deadline came first.
        ProtocolError: The answer is no HTTP, is cut off or is too large.
    """
    where = f"{address.scheme}://{address.host}:{address.port}"
    cut = Cut(timeout_s)
    connection = Connection(address, cut)
    try:
        with cut:
            reply = _exchange(connection, method, path, body=body, headers=headers, most_bytes=most_bytes)
    except (OSError, http.client.HTTPException, ValueError, InfraError) as error:
        if not cut.reached:
            raise _worded(error, where) from error
    finally:
        connection.close()
    if cut.reached:  # also where the cut looked like the end of a body
        raise DeadlineError(
            f"{where} did not finish its answer to {method} {path} within {timeout_s:g} s",
            hint="see whether the server is busy, or allow it more with --timeout SECONDS",
        )
    return reply


def _exchange(
    connection: Connection,
    method: str,
    path: str,
    *,
    body: bytes | None,
    headers: Mapping[str, str],
    most_bytes: int,
) -> Reply:
    # a server may refuse what is too large while it is still being sent: its answer says more than the broken pipe
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.request(method, path, body=body, headers={**headers, "Accept-Encoding": "identity"})
    with connection.getresponse() as response:
        found = {name.lower(): value for name, value in response.getheaders()}
        if 300 <= response.status < 400:
            target = cleaned(found.get("location", ""))
            raise InfraError(
                f"{connection.where} sends elsewhere: status {response.status}, {target!r}",
                hint="redirects are not followed, for the inputs would follow; name the right address yourself",
            )
        if found.get("content-encoding", "identity").lower() != "identity":
            raise ProtocolError(f"its answer is packed ({cleaned(found['content-encoding'])}), which was not asked for")
        return Reply(response.status, found, _body(response, most_bytes))


def _body(response: http.client.HTTPResponse, most_bytes: int) -> bytes:
    announced = response.length
    if announced is not None and announced > most_bytes:
        raise ProtocolError(f"its answer has {announced} bytes; at most {most_bytes} are taken")
    parts: list[bytes] = []
    size = 0
    while part := response.read(min(CHUNK_BYTES, most_bytes + 1 - size)):
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            raise ProtocolError(f"its answer has more than {most_bytes} bytes, which is the most that is taken")
    if announced is not None and size != announced:
        raise ProtocolError(f"its answer ends after {size} of {announced} bytes")
    return b"".join(parts)


def cleaned(text: str) -> str:
    """A foreign text for a message: one line, printable, without tags, cut."""
    plain = re.sub(r"<(script|style).*?</\1\s*>|<[^<>]*>", " ", text[: 100 * SHOWN], flags=re.DOTALL | re.IGNORECASE)
    words = " ".join("".join(sign if sign.isprintable() else " " for sign in plain).split())
    return words if len(words) <= SHOWN else f"{words[: SHOWN - 3]}..."


def _worded(error: Exception, where: str) -> InfraError:
    if isinstance(error, ProtocolError):
        return ProtocolError(f"{where}: {error.message}", hint=error.hint)
    if isinstance(error, InfraError):
        return error
    if isinstance(error, ssl.SSLCertVerificationError):
        return InfraError(
            f"{where}: its certificate is not accepted: {cleaned(error.verify_message)}",
            hint="if it is your own authority's, name that authority's file in SSL_CERT_FILE",
        )
    if isinstance(error, http.client.HTTPException | ValueError):
        what = cleaned(str(error)) or type(error).__name__
        return ProtocolError(f"{where} speaks no proper HTTP: {what}", hint="is that the server's HTTP port?")
    text = cleaned(error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    return InfraError(f"{where} cannot be reached: {text}", hint="see whether the server runs, and its host and port")
