import logging
import os
import threading
import time
from pathlib import Path


def read_secrets(directory):
    """All files of a mounted volume, of one and the same version: a dict of names to bytes."""
    link = Path(directory, "..data")
    while True:
        version = os.readlink(link)
        try:
            files, failure = _read_all(Path(directory, version)), None
        except OSError as error:
            files, failure = {}, error
        if os.readlink(link) != version:
            continue  # replaced while it was read: read the next one
        if failure:
            raise failure
        return files


def _read_all(version):
    paths = [Path(folder, name) for folder, _, names in os.walk(version) for name in names]
    return {str(path.relative_to(version)): path.read_bytes() for path in paths}


def follow_secrets(directory, use, every=5.0):
    """Calls use with the secrets now, and again after each rotation. Raises if they cannot be read or used now."""
    link = Path(directory, "..data")
    version = os.readlink(link)
    use(read_secrets(directory))

    def poll():
        nonlocal version
        while True:
            time.sleep(every)
            try:
                found = os.readlink(link)
                if found != version:
                    use(read_secrets(directory))
                    version = found
            except Exception as error:
                logging.error("the new secrets cannot be used, the old ones stay in use: %s", error)

    threading.Thread(target=poll, daemon=True).start()
