"""Another machine, made of namespaces of this one: what it changes, it changes for itself, and it is reached over SSH only.

It has its own network, its own processes, and its own files: this machine's as they are, under a layer of its own that holds every change and
goes away with it. Of this machine it does not see /run, /tmp, the homes, the labs and the checkout that the tests run from. An ordinary
user logs in with a key and becomes root: by sudo where this machine has it, else by su.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

USER = "lab"
PORT = 2222

# Runs as the first process of the new namespaces. $1: folder for the layer, $2: the user, $3: folder with the keys; further: folders to hide.
BOOT = r"""
set -eu
layer=$1 user=$2 keys=$3
shift 3
mount -t tmpfs -o mode=755 tmpfs "$layer"
mkdir "$layer/upper" "$layer/work" "$layer/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" "$layer/root"
root=$layer/root
mkdir -p "$root/etc/ti" && cp "$keys"/* "$root/etc/ti/"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
for folder in /tmp /var/tmp /root /home "$@"; do
    [ ! -d "$root$folder" ] || mount -t tmpfs -o mode=755 tmpfs "$root$folder"
done
chmod 1777 "$root/tmp" "$root/var/tmp"
rm -rf "$root/var/lib/leafspine"
mkdir -p "$root/mnt/before"
cd "$root"
pivot_root . mnt/before
umount -l /mnt/before
rmdir /mnt/before
hostname ti-host
echo '127.0.1.1 ti-host' >> /etc/hosts
ip link set dev lo up
mkdir -p /run/sshd
install -d -o frr -g frr /run/frr /var/tmp/frr && chmod 700 /var/tmp/frr # what the package frr makes
useradd --create-home --shell /bin/bash --password '*' "$user"
install -d -m 700 -o "$user" "/home/$user/.ssh"
install -m 600 -o "$user" /etc/ti/client.pub "/home/$user/.ssh/authorized_keys"
if command -v sudo >/dev/null; then
    printf '%s ALL=(ALL) NOPASSWD: ALL\n' "$user" > /etc/sudoers.d/ti
else
    printf '%s\n' 'auth sufficient pam_permit.so' 'account sufficient pam_permit.so' 'session optional pam_permit.so' > /etc/pam.d/su
fi
exec /usr/sbin/sshd -D -e -f /etc/ti/sshd_config </dev/null
"""

SSHD = f"""
Port {PORT}
HostKey /etc/ti/host
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
AllowUsers {USER}
Subsystem sftp internal-sftp
"""


@dataclass
class RemoteHost:
    """``start`` brings it up, ``stop`` takes it and everything it ran down; ``folder`` is for keys and its log.

    ``address`` and ``gateway``: its own and this machine's end of the wire between them. ``hidden``: further folders of this machine that it
    does not see.
    """

    folder: Path
    name: str = "ti-host"
    address: str = "10.134.250.2"
    gateway: str = "10.134.250.1"
    hidden: tuple[Path, ...] = ()
    shell: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def wire(self) -> str:
        """This machine's end."""
        return f"{self.name}0"

    @property
    def key(self) -> Path:
        return self.folder / "client"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def start(self) -> None:
        """Raises AssertionError with the host's log when it does not accept connections within ten seconds."""
        self.remove()
        keys = self.folder / "keys"
        keys.mkdir(mode=0o700)
        for name, path in (("host", keys / "host"), ("client", self.key)):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True, timeout=20)
        shutil.copy(self.key.with_suffix(".pub"), keys)
        (keys / "sshd_config").write_text(SSHD)
        (self.folder / "boot").write_text(BOOT)
        (self.folder / "layer").mkdir()
        self.connect_wire()
        # One process is the whole host: the kernel ends all its others with it.
        isolated = ["unshare", "--mount", "--propagation", "private", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]
        boot = ["/bin/sh", str(self.folder / "boot"), str(self.folder / "layer"), USER, str(keys), *map(str, self.hidden)]
        with (self.folder / "log").open("wb") as log:
            self.shell = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.name}", "--", *isolated, *boot], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.wait_for_ssh()

    def connect_wire(self) -> None:
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        ours, theirs = ["ip"], ["ip", "-n", self.name]
        for command in (
            [*ours, "link", "add", self.wire, "type", "veth", "peer", "name", "eth0", "netns", self.name],
            [*ours, "address", "add", f"{self.gateway}/30", "dev", self.wire],
            [*ours, "link", "set", "dev", self.wire, "up"],
            [*theirs, "address", "add", f"{self.address}/30", "dev", "eth0"],
            [*theirs, "link", "set", "dev", "eth0", "up"],
        ):
            subprocess.run(command, check=True)

    def wait_for_ssh(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.shell is not None and self.shell.poll() is None:
            try:
                socket.create_connection((self.address, PORT), timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"{self.name} does not accept SSH:\n{(self.folder / 'log').read_text(errors='replace')}")

    def stop(self) -> None:
        """No error when it does not run."""
        if self.shell is not None:
            first = Path(f"/proc/{self.pid()}") if self.shell.poll() is None else None
            self.shell.kill()
            self.shell.wait(timeout=10)
            self.shell = None
            # The kernel takes leave of its connections while the wire is still there: nobody here waits for an answer that never comes.
            deadline = time.monotonic() + 10
            while first is not None and first.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
        self.remove()

    def remove(self) -> None:
        """The wire and the network namespace, this host's or those of one that was cut off."""
        for command in (["ip", "link", "delete", "dev", self.wire], ["ip", "netns", "delete", self.name]):
            subprocess.run(command, check=False, stderr=subprocess.DEVNULL)

    def pid(self) -> int:
        """Process id, on this machine, of the host's first process. Raises LookupError when it does not run."""
        if self.shell is None:
            raise LookupError(f"{self.name} does not run")
        children = Path(f"/proc/{self.shell.pid}/task/{self.shell.pid}/children").read_text().split()
        if not children:
            raise LookupError(f"{self.name} does not run")
        return int(children[0])

    def run(self, *command: str, stdin: str = "", timeout: int = 60) -> str:
        """Output of a command that root runs on the host's own console; raises CalledProcessError when it fails."""
        inside = ["nsenter", f"--target={self.pid()}", "--mount", "--net", "--pid", "--uts", "--ipc", "--root", "--wd", "--"]
        environment = {"PATH": os.defpath + ":/usr/sbin:/sbin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
        return subprocess.run([*inside, *command], input=stdin, capture_output=True, text=True, check=True, timeout=timeout, env=environment).stdout

    def snapshot(self) -> dict[str, str]:
        """The picture of helpers/snapshot.py, taken there."""
        program = (Path(__file__).parent / "snapshot.py").read_text()
        return json.loads(self.run("/usr/bin/python3", "-", stdin=f"{program}\nprint(json.dumps(take()))\n"))

    def exists(self, path: Path | str) -> bool:
        return self.run("/bin/sh", "-c", f"test -e {shlex.quote(str(path))} && echo yes || true").strip() == "yes"

    def variables(self) -> dict[str, Any]:
        """What the inventory says of it."""
        return {
            "ansible_connection": "ssh",
            "ansible_host": self.address,
            "ansible_port": PORT,
            "ansible_user": USER,
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self.known_hosts}",
            "ansible_become": True,
            "ansible_become_method": "sudo" if shutil.which("sudo") else "su",
        }
