"""Remote storage: a folder, SSH and S3, each a real server on loopback; and what goes wrong there.

The small pipeline is pushed, cloned elsewhere and pulled; nothing may run again.
"""

import getpass
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import boto3
import pytest
from loopback import free_port
from moto.server import ThreadedMotoServer
from small_pipeline import IDENTITY, dvc, run, try_dvc

from hintdistill.commands.check import find_problems
from hintdistill.core.errors import UserError
from hintdistill.core.yaml_file import read_yaml

BUCKET = "bucket"
ACCESS, SECRET = "planted-key-0123456789", "planted-secret-0123456789"
SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
ARTIFACTS = ("panel.txt", "hints.txt", "adapter")


class Remote(NamedTuple):
    """A place to push to: its URL, options to commit, and those that stay in config.local."""

    url: str
    options: dict[str, str]
    local: dict[str, str]


class Proxy:
    """Passes connections on to a port, until it is told to spoil them."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.answer: bytes | None = None  # to every PUT, in place of the server's
        self.cut_after: int | None = None  # bytes that come back in all before connections break
        self._passed = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        first = near.recv(65536)
        if self.answer is not None and first.startswith(b"PUT"):
            near.sendall(self.answer)
            near.close()
            return
        far = socket.create_connection(("127.0.0.1", self._target))
        far.sendall(first)
        back = threading.Thread(target=self._copy, args=(far, near, True), daemon=True)
        back.start()
        self._copy(near, far, False)
        back.join()
        near.close()
        far.close()

    def _copy(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(65536):
                if counted and self.cut_after is not None:
                    self._passed += len(data)
                    if self._passed > self.cut_after:
                        break
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self) -> None:
        self._server.close()


@pytest.fixture(scope="module")
def s3_port() -> Iterator[int]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        client = s3_client(port)
        client.create_bucket(Bucket=BUCKET)
        yield port
    server.stop()


def s3_client(port: int):
    return boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1",
        aws_access_key_id=ACCESS, aws_secret_access_key=SECRET,
    )  # fmt: skip


def s3_remote(port: int, folder: str) -> Remote:
    options = {"endpointurl": f"http://127.0.0.1:{port}", "region": "us-east-1"}
    return Remote(
        f"s3://{BUCKET}/{folder}", options, {"access_key_id": ACCESS, "secret_access_key": SECRET}
    )


class Ssh(NamedTuple):
    """An OpenSSH server: its port, and the folder of the keys `user` (let in) and `other`."""

    port: int
    keys: Path

    def remote(self, folder: Path, *, key: str = "user", port: int | None = None) -> Remote:
        where = f"{getpass.getuser()}@127.0.0.1:{port or self.port}"
        return Remote(f"ssh://{where}{folder}", {}, {"keyfile": str(self.keys / key)})


@pytest.fixture(scope="module")
def ssh(tmp_path_factory) -> Iterator[Ssh]:
    if SSHD is None:
        pytest.skip("no sshd here; on Debian: apt-get install openssh-server")
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("host", "user", "other"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    shutil.copy(folder / "user.pub", folder / "authorized")
    if getpass.getuser() == "root":
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd drops its privileges
    port = free_port()
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
        f"AuthorizedKeysFile {folder}/authorized\nPidFile none\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nSubsystem sftp internal-sftp\n"
    )
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")])
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield Ssh(port, folder)
    server.kill()
    server.wait()


def use(remote: Remote) -> None:
    """Make it the default remote, as README.md says."""
    dvc("remote", "add", "-f", "-d", "team", remote.url)
    dvc("remote", "modify", "team", "verify", "true")
    for name, value in remote.options.items():
        dvc("remote", "modify", "team", name, value)
    for name, value in remote.local.items():
        dvc("remote", "modify", "--local", "team", name, value)
    run("git", *IDENTITY, "commit", "-q", "-a", "--allow-empty", "-m", "remote")


@pytest.fixture(params=["folder", "ssh", "s3"])
def remote(request, tmp_path) -> Remote:
    if request.param == "folder":
        return Remote("../../remote", {}, {})
    if request.param == "ssh":
        return request.getfixturevalue("ssh").remote(tmp_path / "remote")
    return s3_remote(request.getfixturevalue("s3_port"), "round")


def clone_to(folder: Path, monkeypatch) -> None:
    """A second clone, whose owner has the same credentials, becomes the current folder."""
    run("git", *IDENTITY, "commit", "-q", "-a", "--allow-empty", "-m", "remote")
    run("git", "clone", "-q", ".", str(folder))
    if Path(".dvc/config.local").exists():
        shutil.copy(".dvc/config.local", folder / ".dvc")
    monkeypatch.chdir(folder)


def contents() -> dict[str, bytes]:
    """What there is of the artifacts, by path."""
    paths = (path for name in ARTIFACTS for path in (Path(name), *Path(name).rglob("*")))
    return {str(path): path.read_bytes() for path in paths if path.is_file()}


def test_a_second_clone_pulls_and_runs_nothing(small, remote, tmp_path, monkeypatch):
    use(remote)
    dvc("push", "--run-cache")
    assert not find_problems(remote=True)
    made = contents()
    clone_to(tmp_path / "second", monkeypatch)
    config = Path(".dvc/config").read_text()
    assert Path(remote.url).name in config
    assert not any(value in config for value in remote.local.values())
    dvc("pull", "--run-cache")
    assert "Running stage" not in dvc("repro")
    assert contents() == made
    assert not find_problems(remote=True)


def test_with_one_parameter_changed_only_what_it_touches_runs(small, tmp_path, monkeypatch):
    dvc("push")
    clone_to(tmp_path / "second", monkeypatch)
    Path("params.yaml").write_text("k: 2\n")
    said = dvc("repro", "--pull", "--allow-missing")
    ran = [line for line in said.splitlines() if line.startswith("Running stage")]
    assert ran == ["Running stage 'hints':", "Running stage 'adapter':"]


def spoilt(*arguments: str) -> str:
    """What a DVC command says as it fails."""
    done = try_dvc(*arguments)
    assert done.returncode != 0, done.stdout
    assert SECRET not in done.stdout + done.stderr
    return done.stderr


def forget() -> None:
    for name in (".dvc/cache", *ARTIFACTS):
        run("rm", "-rf", name)


def pushed_and_forgotten(ssh: Ssh, folder: Path) -> tuple[Proxy, dict[str, bytes]]:
    """The artifacts are in a remote behind a proxy, and nowhere else; what they were."""
    proxy = Proxy(ssh.port)
    use(ssh.remote(folder, port=proxy.port))
    dvc("push")
    made = contents()
    forget()
    return proxy, made


def test_a_remote_that_is_gone(small, ssh, tmp_path):
    proxy, made = pushed_and_forgotten(ssh, tmp_path / "remote")
    proxy.close()
    assert "Connect call failed" in spoilt("pull")
    with pytest.raises(UserError, match="Connect call failed"):
        find_problems(remote=True)
    dvc("remote", "modify", "team", "url", ssh.remote(tmp_path / "remote").url)
    dvc("pull")
    assert contents() == made


def test_a_remote_that_refuses_the_key(small, ssh, tmp_path):
    use(ssh.remote(tmp_path / "remote", key="other"))
    assert "Permission denied" in spoilt("push")
    dvc("remote", "modify", "--local", "team", "keyfile", str(ssh.keys / "user"))
    dvc("push")
    assert not find_problems(remote=True)


def test_a_connection_that_breaks_in_the_middle(small, ssh, tmp_path):
    proxy, made = pushed_and_forgotten(ssh, tmp_path / "remote")
    proxy.cut_after = 2_000_000
    spoilt("pull")
    assert contents().items() <= made.items()  # nothing half-written
    proxy.cut_after = None
    dvc("pull")
    assert contents() == made


def test_a_remote_that_is_not_committed_yet(small, s3_port):
    use(s3_remote(s3_port, "new"))
    run("git", "reset", "-q", "--soft", "HEAD~1")
    with pytest.raises(UserError, match="as committed: commit it"):
        find_problems(remote=True)


def test_a_remote_that_can_only_be_read(small, s3_port):
    proxy = Proxy(s3_port)
    body = b"<Error><Code>AccessDenied</Code><Message>Read only</Message></Error>"
    proxy.answer = (
        b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    use(s3_remote(proxy.port, "read-only"))
    before = contents()
    assert "Read only" in spoilt("push")
    assert contents() == before and find_problems(remote=True)
    proxy.answer = None
    dvc("push")
    assert not find_problems(remote=True)


def test_a_corrupt_object_is_never_taken(small, s3_port):
    use(s3_remote(s3_port, "corrupt"))
    dvc("push")
    lock = read_yaml(Path("dvc.lock"))["stages"]
    md5 = lock["hints"]["outs"][0]["md5"]
    where = {"Bucket": BUCKET, "Key": f"corrupt/files/md5/{md5[:2]}/{md5[2:]}"}
    client = s3_client(s3_port)
    whole = client.get_object(**where)["Body"].read()
    client.put_object(**where, Body=whole[:-1] + b"!")
    made = contents()
    forget()
    assert "hints.txt" in spoilt("pull")
    assert contents().items() <= made.items() and not Path("hints.txt").exists()
    client.put_object(**where, Body=whole)
    dvc("pull")
    assert contents() == made
