"""Encryption: whose certificate is trusted, and what is said of others. The key below opens nothing."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import InfraError
from pytest_edgedevice.goldens.servers.oip import OpenInferenceServer
from tests.peers.oip_server import OipServer

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

# self-signed for localhost, valid for a hundred years: openssl req -x509 -newkey ec -subj /CN=localhost ...
PEM = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg987vnHioZDBmwOlp
VtlcNUd4Glx1I34EOjW2Tc4lEVChRANCAATLHy1SWs8/+PW8k4VoIJbf+yIWjUL5
DuDHJHy48/ydWw0YSVgyPjeu36iO/PQdEszL4JIyhmiWlEdUbteT9YrW
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBlDCCATugAwIBAgIUGF8gkU7LGiE/qXxEKIwuQq+A+NswCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjEzMzAyM1oYDzIxMjYxMDI5
MTMzMDIzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATLHy1SWs8/+PW8k4VoIJbf+yIWjUL5DuDHJHy48/ydWw0YSVgyPjeu
36iO/PQdEszL4JIyhmiWlEdUbteT9YrWo2kwZzAdBgNVHQ4EFgQUgBVW/CkgWoVW
TzgMuDtbFVi9KrkwHwYDVR0jBBgwFoAUgBVW/CkgWoVWTzgMuDtbFVi9KrkwDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
RwAwRAIgPX+i9JKdYvvQJuyT5gsNRjzico6oT6Je7SlMCZLgNCUCIDaJbWQVrtsR
uIu4C/HiiM3vtZ0jpNQTISx7qQcP2wY2
-----END CERTIFICATE-----
"""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    file = tmp_path / "server.pem"
    file.write_text(PEM)
    return file


@pytest.fixture
def server(certificate: Path) -> Iterator[OipServer]:
    one = OipServer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    plainly = one._one

    def encrypted(connection: socket.socket) -> None:
        try:
            plainly(context.wrap_socket(connection, server_side=True))
        except OSError:
            connection.close()

    one._one = encrypted  # type: ignore[method-assign]
    yield one
    one.close()


def test_a_certificate_of_nobody_known_is_refused(server: OipServer) -> None:
    with pytest.raises(InfraError, match="certificate is not accepted: self-signed") as caught:
        OpenInferenceServer(f"https://localhost:{server.port}/v2/models/model")
    assert "SSL_CERT_FILE" in caught.value.hint
    assert server.requests == []


def test_an_authority_of_ones_own_is_named_by_the_environment(
    server: OipServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    opened = OpenInferenceServer(f"https://localhost:{server.port}/v2/models/model")
    assert opened.outputs[0].name == "y"


def test_a_certificate_for_another_name_is_refused(
    server: OipServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(InfraError, match=r"certificate is not accepted: .*not valid for '127\.0\.0\.1'"):
        OpenInferenceServer(f"https://127.0.0.1:{server.port}/v2/models/model")
