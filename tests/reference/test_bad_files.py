"""Files with one thing wrong each are refused by row and column, and nothing of them is kept."""

import random

import pytest

from processors.reference.load import import_files
from processors.reference.table import ReferenceFileError
from tests.reference.bad_files import MemoryStore, bad_file, fault
from tests.reference.good_files import FORMS, SUFFIXES, encoded


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("form", FORMS)
def test_a_good_file_is_taken(tmp_path, form, suffix):
    """The files that are made wrong are right before, in each form and format, whatever the seed."""
    for seed in range(5):
        rows = FORMS[form](random.Random(seed))
        path = tmp_path / f"good{suffix}"
        path.write_bytes(encoded(rows, suffix))
        store = MemoryStore()
        assert import_files([path], store).rows == {str(path): len(rows)}
        assert len(store.records) >= len(rows)


def test_the_same_rows_in_any_format_are_the_same_records(tmp_path):
    """The same rows as CSV, JSON lines and Parquet are the same records."""
    for form, make in FORMS.items():
        kept = []
        for suffix in SUFFIXES:
            path = tmp_path / f"{form}{suffix}"
            path.write_bytes(encoded([r | ({"source": "x"} if "source" in r else {}) for r in make(random.Random(3))],
                                     suffix))  # fmt: skip
            store = MemoryStore()
            import_files([path], store)
            kept.append([(r.key, getattr(r, "value", None)) for r in store.records])
        assert kept[0] == kept[1] == kept[2]


def test_a_fourth_quarter_and_its_year_are_taken_together(tmp_path):
    """They end on one date and may be known at once: two figures. One without a period is of a year."""
    quarter = FORMS["fundamentals"](random.Random(3))[3]
    year = quarter | {"period": quarter["period"].replace("Q4", "FY"), "value": "9.5"}
    path, store = tmp_path / "figures.csv", MemoryStore()
    path.write_bytes(encoded([quarter, year], ".csv"))
    import_files([path], store)
    assert [r.period[4:] for r in store.records] == ["Q4", "FY"]
    assert len({r.key for r in store.records}) == 2
    path.write_bytes(encoded([quarter, year, year | {"period": ""}], ".csv"))
    with pytest.raises(ReferenceFileError, match="each record once"):
        import_files([path], store)


@pytest.mark.parametrize("part", range(4))
def test_a_file_with_one_thing_wrong_is_refused_by_row_and_column(tmp_path, part):
    """A file with one thing wrong is refused, naming its row and column; the good file beside it is not kept either."""
    wrong = {seed: fault(bad_file(seed), tmp_path) for seed in range(100 * part, 100 * part + 100)}
    assert {seed: said for seed, said in wrong.items() if said} == {}


@pytest.mark.slow
def test_ten_thousand_files_with_one_thing_wrong_are_refused(tmp_path):
    """Ten thousand files with one thing wrong each are refused, naming row and column, with nothing kept."""
    refused = 0
    for seed in range(10_000):
        said = fault(bad_file(seed), tmp_path)
        assert said == "", f"seed {seed}: {said}"
        refused += 1
    assert refused == 10_000


def test_what_is_wrong_differs_from_file_to_file():
    """The generator makes wrong every column of every form, in each format, and the files themselves."""
    told = {bad_file(seed).what.split(" ")[0] for seed in range(3000)}
    assert len(told) > 55
