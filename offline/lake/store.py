"""Where the lake lies: a folder, or a bucket of S3 or of what speaks like it.

MPS_LAKE=/data/lake                 a folder
MPS_LAKE=s3://bucket/prefix         a bucket; AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
                                    AWS_ENDPOINT_URL as any client of S3 takes them
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from deltalake.exceptions import CommitFailedError, DeltaError, SchemaMismatchError

from processors.errors import ConfigError, PlatformError, RetryableError

VARIABLE = "MPS_LAKE"
DISK_FREE_MIN_BYTES = 64 << 20
"""Room for one flush and its commit, which a disk that is full would leave half written."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PASSED = (
    "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL",
    "AWS_ALLOW_HTTP", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "AWS_S3_ALLOW_UNSAFE_RENAME", "AWS_CONDITIONAL_PUT",
)  # fmt: skip
_FULL = ("no space left on device", "disk quota exceeded", "file too large")
_REFUSED = ("permission denied", "read-only file system", "accessdenied", "invalidaccesskeyid", "signaturedoesnotmatch")


@dataclass(frozen=True, slots=True)
class LakeStore:
    """A lake's place.

    Parameters
    ----------
    root
        Absolute folder, or "s3://bucket/prefix".
    options
        What the storage client is told; holds secrets, so it is never shown.
    """

    root: str
    options: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def at(cls, root: str | Path, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the place at a folder or an address.

        Raises
        ------
        ConfigError
            The address is of no kind that is known, or would send keys in the clear.
        """
        text = str(root)
        if "://" not in text:
            return cls(str(Path(text).resolve()))
        at = urlsplit(text)
        if at.scheme not in {"s3", "s3a"} or not at.netloc:
            raise ConfigError("lake", VARIABLE, text, "a folder, or s3://bucket/prefix")
        options = {name: environment[name] for name in _PASSED if environment.get(name)}
        options.setdefault("AWS_REGION", environment.get("AWS_DEFAULT_REGION") or "us-east-1")
        endpoint = urlsplit(options.get("AWS_ENDPOINT_URL", ""))
        if endpoint.scheme == "http":
            if endpoint.hostname in _LOOPBACK:
                options.setdefault("AWS_ALLOW_HTTP", "true")
            elif options.get("AWS_ALLOW_HTTP", "").lower() != "true":
                raise ConfigError(
                    "environment", "AWS_ENDPOINT_URL", options["AWS_ENDPOINT_URL"],
                    "https, since http shows the data to the network; or AWS_ALLOW_HTTP=true where that is meant",
                )  # fmt: skip
        return cls(f"s3://{at.netloc}{at.path.rstrip('/')}", options)

    @classmethod
    def from_environment(cls, default: Path) -> Self:
        """Return the place that ``MPS_LAKE`` names, else the folder."""
        return cls.at(os.environ.get(VARIABLE) or default)

    @property
    def folder(self) -> Path | None:
        """Return the folder, None where it is a bucket."""
        return None if "://" in self.root else Path(self.root)

    def uri(self, folder: str) -> str:
        """Return the address of a table."""
        return f"{self.root}/{folder}"

    def prepare(self) -> None:
        """Make the folder, and see that there is room.

        Raises
        ------
        ConfigError
            The folder cannot be made or written, or too little room is left there.
        """
        folder = self.folder
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise ConfigError("lake", "folder", self.root, f"a folder that can be written: {e.strerror}") from None
        if not os.access(folder, os.W_OK):
            raise ConfigError("lake", "folder", self.root, "a folder that can be written: permission denied")
        free_bytes = shutil.disk_usage(folder).free
        if free_bytes < DISK_FREE_MIN_BYTES:
            raise ConfigError(
                self.root, "free disk space", f"{free_bytes >> 20} MiB",
                f"at least {DISK_FREE_MIN_BYTES >> 20} MiB are needed; free some, or set {VARIABLE} to a place "
                "elsewhere",
            )  # fmt: skip


@contextmanager
def told(where: str) -> Iterator[None]:
    """Turn errors of the storage and of the table format into ours, by their fate.

    Raises
    ------
    RetryableError
        Another writer was first, the disk is full, the storage does not answer: begin again.
    ConfigError
        The storage refuses the user.
    PlatformError
        The rows do not fit the table, or it is damaged.
    """
    try:
        yield
    except CommitFailedError as e:
        raise RetryableError(f"lake at {where}: another writer was first: {e}") from e
    except SchemaMismatchError as e:
        raise PlatformError(f"lake at {where}: the rows do not fit the table: {e}") from e
    except (DeltaError, OSError) as e:
        text = " ".join(str(e).split())[:500]
        low = text.lower()
        if any(word in low for word in _FULL):
            raise RetryableError(
                f"lake at {where}: the disk is full: free some room; nothing was stored: {text}"
            ) from e
        if any(word in low for word in _REFUSED):
            raise ConfigError("lake", "access", where, f"one that may be read and written: {text}") from e
        raise RetryableError(f"lake at {where}: {text}") from e
