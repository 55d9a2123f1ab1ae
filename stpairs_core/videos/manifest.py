"""Tables that name videos: `path`, and perhaps `label` and `group`."""

import csv
from collections.abc import Iterable
from pathlib import Path

from stpairs_core.errors import BadFile, MissingPart

Row = dict[str, str | None]

_COLUMNS = ("path", "label", "group")


def read_rows(path: Path) -> list[Row]:
    """The rows of a `.csv` or `.parquet` manifest, with those of the columns `path`, `label` and `group` that it has.

    Other columns may be there. A `BadFile` where it is unreadable, has no column `path`, or a row has no path.
    """
    rows = _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    for number, row in enumerate(rows, 1):
        if not row["path"]:
            raise BadFile(f"row {number} of the manifest {path} has no path")
    return rows


def _csv(path: Path) -> list[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            table = csv.DictReader(file)
            kept = _kept(path, table.fieldnames or ())
            return [{column: row[column] for column in kept} for row in table]
    except (OSError, csv.Error) as error:
        raise BadFile(f"cannot read the manifest {path}: {error}") from error


def _parquet(path: Path) -> list[Row]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPart('a Parquet manifest needs the package "pyarrow": pip install pyarrow') from error
    try:
        with parquet.ParquetFile(path) as file:
            kept = _kept(path, file.schema_arrow.names)
            rows = file.read(columns=kept).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise BadFile(f"cannot read the manifest {path}: {error}") from error
    return [{column: None if row[column] is None else str(row[column]) for column in kept} for row in rows]


def _kept(path: Path, columns: Iterable[str]) -> list[str]:
    names = list(columns)
    if "path" not in names:
        raise BadFile(f"the manifest {path} has no column 'path', only: {', '.join(names) or 'none'}")
    return [column for column in _COLUMNS if column in names]
