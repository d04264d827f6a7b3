"""Real servers on loopback, in folders of their own, ended by their own process."""

import dataclasses
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy

from tests.cluster.slurm import cluster, missing_programs

PASSWORD = "p@ss/w:rd%"


def _program(name: str) -> str | None:
    """Returns a PostgreSQL program; Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


@dataclasses.dataclass
class PostgreSQL:
    """A server of one user and one database.

    Attributes:
        folder: Holds its data, its socket and its log.
        port: On loopback.
        user: Of the system, whom it runs as: PostgreSQL refuses to run as root.
    """

    folder: Path
    port: int
    user: str | None

    def url(self, password: str = PASSWORD, database: str = "studies") -> str:
        """Returns the database's URL, its password percent-encoded."""
        url = sqlalchemy.URL.create("postgresql", "greenkd", password, "127.0.0.1", self.port, database)
        return url.render_as_string(hide_password=False)

    def start(self) -> None:
        """Starts the server, and returns when it takes connections."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        self._control("start", "-o", options, "-l", str(self.folder / "log"))

    def stop(self) -> None:
        """Ends the server, and with it all its connections."""
        self._control("stop", "-m", "fast")

    def _control(self, *words: str) -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", *words)

    def run(self, name: str, *words: str) -> None:
        """Runs one of PostgreSQL's programs as the server's user."""
        program = _program(name)
        assert program is not None
        subprocess.run(
            [program, *words],
            user=self.user,
            cwd=self.folder,
            env={**os.environ, "PGPASSWORD": PASSWORD},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=60,
        )


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    if _program("initdb") is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")

    user = "postgres" if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="greenkd-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if user is not None:
            shutil.chown(folder, user)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]

        server = PostgreSQL(folder, port, user)
        (folder / "password").write_text(PASSWORD)
        try:
            server.run(
                "initdb", "-D", str(folder / "data"), "-U", "greenkd", "-A", "scram-sha-256", "--no-sync",
                "--pwfile", str(folder / "password"),
            )  # fmt: skip
            server.start()
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"PostgreSQL does not start on this machine: {error}")
        try:
            server.run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "greenkd", "studies")
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def slurm() -> Iterator[dict[str, str]]:
    """The environment in which Slurm's commands find a cluster of one node."""
    missing = missing_programs()
    if missing or os.getuid() != 0:
        pytest.skip(f"needs Slurm (Debian: apt-get install slurm-wlm munge) and root; missing: {missing or 'root'}")
    with ExitStack() as stack:
        try:
            environment = stack.enter_context(cluster())
        except (OSError, subprocess.SubprocessError) as error:  # a TimeoutError is an OSError
            pytest.skip(f"Slurm does not start on this machine: {error}")
        yield environment
