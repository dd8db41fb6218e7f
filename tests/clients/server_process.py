"""Starts the server under test for one test class and stops it afterwards.

`THERMOCLINE_BINARY` names our executable; `THERMOCLINE_SUBJECT=redis` puts redis-server in its place, to check the tests
themselves against the reference.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
IS_REDIS = os.environ.get("THERMOCLINE_SUBJECT") == "redis"
START_TIMEOUT_SECONDS = 30
START_ATTEMPTS = 5


def _executable() -> str:
    if IS_REDIS:
        return "redis-server"
    named = os.environ.get("THERMOCLINE_BINARY")
    return named or str(ROOT / "target" / "debug" / "thermocline")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class ServerProcess:
    """A server on a free port, in a directory of its own on a real disk."""

    def __init__(self, **options: str):
        target = ROOT / "target" / "test-servers"
        target.mkdir(parents=True, exist_ok=True)
        self.directory = tempfile.mkdtemp(prefix="client-", dir=target)
        defaults = {"save": ""} if IS_REDIS else {"tier-capacity": "1gb"}
        self.options = {**defaults, **options}
        for _ in range(START_ATTEMPTS):
            if self._start():
                return
        log = self.log()
        self.stop()
        raise RuntimeError(f"the server does not start:\n{log}")

    def _start(self) -> bool:
        self.port = _free_port()
        command = [_executable(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.directory]
        for name, value in self.options.items():
            command += [f"--{name}", value]
        with open(os.path.join(self.directory, "server.log"), "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return False
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    # With requirepass it answers NOAUTH, which will do.
                    if connection.recv(64).startswith((b"+PONG", b"-NOAUTH")):
                        return True
            except OSError:
                pass
            time.sleep(0.01)
        self.process.kill()
        self.process.wait()
        return False

    def log(self) -> str:
        """Everything the server printed."""
        path = pathlib.Path(self.directory, "server.log")
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self) -> None:
        """Ends the process and removes its files."""
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
