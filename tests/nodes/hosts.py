"""Machines made of Linux namespaces: each has an address, processes and shared memory of its own.

They hang on one bridge, in a network of their own that reaches nothing else, and share the disk,
but for /tmp/ray. All of it goes with the process that made it. Needed: `unshare` and `nsenter`
(util-linux), `ip` (iproute2), and root or user namespaces.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_NET = "10.77.0"
_READY_S = 20.0
# An ordinary user becomes root in a user namespace.
_AS_ROOT = ["--user", "--map-root-user"] if os.geteuid() else []
_STAY_USER = ["--user", "--preserve-credentials"] if os.geteuid() else []


@dataclass
class Host:
    """A machine.

    Attributes:
        name: Its host name.
        address: Its IPv4 address.
        process: What started it.
        init: Process 1 of it, as others number it.
        cable: Its end of the network in the bridge's namespace.
        network: What it hangs on.
    """

    name: str
    address: str
    process: subprocess.Popen[bytes]
    init: int
    cable: str
    network: "Network"

    def command(self, command: Sequence[str]) -> list[str]:
        """Return what runs a command on it, in the working directory of who runs it."""
        spaces = ["--net", "--pid", "--mount", "--uts", "--ipc", f"--wdns={Path.cwd()}"]
        return ["nsenter", f"--target={self.init}", *_STAY_USER, *spaces, "--", *command]

    def start(
        self, command: Sequence[str], *, log: Path, env: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start a program on it; all that it prints goes to `log`. It finds what we import."""
        found = {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), *filter(None, sys.path)])}
        with log.open("ab") as file:
            return subprocess.Popen(
                self.command(command),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **found, **env},
            )

    def lose(self) -> None:
        """End it as if its power failed: nobody hears of it, no connection is closed."""
        self.network.run("ip", "link", "set", self.cable, "down")
        os.kill(self.init, signal.SIGKILL)
        self.process.wait()


@dataclass
class Network:
    """A bridge that machines hang on.

    Attributes:
        folder: Where each machine's /tmp/ray lies.
        process: What holds the bridge's namespace.
        inside: A process in that namespace.
    """

    folder: Path
    process: subprocess.Popen[bytes]
    inside: int
    _hosts: list[Host] = field(default_factory=list, repr=False)

    def run(self, *command: str) -> None:
        """Run a command in the bridge's namespace."""
        enter = ["nsenter", f"--target={self.inside}", *_STAY_USER, "--net", "--"]
        done = subprocess.run([*enter, *command], check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"

    def host(self, name: str, number: int) -> Host:
        """Add a machine, also one in the place of another that was lost.

        Args:
            name: Its host name.
            number: The last part of its address, from 1 to 254.
        """
        own = self.folder / f"{name}-{len(self._hosts)}"
        own.mkdir(parents=True)
        Path("/tmp/ray").mkdir(exist_ok=True)  # where it lies on each machine
        script = (
            f"hostname {name} && mount --bind {shlex.quote(str(own))} /tmp/ray"
            " && mount -t tmpfs tmpfs /dev/shm && ip link set lo up && exec sleep infinity"
        )
        enter = ["nsenter", f"--target={self.inside}", *_STAY_USER, "--net", "--"]
        spaces = ["--net", "--pid", "--mount", "--uts", "--ipc", "--fork", "--mount-proc"]
        command = [*enter, "unshare", *spaces, "--kill-child", "sh", "-c", script]
        process, init = _held(command, own.with_suffix(".log"))
        cable = f"cable{len(self._hosts)}"
        # The same card each time: others remember whom they found at an address.
        card = f"name eth0 address 02:00:00:00:00:{number:02x} netns {init}"
        self.run(*f"ip link add {cable} type veth peer {card}".split())
        self.run(*f"ip link set {cable} master bridge up".split())
        made = Host(name, f"{_NET}.{number}", process, init, cable, self)
        self._hosts.append(made)
        for command in (
            f"ip address add {made.address}/24 dev eth0",
            "ip link set eth0 up",
            # To nobody: by the way to the world Ray finds which address is its own.
            f"ip route add default via {_NET}.254",
        ):
            subprocess.run(made.command(command.split()), check=True, capture_output=True)
        return made

    def close(self) -> None:
        """End every machine, and the bridge with its namespace."""
        for host in self._hosts:
            if host.process.poll() is None:
                os.kill(host.init, signal.SIGKILL)
                host.process.wait()
        os.kill(self.inside, signal.SIGKILL)
        self.process.wait()


@contextmanager
def network(folder: Path) -> Iterator[Network]:
    """Give a with-block a network without machines.

    Args:
        folder: Where each machine's /tmp/ray lies.
    """
    made = _network(folder)
    try:
        yield made
    finally:
        made.close()


def why_not() -> str:
    """Return why no such machines can be made here; nothing if they can."""
    lacking = [name for name in ("unshare", "nsenter", "ip") if shutil.which(name) is None]
    if lacking:
        return f"no machines of namespaces: there is no {' and no '.join(lacking)} here"
    # All that a machine is made of.
    script = (
        "mount -t tmpfs tmpfs /dev/shm && ip link add bridge type bridge"
        " && ip link add cable type veth peer name eth0"
    )
    spaces = ["--net", "--pid", "--mount", "--uts", "--ipc", "--fork", "--mount-proc"]
    done = subprocess.run(
        ["unshare", *_AS_ROOT, *spaces, "sh", "-c", script],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return f"no machines of namespaces can be made here: {done.stderr.strip()}"
    return ""


def _network(folder: Path) -> Network:
    script = "ip link add bridge type bridge && ip link set bridge up && exec sleep infinity"
    command = ["unshare", *_AS_ROOT, "--net", "--fork", "--kill-child", "sh", "-c", script]
    folder.mkdir(parents=True, exist_ok=True)
    return Network(folder, *_held(command, folder / "network.log"))


def _held(command: Sequence[str], path: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start what holds namespaces; return it and its child, which sleeps in them."""
    with path.open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
    until = time.monotonic() + _READY_S
    while time.monotonic() < until:
        assert process.poll() is None, f"no namespaces: {path.read_text('utf-8', 'replace')}"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            if Path(f"/proc/{child}/comm").read_text().strip() == "sleep":
                return process, int(child)
        time.sleep(0.05)
    raise AssertionError(f"no namespaces after {_READY_S:.0f} s: {shlex.join(command)}")
