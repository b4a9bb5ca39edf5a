"""The files that make a file system this board: accounts, cpuinfo, sysfs, sshd's and ssh's configuration.

Texts only; ``board`` decides and ``power`` puts them in place.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PARTS = {"cortex-a53": 0xD03, "cortex-a76": 0xD0B, "max": 0xD03}
"""CPU names of QEMU and the part number in cpuinfo; for ``max``, which is no real CPU, an A53's."""

CORE = """processor\t: {number}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid{more}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0x{part:03x}
CPU revision\t: 4

"""
NEWER = " atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp ssbs"
"""What an A76 has more; asimddp, the dot product, is what an A53 dies of."""

CHATTY = "echo 'Welcome to this board'\necho 'last login: never' >&2\nsleep 0.4\n"
"""A login shell's start-up file as people have them: it prints, on both streams, and takes 400 ms."""

PASSWD = """root:*:0:0:root:/root:/bin/bash
sshd:*:100:65534:privilege separation:/run/sshd:/usr/sbin/nologin
pi:*:1000:1000:a user without privileges:/home/pi:/bin/bash
nobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
GROUP = "root:*:0:\npi:*:1000:\nnogroup:*:65534:\n"
SHADOW = "".join(f"{line.split(':')[0]}:*:19000:0:99999:7:::\n" for line in PASSWD.splitlines())


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may differ between two boards.

    Attributes:
        name: Host name of the board and its alias in the ssh config.
        cpu: What QEMU emulates. ``max`` of QEMU 7.2 computes int8 wrongly.
        claims: What cpuinfo says it is; empty for the truth. An A76 on an A53 dies of SIGILL.
        user: Who logs in: ``pi``, who has no privileges, or ``root``. The key opens both.
        python: Whether the board has Python.
        wheels: Whether its Python finds ai-edge-litert and numpy.
        chatty: Whether the login shell prints and takes 400 ms.
        disk_mb: Size of what can be written, MiB; kept in memory, gone with the board.
        machine_id: 32 hexadecimal digits; empty for new ones.
        model: What the device tree calls it.
    """

    name: str = "board"
    cpu: str = "cortex-a53"
    claims: str = ""
    user: str = "pi"
    python: bool = True
    wheels: bool = True
    chatty: bool = False
    disk_mb: int = 512
    machine_id: str = ""
    model: str = "Emulated ARM64 board"
    cores: int = field(default=2)


def cpuinfo(options: Options) -> str:
    """An ARM kernel's /proc/cpuinfo; without one, or with an x86 one, runtimes misbehave or crash."""
    claimed = options.claims or options.cpu.partition(",")[0]
    more = NEWER if claimed == "cortex-a76" else ""
    return "".join(CORE.format(number=number, part=PARTS[claimed], more=more) for number in range(options.cores))


def files(options: Options) -> dict[str, str]:
    """Path under the board's root to content; sysfs is plain files, as far as somebody reads them."""
    cores = f"0-{options.cores - 1}\n"
    cpus = "sys/devices/system/cpu"
    found = {
        "etc/passwd": PASSWD,
        "etc/group": GROUP,
        "etc/hostname": f"{options.name}\n",
        "etc/machine-id": f"{options.machine_id}\n",
        f"{cpus}/possible": cores,
        f"{cpus}/present": cores,
        f"{cpus}/online": cores,
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "48312\n",
        "sys/firmware/devicetree/base/model": f"{options.model}\0",
    }
    for number in range(options.cores):
        clocks = {"scaling_governor": "ondemand", "scaling_cur_freq": "600000", "cpuinfo_max_freq": "1200000"}
        found |= {f"{cpus}/cpu{number}/cpufreq/{name}": f"{value}\n" for name, value in clocks.items()}
    if options.wheels:
        found["usr/lib/python3/dist-packages/litert.pth"] = "/opt/litert\n"
    if options.chatty:
        found |= {"root/.bashrc": CHATTY, "home/pi/.bashrc": CHATTY}
    return found


def sshd_config(options: Options, *, port: int, folder: str) -> str:
    """Only keys, no PAM; every session is inside the board's root.

    The exchange of keys that is the default takes a connection 100 ms at either end.
    """
    return f"""ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
KexAlgorithms curve25519-sha256
AuthorizedKeysFile /run/board/memory/authorized_keys
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
UseDNS no
PrintMotd no
PidFile none
ChrootDirectory /run/board/root
SetEnv QEMU_CPU={options.cpu}
Subsystem sftp internal-sftp
"""


def ssh_config(options: Options, *, port: int, folder: str) -> str:
    """What a user would have in ``~/.ssh/config`` for this board."""
    return f"""Host {options.name}
    HostName 127.0.0.1
    Port {port}
    User {options.user}
    IdentityFile "{folder}/key"
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile "{folder}/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
"""
