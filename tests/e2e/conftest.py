"""Fixtures of the end-to-end tests."""

from tests.contract.conftest import model

__all__ = ["model"]
