"""Only what was signed is taken, within five minutes, and no error tells the secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline.jobs.signature import SIGNATURE, TIMESTAMP, UnsignedError, path_of, read_secret, signed_headers, verify
from processors.errors import ConfigError

SECRET = b"0123456789abcdef0123456789abcdef"
NOW_S = 1_700_000_000
PATH, BODY = path_of("compact", "k" * 20), b'{"days": 7}'


def changed(text: bytes, at: int, to: int) -> bytes:
    """Return the text with one byte set to another value."""
    at %= len(text)
    other = to if text[at] != to else (to + 1) % 256
    return text[:at] + bytes([other]) + text[at + 1 :]


def test_what_was_signed_is_taken():
    """Flow and key come back, up to five minutes later or before."""
    headers = signed_headers(SECRET, PATH, BODY, NOW_S)
    for off_s in (-300, 0, 300):
        assert verify(SECRET, headers, PATH, BODY, NOW_S + off_s) == ("compact", "k" * 20)
    for off_s in (-301, 301):
        with pytest.raises(UnsignedError, match="300 s"):
            verify(SECRET, headers, PATH, BODY, NOW_S + off_s)


@given(part=st.sampled_from(["body", "path", "time", "signature", "secret"]), at=st.integers(0, 200),
       to=st.integers(0, 255))  # fmt: skip
def test_any_changed_byte_is_refused(part, at, to):
    """Of body, path with its key, timestamp, signature or secret; the reason names neither secret nor signature."""
    headers = signed_headers(SECRET, PATH, BODY, NOW_S)
    right = headers[SIGNATURE]
    secret, path, body = SECRET, PATH, BODY
    if part == "body":
        body = changed(body, at, to)
    elif part == "path":
        path = changed(path.encode(), at, to).decode("latin-1")
    elif part == "secret":
        secret = changed(secret, at, to)
    else:
        name = TIMESTAMP if part == "time" else SIGNATURE
        headers[name] = changed(headers[name].encode(), at, to).decode("latin-1")
    with pytest.raises(UnsignedError) as error:
        verify(secret, headers, path, body, NOW_S)
    assert SECRET.decode() not in str(error.value)
    assert right not in str(error.value)


@given(cut=st.integers(1, len(PATH)))
def test_no_byte_moves_between_path_and_body(cut):
    """The same signed bytes with the border elsewhere are another request."""
    headers = signed_headers(SECRET, PATH, BODY, NOW_S)
    signed = f"{PATH}.".encode() + BODY
    border = len(PATH) + 1 + min(cut, len(BODY) - 1)
    with pytest.raises(UnsignedError):
        verify(SECRET, headers, signed[:border].decode(), signed[border + 1 :], NOW_S)


@pytest.mark.parametrize("missing", [TIMESTAMP, SIGNATURE])
def test_a_missing_header_is_named(missing):
    """With what it must be."""
    headers = signed_headers(SECRET, PATH, BODY, NOW_S)
    del headers[missing]
    with pytest.raises(UnsignedError, match=missing):
        verify(SECRET, headers, PATH, BODY, NOW_S)


def test_a_short_secret_is_refused(tmp_path, monkeypatch):
    """None, too short, in a file or in the environment; the error does not tell it."""
    monkeypatch.delenv("MPS_WEBHOOK_SECRET", raising=False)
    with pytest.raises(ConfigError, match="32 bytes"):
        read_secret()
    monkeypatch.setenv("MPS_WEBHOOK_SECRET", "tooshort")
    with pytest.raises(ConfigError) as error:
        read_secret()
    assert "tooshort" not in str(error.value)
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    assert read_secret(path) == SECRET
    with pytest.raises(ConfigError, match="No such file"):
        read_secret(tmp_path / "none")
