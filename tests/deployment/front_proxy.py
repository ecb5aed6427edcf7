"""A real nginx with the configuration of docs/deploy/nginx.conf, in front of a real medimgr."""

import datetime
import shutil
import ssl
import subprocess
from pathlib import Path

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.running import ROOT, accepts_connections, free_port, wait_for

EXAMPLE = ROOT / "docs" / "deploy" / "nginx.conf"
NAME = "medimgr.example.org"
BINARY = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
_AROUND = """
daemon off;
master_process on;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log info;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/medimgr.conf;
}}
"""


def certificate(directory: Path) -> None:
    """Write a key and a certificate for NAME that nobody but the tests believes."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (directory / "fullchain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


class FrontProxy:
    """nginx on ports of the test's own; nothing else of the example is changed."""

    def __init__(self, directory: Path, server: int) -> None:
        """Prepare it in ``directory``, in front of the port ``server`` of loopback."""
        assert BINARY is not None
        self.directory = directory
        self.plain, self.secure = free_port(), free_port()
        directory.mkdir()
        # nginx' workers are another user where root starts it.
        for above in (directory, *list(directory.parents)[:3]):
            above.chmod(0o755)
        certificate(directory)
        text = EXAMPLE.read_text(encoding="utf-8")
        for old, new in (
            ("listen [::]:80;", ""),
            ("listen [::]:443 ssl http2;", ""),
            ("listen 80;", f"listen 127.0.0.1:{self.plain};"),
            ("listen 443 ssl http2;", f"listen 127.0.0.1:{self.secure} ssl http2;"),
            ("server 127.0.0.1:8000;", f"server 127.0.0.1:{server};"),
            ("/etc/ssl/medimgr/", f"{directory}/"),
        ):
            assert old in text, old
            text = text.replace(old, new)
        (directory / "medimgr.conf").write_text(text, encoding="utf-8")
        (directory / "nginx.conf").write_text(_AROUND.format(directory=directory), encoding="utf-8")
        self._arguments = [BINARY, "-p", str(directory), "-c", str(directory / "nginx.conf")]
        self._process: subprocess.Popen[bytes] | None = None

    def check(self) -> "subprocess.CompletedProcess[str]":
        """Have nginx read the configuration."""
        return subprocess.run(
            [*self._arguments, "-t"], capture_output=True, text=True, timeout=20, check=False
        )

    def start(self) -> None:
        """Serve."""
        with (self.directory / "out.log").open("ab") as sink:
            self._process = subprocess.Popen(
                self._arguments, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
            )
        wait_for(lambda: accepts_connections(self.secure), 10, "nginx listens", self.said)

    def said(self) -> str:
        """Return what nginx has logged."""
        return (self.directory / "error.log").read_text() + (self.directory / "out.log").read_text()

    def trust(self) -> ssl.SSLContext:
        """Return what believes its certificate, under whichever name it is reached."""
        context = ssl.create_default_context(cafile=str(self.directory / "fullchain.pem"))
        context.check_hostname = False
        return context

    def stop(self) -> None:
        """End it with its workers."""
        if self._process is None:
            return
        workers = psutil.Process(self._process.pid).children(recursive=True)
        self._process.terminate()
        self._process.wait(10)
        psutil.wait_procs(workers, timeout=10)
