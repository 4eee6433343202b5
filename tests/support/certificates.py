"""Certificates for servers of the tests, made when they run: one that is checked in expires."""

from __future__ import annotations

from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key


def server_files(folder: Path, ca: trustme.CA) -> tuple[Path, Path]:
    """A PEM file with a loopback server's key and certificate, and one with the authority's certificate."""
    folder.mkdir(parents=True, exist_ok=True)
    ca_file, key_file = folder / "ca.pem", folder / "node.pem"
    ca.cert_pem.write_to_path(ca_file)
    node = ca.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    key = load_pem_private_key(node.private_key_pem.bytes(), None)
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # the one form that Java reads
    key_file.write_bytes(plain + b"".join(one.bytes() for one in node.cert_chain_pems))
    return key_file, ca_file


def client_file(folder: Path, ca: trustme.CA, name: str = "client") -> Path:
    """A PEM file with a client's key and certificate."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.pem"
    ca.issue_cert(f"{name}.test").private_key_and_cert_chain_pem.write_to_path(file)
    return file
