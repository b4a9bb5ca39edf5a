"""What pip was told about where packages are and how to get there, as variables of uv, which reads nothing of pip's.

``eval "$(python tests/uv_settings.py)"``; variables that are set already stay. Needs nothing but an environment's pip.
"""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
import sys

SECTIONS = ("global", "install", ":env:")
"""The later one decides."""
# lists are those of pip, whose items are divided by white space, and what uv divides them by
VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "constraint": "UV_CONSTRAINT",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
DIVIDED_BY_COMMAS = {"UV_FIND_LINKS"}
ALWAYS = {
    "UV_INDEX_STRATEGY": "unsafe-best-match",  # the newest of all indexes, as pip takes it
    "UV_PYTHON_DOWNLOADS": "never",
}
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""pip trusts these certificates where it is told of no others."""


def settings(listed: str, environment: dict[str, str]) -> dict[str, str]:
    """Variables for uv.

    Args:
        listed: What ``pip config list`` printed.
        environment: Whose variables stay as they are.
    """
    lines = [line.partition("=") for line in listed.splitlines() if "=" in line]
    given = [(*name.rpartition(".")[::2], value) for name, _, value in lines]
    found = dict(ALWAYS)
    if bundle := next((environment[name] for name in BUNDLES if environment.get(name)), ""):
        found["SSL_CERT_FILE"] = bundle
    for section in SECTIONS:
        for where, name, value in given:
            if where == section and (variable := VARIABLES.get(name)):
                divider = "," if variable in DIVIDED_BY_COMMAS else " "
                found[variable] = divider.join(str(ast.literal_eval(value)).split())
    return {name: value for name, value in found.items() if not environment.get(name)}


def main() -> None:
    """Print them as a shell reads them."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for name, value in settings(listed, dict(os.environ)).items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


if __name__ == "__main__":
    main()
