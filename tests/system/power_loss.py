"""A disk that loses, when the power goes, what was not synced. What was, programs note themselves (unsynced.c)."""
import os
import pathlib
import shutil

LIBRARY = os.environ.get("REPRISE_UNSYNCED")


class Disk:
    """The directories `roots`, and beside them (on the same file system) `keep`."""

    def __init__(self, keep, roots, slow_ms=0):
        if not LIBRARY or not os.path.exists(LIBRARY):
            raise AssertionError("REPRISE_UNSYNCED must name the library made of tests/system/unsynced.c")
        self.keep, self.roots, self.slow_ms = pathlib.Path(keep), [pathlib.Path(root) for root in roots], slow_ms
        self.take_as_safe()

    def under(self, argv):
        """The words that start a program on this disk."""
        sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"  # it wants to be preloaded first
        return ["env", f"LD_PRELOAD={LIBRARY}", f"UNSYNCED_KEEP={self.keep}", f"UNSYNCED_SLOW_MS={self.slow_ms}",
                f"UNSYNCED_BELOW={':'.join(map(str, self.roots))}", f"ASAN_OPTIONS={sanitizer}", *argv]

    def take_as_safe(self):
        """All that is there now."""
        shutil.rmtree(self.keep, ignore_errors=True)
        self.keep.mkdir()
        with open(self.keep / "notes", "w", encoding="utf-8") as notes:
            for root in self.roots:
                for directory, _, files in os.walk(root):
                    for path in (pathlib.Path(directory, name) for name in files):
                        if path.is_file():
                            os.link(path, self.keep / str(path.stat().st_ino))
                            notes.write(f"\n\nF 0 {path.stat().st_ino} {path.stat().st_size}\n.\n")
                    notes.write(f"\n\nD 0 {directory}\n" + "".join(entries_of(directory)) + ".\n")

    def lose_power(self):
        """To be called when no program is left. Answers how many bytes were lost, and which names came or went."""
        sizes, listings = self.noted()
        lost, changed = 0, []
        for root in self.roots:
            before = contents(root)
            after = root.with_name(root.name + ".after")
            self.rebuild(root, after, sizes, listings)
            shutil.rmtree(root)
            after.rename(root)
            now = contents(root)
            lost += sum(max(0, size - now.get(name, 0)) for name, size in before.items())
            changed += sorted(before.keys() ^ now.keys())
        self.take_as_safe()
        return lost, changed

    def noted(self):
        """inode -> bytes that are safe, and directory -> [(type, inode, name)]: what the sync saw that began last."""
        notes = []
        for note in (self.keep / "notes").read_text("utf-8", "surrogateescape").split("\n\n"):
            first, *entries = note.strip("\n").split("\n")
            if entries and entries.pop() == ".":  # else its program was killed in the middle of it
                kind, began, rest = first.split(" ", 2)
                notes.append((int(began), kind, rest, entries))
        sizes, listings = {}, {}
        for _, kind, rest, entries in sorted(notes, key=lambda note: note[0]):
            if kind == "F":
                inode, size = rest.split()
                sizes[inode] = int(size)
            else:
                listings[rest] = [entry.split(" ", 2) for entry in entries]
        return sizes, listings

    def rebuild(self, directory, target, sizes, listings):
        target.mkdir(mode=0o750)
        for kind, inode, name in listings.get(str(directory), []):
            if kind == "d":
                self.rebuild(directory / name, target / name, sizes, listings)
            elif kind == "f":
                with open(target / name, "wb") as out:
                    if inode in sizes and (self.keep / inode).exists():
                        copy_beginning(self.keep / inode, out, sizes[inode])


def copy_beginning(path, out, size):
    with open(path, "rb") as source:
        while size > 0 and (piece := source.read(min(size, 1 << 20))):
            out.write(piece)
            size -= len(piece)


def entries_of(directory):
    for entry in os.scandir(directory):
        kind = "d" if entry.is_dir(follow_symlinks=False) else "f" if entry.is_file(follow_symlinks=False) else "o"
        yield f"{kind} {entry.inode()} {entry.name}\n"


def contents(root):
    """Name below the root -> size, of every file."""
    return {str(path.relative_to(root)): path.stat().st_size for path in root.rglob("*") if path.is_file()}
