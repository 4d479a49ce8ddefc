"""Contracts as data: Avro records, topics, catalogs, instruments. Code here only reads them."""
