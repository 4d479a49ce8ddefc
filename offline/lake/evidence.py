"""Evidence that nobody can delete: files in a bucket of S3 under object lock, in COMPLIANCE mode.

A backtest that a strategy was approved on must be there as it was, until its retention ends, whoever wishes otherwise:
in this mode no user, the account's root included, deletes a locked version or shortens its time. What ``put`` returns
says where each file is, in which version, with which sha256; that receipt is stored and locked beside them. Then each
version is tried to be deleted: evidence counts only once that was refused.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from offline.lake.store import LakeStore
from processors.errors import ConfigError, PlatformError, RetryableError

MODE = "COMPLIANCE"
FILE_BYTES_MAX = 1 << 30
"""One put, hence one checksum; larger evidence is several files."""
DAYS_MAX = 3_650
"""Ten years: a retention that is mistyped cannot be taken back."""


@dataclass(frozen=True, slots=True)
class Locked:
    """One file under lock."""

    key: str
    version_id: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was put, and until when it stays; ``locked`` is where this receipt itself lies."""

    bucket: str
    keep_until: str
    files: tuple[Locked, ...]
    locked: Locked | None = None


class EvidenceStore:
    """A prefix of a bucket that has object lock.

    Parameters
    ----------
    client
        From ``boto3``.
    """

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client, self.bucket, self._prefix = client, bucket, prefix.strip("/")

    @classmethod
    def at(cls, store: LakeStore) -> Self:
        """Open the place of a store.

        Raises
        ------
        ConfigError
            It is no bucket, or one without object lock.
        RetryableError
            The storage does not answer.
        """
        if store.folder is not None:
            raise ConfigError("evidence", "place", store.root, "s3://bucket/prefix: a folder cannot refuse its owner")
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        at, options = urlsplit(store.root), store.options
        client = boto3.client(
            "s3", region_name=options.get("AWS_REGION"), endpoint_url=options.get("AWS_ENDPOINT_URL"),
            aws_access_key_id=options.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=options.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=options.get("AWS_SESSION_TOKEN"),
            config=Config(retries={"max_attempts": 4, "mode": "standard"}, connect_timeout=10, read_timeout=60),
        )  # fmt: skip
        try:
            found = client.get_object_lock_configuration(Bucket=at.netloc)
            enabled = found["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled"
        except ClientError as e:
            if e.response["Error"]["Code"] not in {
                "ObjectLockConfigurationNotFoundError",
                "ObjectLockConfigurationNotFound",
            }:
                raise ConfigError("evidence", "bucket", at.netloc, f"one that may be read: {e}") from e
            enabled = False
        except BotoCoreError as e:
            raise RetryableError(f"evidence in {at.netloc}: {e}") from e
        if not enabled:
            raise ConfigError(
                "evidence", "bucket", at.netloc, "one with object lock: it is chosen when a bucket is made"
            )
        return cls(client, at.netloc, at.path)

    def put(self, files: Sequence[Path], *, days: int, under: str) -> Receipt:
        """Store files and their receipt under lock, and see that deleting them is refused.

        Parameters
        ----------
        under
            Below the prefix: what the evidence is of, such as a run.

        Raises
        ------
        ConfigError
            A file is missing or too large, or the retention is none.
        PlatformError
            A version could be deleted, or is not what was sent: the bucket holds nothing.
        RetryableError
            The storage failed; put again, under the same name: versions are never overwritten.
        """
        if not 1 <= days <= DAYS_MAX:
            raise ConfigError("evidence", "days", days, f"from 1 to {DAYS_MAX}")
        names = [path.name for path in files]
        if not files or len(set(names)) < len(names):
            raise ConfigError("evidence", "files", names, "one or more, each with a name of its own")
        for path in files:
            if not path.is_file() or path.stat().st_size > FILE_BYTES_MAX:
                raise ConfigError("evidence", "file", str(path), f"a file of at most {FILE_BYTES_MAX >> 20} MiB")
        until = (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)
        stored = tuple(self._put(f"{under}/{path.name}", path.read_bytes(), until) for path in files)
        receipt = Receipt(self.bucket, until.isoformat(), stored)
        text = json.dumps(asdict(receipt), indent=2, sort_keys=True).encode()
        receipt = Receipt(self.bucket, receipt.keep_until, stored, self._put(f"{under}/receipt.json", text, until))
        self.prove(receipt)
        return receipt

    def prove(self, receipt: Receipt) -> None:
        """Check every version: it is locked until then, reads as it was sent, and cannot be deleted.

        Raises
        ------
        PlatformError
            One of it does not hold.
        """
        from botocore.exceptions import ClientError

        for file in (*receipt.files, *([receipt.locked] if receipt.locked else [])):
            where = {"Bucket": receipt.bucket, "Key": file.key, "VersionId": file.version_id}
            with self._asking():
                head = self._client.head_object(**where)
            until = head.get("ObjectLockRetainUntilDate")
            if (
                head.get("ObjectLockMode") != MODE
                or until is None
                or until < datetime.fromisoformat(receipt.keep_until)
            ):
                raise PlatformError(f"evidence {file.key}: lock is {head.get('ObjectLockMode')} until {until}, "
                                    f"not {MODE} until {receipt.keep_until}")  # fmt: skip
            try:
                self._client.delete_object(**where)
            except ClientError as e:
                if e.response["Error"]["Code"] not in {"AccessDenied", "MethodNotAllowed", "InvalidRequest"}:
                    raise RetryableError(f"evidence {file.key}: {e}") from e
            else:
                raise PlatformError(f"evidence {file.key}: its version could be deleted: the bucket holds nothing")
            with self._asking():
                body = self._client.get_object(**where)["Body"].read()
            if hashlib.sha256(body).hexdigest() != file.sha256:
                raise PlatformError(f"evidence {file.key}: reads {len(body)} bytes that are not those that were sent")

    def _put(self, name: str, body: bytes, until: datetime) -> Locked:
        key = f"{self._prefix}/{name}".lstrip("/")
        digest = hashlib.sha256(body)
        with self._asking():
            found = self._client.put_object(
                Bucket=self.bucket, Key=key, Body=body, ObjectLockMode=MODE, ObjectLockRetainUntilDate=until,
                ChecksumAlgorithm="SHA256", ChecksumSHA256=b64encode(digest.digest()).decode(),
            )  # fmt: skip
        return Locked(key, found["VersionId"], digest.hexdigest(), len(body))

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turn what the client raises into a passing fault."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as e:
            raise RetryableError(f"evidence in {self.bucket}: {e}") from e
