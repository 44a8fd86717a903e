"""A real etcd for tests: both of its stores, with or without certificates, faults on request, gone afterwards.

    with etcd(tmp_path) as server:                          # on a free port of this namespace's loopback
    with etcd(tmp_path, tls=make_certificates(tmp_path)):   # only who shows the client's certificate is heard
    with etcd(tmp_path, namespace=name, host="10.4.7.12"):  # in another network namespace, at an address of it

It serves the v3 store, its JSON gateway and the v2 keys API on one port, as etcd 3.4 does with --enable-v2.
"""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PREFIX = "/coreos.com/network"
_PATIENCE = 60


@dataclass(frozen=True)
class Certificates:
    """Paths of what ``make_certificates`` made."""

    folder: Path

    @property
    def ca(self) -> Path:
        """Who signed both."""
        return self.folder / "ca.pem"

    @property
    def certificate(self) -> Path:
        """The client's."""
        return self.folder / "client.pem"

    @property
    def key(self) -> Path:
        """The client's."""
        return self.folder / "client-key.pem"

    @property
    def server(self) -> Path:
        """The server's certificate."""
        return self.folder / "server.pem"

    @property
    def server_key(self) -> Path:
        """The server's key."""
        return self.folder / "server-key.pem"


def make_certificates(folder: Path, *addresses: str) -> Certificates:
    """Make an authority, a server's certificate for *addresses* beside loopback, and a client's.

    The server's is good for clients too: with it the gateway inside etcd speaks to etcd's own gRPC port.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificates(folder)
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(folder / "ca-key.pem"))
    _openssl("req", "-x509", "-new", "-key", str(folder / "ca-key.pem"), "-out", str(made.ca), "-days", "2", "-subj", "/CN=ca")
    names = ",".join(["DNS:localhost", *(f"IP:{address}" for address in ("127.0.0.1", *addresses))])
    _sign(made, "server", f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n")
    _sign(made, "client", "extendedKeyUsage=clientAuth\n")
    return made


def _sign(made: Certificates, name: str, extensions: str) -> None:
    """Make a key, and a certificate of the authority with these extensions."""
    key, request, wanted = (made.folder / f"{name}{ending}" for ending in ("-key.pem", ".csr", ".ext"))
    wanted.write_text(f"basicConstraints=CA:FALSE\n{extensions}")
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
    _openssl("req", "-new", "-key", str(key), "-out", str(request), "-subj", f"/CN={name}")
    signed_by = ["-CA", str(made.ca), "-CAkey", str(made.folder / "ca-key.pem"), "-CAcreateserial"]
    _openssl(
        *("x509", "-req", "-in", str(request), "-out", str(made.folder / f"{name}.pem"), "-days", "2"),
        *(*signed_by, "-extfile", str(wanted)),
    )


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


@dataclass
class Etcd:
    """One server; ``etcd`` makes it.

    Attributes:
        folder: holds its data and its log.
        host: the address it listens at.
        port: for clients; the next one is for its peers, of which it has none.
        tls: what it shows, and who must have signed what is shown to it; None for plain text.
        namespace: the network namespace it runs in; empty for that of the thread that starts it.
        words: further options.
        members: where each server of its cluster speaks to the others; none but itself without them.
    """

    folder: Path
    host: str
    port: int
    tls: Certificates | None = None
    namespace: str = ""
    words: Sequence[str] = ()
    members: Sequence[str] = ()
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    @property
    def peer_url(self) -> str:
        """Where the other servers of its cluster find it."""
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def options(self) -> list[str]:
        """What natfix's commands need to find it."""
        words = ["--etcd-endpoints", self.url]
        if self.tls:
            words += ["--etcd-cafile", str(self.tls.ca), "--etcd-certfile", str(self.tls.certificate)]
            words += ["--etcd-keyfile", str(self.tls.key)]
        return words

    def start(self) -> None:
        """Start it on the data that is there, and wait until it answers."""
        self.launch()
        self.answers()

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        members = [*self.members] or [self.peer_url]
        listed = ",".join(f"{number}={url}" for number, url in enumerate(members))
        command = ["etcd", "--data-dir", str(self.folder / "data"), "--enable-v2", "--logger", "zap", "--log-level", "warn"]
        command += ["--listen-client-urls", self.url, "--advertise-client-urls", self.url]
        command += ["--listen-peer-urls", self.peer_url, "--initial-advertise-peer-urls", self.peer_url]
        command += ["--name", str(members.index(self.peer_url)), "--initial-cluster", listed]
        # One that elects itself need not wait a second for others.
        command += [] if self.members else ["--heartbeat-interval", "20", "--election-timeout", "200"]
        command += self.words
        if self.tls:
            command += ["--cert-file", str(self.tls.server), "--key-file", str(self.tls.server_key)]
            command += ["--trusted-ca-file", str(self.tls.ca), "--client-cert-auth"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*self._inside(), *command], stdout=log, stderr=log)

    def answers(self) -> None:
        """Wait until it answers, with its cluster behind it.

        Raises:
            AssertionError: it does not; with the end of its log.
        """
        assert self._process is not None
        deadline = time.monotonic() + _PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                self.ctl("--command-timeout", "5s", "get", "nothing")
            except AssertionError as error:
                if "user name is empty" in str(error):  # It wants a login, so it is there.
                    return
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"etcd does not answer: {(self.folder / 'log').read_text()[-2000:]}")

    def stop(self, number: int = signal.SIGKILL) -> None:
        """End it, by default as a failing machine does; nothing when it does not run."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(_PATIENCE)
            self._process = None

    def pause(self) -> None:
        """Let it answer nothing, while connections stay open, until ``resume``."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        os.kill(self.pid, signal.SIGCONT)

    def lose_data(self) -> None:
        """Start it anew with nothing, as on a new disk."""
        self.stop()
        shutil.rmtree(self.folder / "data")
        self.start()

    def compact(self) -> None:
        """Let the v3 store forget how it came to its present state."""
        revision = self.ctl("endpoint", "status", "--write-out", "json").split('"revision":')[1].split(",")[0].strip("}")
        self.ctl("compact", revision)

    def ctl(self, *words: str, data: str = "") -> str:
        """Run etcdctl on the v3 store; what it prints, or an AssertionError with its complaint."""
        flags = ["--endpoints", self.url, "--dial-timeout", "30s", "--command-timeout", "50s"]
        if self.tls:
            flags += ["--cacert", str(self.tls.ca), "--cert", str(self.tls.certificate), "--key", str(self.tls.key)]
        return self._etcdctl("3", [*flags, *words], data)

    def ctl_v2(self, *words: str) -> str:
        """Run etcdctl on the v2 store, as the flannel of 2019 did."""
        flags = ["--endpoints", self.url, "--timeout", "30s", "--total-timeout", "50s"]
        if self.tls:
            flags += ["--ca-file", str(self.tls.ca), "--cert-file", str(self.tls.certificate), "--key-file", str(self.tls.key)]
        return self._etcdctl("2", [*flags, *words], "")

    def _etcdctl(self, api: str, words: Sequence[str], data: str) -> str:
        environment = {**os.environ, "ETCDCTL_API": api}
        done = subprocess.run(
            [*self._inside(), "etcdctl", *words],
            check=False,
            capture_output=True,
            text=True,
            input=data,
            env=environment,
            timeout=_PATIENCE,
        )
        assert done.returncode == 0, f"etcdctl {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def _inside(self) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self.namespace}"] if self.namespace else []


@contextmanager
def etcd(
    folder: Path,
    *,
    tls: Certificates | None = None,
    namespace: str = "",
    host: str = "127.0.0.1",
    port: int = 0,
    words: Sequence[str] = (),
) -> Iterator[Etcd]:
    """Run an etcd, and end it afterwards.

    Args:
        folder: is made, and holds its data and its log.
        tls: its certificates; None for plain text.
        namespace: the network namespace it runs in; the port must be said then.
        host: the address it listens at.
        port: for clients; a free one of this thread's namespace if none is said.
        words: further options of etcd.
    """
    folder.mkdir(parents=True, exist_ok=True)
    server = Etcd(folder, host, port or next(_free_ports()), tls, namespace, words)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def cluster(folder: Path, size: int = 3) -> Iterator[Sequence[Etcd]]:
    """Run several servers that are one store, in plain text on this thread's loopback, and end them afterwards."""
    ports = list(itertools.islice(_free_ports(), size))
    members = [f"http://127.0.0.1:{port + 1}" for port in ports]
    servers = [Etcd(folder / str(port), "127.0.0.1", port, members=members) for port in ports]
    try:
        for server in servers:
            server.folder.mkdir(parents=True)
            server.launch()
        for server in servers:
            server.answers()
        yield servers
    finally:
        for server in servers:
            server.stop()


def _free_ports() -> Iterator[int]:
    """Find ports that are free, as is the next one; below those that the kernel gives to outgoing connections."""
    for port in range(20000 + os.getpid() % 5000 * 2, 32000, 2):
        if all(_is_free(one) for one in (port, port + 1)):
            yield port
    raise AssertionError("no port is free")


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
