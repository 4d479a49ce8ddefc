"""The error of an export."""

from processors.errors import PlatformError


class ExportError(PlatformError):
    """The model cannot be exported as it is; nothing was written."""
