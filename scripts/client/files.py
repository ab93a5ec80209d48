"""Artifacts onto disk: whole or not at all, and checked against the digest in the manifest."""

import hashlib
import http.client
import os
import tempfile
from pathlib import Path, PurePosixPath

from .api import Unreachable

PIECE = 1 << 16


class Damaged(Exception):
    pass


def copy(api, run_id, key, out):
    """Streams one artifact to a binary file object; returns its SHA-256."""
    digest, got = hashlib.sha256(), 0
    with api.open("/api/artifacts/download", {"runId": run_id, "key": key}) as response:
        promised = response.headers.get("Content-Length")
        while piece := _read(response, key):
            digest.update(piece)
            got += len(piece)
            out.write(piece)
    if promised is not None and int(promised) != got:
        raise Unreachable(f"the download of {key} broke off after {got} of {promised} bytes")
    return digest.hexdigest()


def _read(response, key):
    try:
        return response.read(PIECE)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"the download of {key} broke off: {error}") from None


def save(api, run_id, key, path, sha256=None):
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            found = copy(api, run_id, key, out)
        if sha256 and found != sha256:
            raise Damaged(f"{key}: its SHA-256 is {found}, the manifest says {sha256}")
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def place_of(directory, key):
    """Where an artifact goes below a directory. Keys come from a server: none may lead out of it."""
    parts = [part for part in PurePosixPath(key).parts if part not in ("/", "..", ".")]
    return Path(directory).joinpath(*(parts or ["unnamed"]))


def _umask():
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
