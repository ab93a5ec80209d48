"""Small file systems that can be filled: tmpfs mounts in a mount namespace of our own, so that the kernel removes
them when this process ends, should it end without a chance to do so."""
import ctypes
import os
import subprocess

CLONE_NEWNS = 0x00020000


def own_mounts():
    """Whether mounts can be made that only this process and its children see."""
    if os.geteuid() != 0 or ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        return False
    return subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, check=False).returncode == 0


class SmallDisk:
    def __init__(self, directory, mebibytes):
        self.directory = directory
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0700", "reprise-chaos", directory],
                       check=True, capture_output=True)

    @property
    def filler(self):
        return self.directory / "filler"

    def fill(self):
        """Takes what is left, to the last block."""
        with open(self.filler, "wb", buffering=0) as out:
            block = 64 << 20
            while block >= 4096:
                try:
                    out.write(bytes(block))
                except OSError:
                    block //= 4

    def free(self):
        self.filler.unlink(missing_ok=True)

    def unmount(self):
        subprocess.run(["umount", "--lazy", self.directory], capture_output=True, check=False)
