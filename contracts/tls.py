"""TLS from files in PEM, as settings name them; what is wrong with one is told by the setting's name."""

from __future__ import annotations

import ssl


class BadFile(ValueError):
    """A file that cannot be used. The text names the setting."""


def tls_context(group: str, *, ca_file: str, cert_file: str, key_file: str, verify_host: bool) -> ssl.SSLContext:
    """For a client, the files read anew; with the system's own authorities without `ca_file`. Raises `BadFile`.

    `group` is what these settings are called in messages.
    """
    context = ssl.create_default_context(cafile=_readable(f"{group}.ca_file", ca_file))
    context.check_hostname = verify_host
    if cert_file:
        cert, key = _readable(f"{group}.cert_file", cert_file), _readable(f"{group}.key_file", key_file)
        try:
            context.load_cert_chain(cert or "", key, password="")  # without one OpenSSL would ask at the terminal
        except ssl.SSLError:
            raise BadFile(f"{group}.cert_file, {group}.key_file: no certificate and its key in PEM, without a password") from None
    return context


def _readable(setting: str, path: str) -> str | None:
    if not path:
        return None
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - ssl wants a name, and tells none when it fails
            if b"-----BEGIN" not in file.read():
                raise BadFile(f"{setting}: not a file in PEM")
    except OSError as error:
        raise BadFile(f"{setting}: {error.strerror}") from None
    return path
