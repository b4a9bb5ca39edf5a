"""Which programs phones have: names of Android's, and where this rig takes each from."""

from __future__ import annotations

from pathlib import Path

STANDINS = Path(__file__).parent / "standins"

TOYBOX = """
[ acpi base64 basename blkdiscard blkid blockdev cal cat chattr chgrp chmod chown chroot chrt cksum clear cmp comm cp
cpio cut date devmem df dirname dmesg dos2unix du echo egrep env expand fallocate false fgrep file find flock fmt free
freeramdisk fsfreeze fsync getconf grep groups gunzip head help hostname hwclock iconv id ifconfig inotifyd insmod
install ionice iorenice iotop kill killall ln log logname losetup ls lsattr lsmod lspci lsusb makedevs md5sum microcom
mkdir mkfifo mknod mkswap mktemp modinfo mount mountpoint mv nbd-client nc netcat netstat nice nl nohup nproc nsenter
od paste partprobe patch pgrep pidof ping ping6 pkill pmap printenv printf prlimit ps pwd pwdx readelf readlink
realpath renice rev rfkill rm rmdir rmmod rtcwake sed seq setfattr setsid sha1sum sha224sum sha256sum sha384sum
sha512sum sleep sort split stat strings swapoff swapon sync sysctl tac tail tar taskset tee test time timeout top touch
true truncate tty tunctl uclampset ulimit umount uname uniq unix2dos unlink unshare uptime usleep uudecode uuencode
uuidgen vconfig vmstat watch wc which whoami xargs xxd yes zcat
"""
"""What Android 14 links to toybox, as far as Debian's toybox has it: AOSP, external/toybox/Android.bp."""
FROM_BUSYBOX = "awk bc dd diff expr getopt gzip lsof more stty tr vi"
"""What Android 14 has as well, of its own toybox or beside it, and Debian's toybox lacks."""
BUSYBOX = """
[ basename cat chmod chown cp cut date df dirname du echo env expr false find grep head id kill ln ls md5sum mkdir
mktemp mv printf ps pwd readlink rm rmdir sed sh sha256sum sleep sort stat sync tail tar test touch tr true uname uniq
wc xargs
"""
"""A device with next to nothing; ``flock``, ``timeout``, ``nohup`` and ``setsid`` are missing on purpose."""
BUSYBOX_PROGRAM = "/apex/standins/busybox"
"""Where stand-ins find it on every phone; no phone has it on its PATH."""


def programs(tools: str) -> dict[str, object]:
    """What ``init`` lays out for ``android`` or ``busybox``: files, links to them by name, and stand-ins."""
    scripts = {f"system/bin/{path.name}": path.read_text(encoding="utf-8") for path in (STANDINS / "bin").iterdir()}
    scripts["apex/standins/logcat.awk"] = (STANDINS / "logcat.awk").read_text(encoding="utf-8")
    if tools == "busybox":
        return {"programs": [], "links": dict.fromkeys(BUSYBOX.split(), BUSYBOX_PROGRAM), "scripts": scripts}
    links = {**dict.fromkeys(TOYBOX.split(), "toybox"), **dict.fromkeys(FROM_BUSYBOX.split(), BUSYBOX_PROGRAM)}
    return {"programs": ["mksh", "toybox"], "links": {**links, "sh": "mksh"}, "scripts": scripts}
