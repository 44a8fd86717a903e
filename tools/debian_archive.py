"""Where this machine gets Debian from, as apt knows it: what bootstraps a system uses the same archive."""

import os
import subprocess
from contextlib import suppress


def mirror() -> str:
    """Ask apt where this machine gets Debian itself from: neither its security updates nor what others publish.

    Raises:
        LookupError: apt knows no Debian archive on this machine.
    """
    form = "$(COMPONENT) $(RELEASE) $(REPO_URI) $(ORIGIN)"
    lines = _output("apt-get", "indextargets", "--format", form, "Created-By: Packages").splitlines()
    main = [words for words in (line.split() for line in lines) if words[0] == "main" and "-" not in words[1]]
    if not main:
        raise LookupError("apt knows no Debian archive on this machine, so there is nothing to make systems from")
    # The origin is known only where package lists have been fetched.
    return min(main, key=lambda words: words[3:] != ["Debian"])[2]


def proxies() -> dict[str, str]:
    """Find the proxies by which apt or this process gets to the archive, as environment variables."""
    found = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    with suppress(subprocess.CalledProcessError):
        if proxy := _output("apt-config", "dump", "--format", "%v%n", "Acquire::http::Proxy").strip():
            found["http_proxy"] = proxy
    return found


def _output(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
