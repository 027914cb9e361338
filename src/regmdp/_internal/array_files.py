"""Files of NumPy arrays, without pickles: ``.npy``, ``.npz``, and ``.npz`` with a JSON mapping.

Headers are read and checked before any array is: its type, and its declared size against that of
the file and the memory that is left.
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

from regmdp._internal.arrays import freeze
from regmdp._internal.communicator import ALONE, Communicator
from regmdp._internal.errors import FormatError, RegmdpError
from regmdp._internal.files import replace_atomically, require_file
from regmdp._internal.memory import require_memory

__all__ = [
    "ArrayHeader",
    "make_arrays_writer",
    "read_array",
    "read_array_header",
    "read_arrays",
    "read_named_arrays",
    "read_names",
    "read_result",
    "take_array",
    "take_field",
    "write_arrays",
    "write_named_arrays",
]

Result = TypeVar("Result")


@runtime_checkable
class RowSource(Protocol):
    """An array that is written row by row, as it is not whole in any process.

    Attributes:
        shape: The shape.
        dtype: The type of the entries.
        communicator: The processes that have rows of it.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    communicator: Communicator

    def iterate_rows(self) -> Iterator[np.ndarray]:
        """Iterate over runs of rows, in order, in the first process; the others send theirs."""
        ...


#: Version of the layout; a reader refuses a newer one.
FORMAT = 1
#: Name of the JSON mapping among the arrays.
META = "meta"
#: Name of the SHA-256 of the content in the mapping.
DIGEST = "digest"
#: Kinds of arrays that are read: booleans, integers, real numbers, text.
READ_KINDS = "biufUS"
#: Longest header of an array, in bytes; those of plain arrays have fewer than 128.
MAX_HEADER_LENGTH = 10_000


class ArrayHeader(NamedTuple):
    """What a ``.npy`` file says about its array.

    Attributes:
        shape: The shape.
        fortran_order: Whether the first index varies fastest.
        dtype: The type of the entries.
        offset: The number of bytes before the first entry.
    """

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    offset: int

    @property
    def n_bytes(self) -> int:
        """The size of the entries in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_array_header(file: IO[bytes], size: int) -> ArrayHeader:
    """Read and check the header of a ``.npy`` file.

    Args:
        file: The file, at its beginning; afterwards at the first entry.
        size: The size of the file in bytes.

    Raises:
        ValueError: if it is not the header of an array of plain numbers or text, or announces
            another size than the file has.
    """
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        read = readers[np.lib.format.read_magic(file)]
        shape, fortran_order, dtype = read(file, max_header_size=MAX_HEADER_LENGTH)
    except Exception as error:  # NumPy's parser raises many kinds for damaged headers
        raise ValueError(f"its header is damaged: {error}") from error
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are not read (allow_pickle=False)")
    if dtype.kind not in READ_KINDS:
        raise ValueError(f"it holds entries of the type {dtype}, which are not read")
    if any(type(length) is not int or length < 0 for length in shape):  # True is an int, too
        raise ValueError(f"its header announces the shape {shape}")
    header = ArrayHeader(shape, fortran_order, dtype, file.tell())
    if header.n_bytes != size - header.offset:
        raise ValueError(
            f"its header announces an array of shape {shape}, {header.n_bytes:,} bytes, but "
            f"{size - header.offset:,} follow"
        )
    return header


def read_array(path: str | PathLike[str]) -> np.ndarray:
    """Read the array of a ``.npy`` file.

    Raises:
        FileNotFoundError: if there is no such file.
        FormatError: if it is damaged, or its entries are not plain numbers or text.
        InsufficientMemoryError: if it does not fit into memory.
    """
    path = require_file(path)
    try:
        with open(path, "rb") as file:
            header = read_array_header(file, path.stat().st_size)
            require_memory(f"the entries of {path}", header.n_bytes)
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
    except RegmdpError:
        raise
    except Exception as error:  # NumPy raises many kinds for damaged files
        raise FormatError(f"{path} is not a file of an array, or it is damaged: {error}") from error


def read_names(path: str | PathLike[str]) -> list[str]:
    """Return the names of the arrays of a ``.npz`` file."""
    return list(_read_archive(require_file(path), ()))


def read_named_arrays(
    path: str | PathLike[str], names: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """Read the arrays of a ``.npz`` file by name, or only some of them.

    Args:
        path: The file.
        names: The arrays to read, by default all; names that are not in the file are skipped.

    Raises:
        FileNotFoundError: if there is no such file.
        FormatError: if it is damaged, or entries are not plain numbers or text.
        InsufficientMemoryError: if the arrays do not fit into memory.
    """
    path = require_file(path)
    arrays = _read_archive(path, names)
    return {name: array for name, array in arrays.items() if array is not None}


def _read_archive(path: Path, names: Collection[str] | None) -> dict[str, np.ndarray | None]:
    """Return the arrays of an archive by name, with None for those that are not to be read."""
    try:
        # opened here: zipfile does not close a damaged file
        with open(path, "rb") as file:
            if file.read(2) != b"PK":
                raise ValueError("it is not a .npz archive")
            with zipfile.ZipFile(file) as archive:
                members = _find_members(archive)
                wanted = [name for name in members if names is None or name in names]
                size = sum(_check_member(archive, name, members[name]) for name in wanted)
                require_memory(f"the arrays of {path}", size)
                arrays: dict[str, np.ndarray | None] = dict.fromkeys(members)
                for name in wanted:
                    with archive.open(members[name]) as member:
                        arrays[name] = np.lib.format.read_array(member, allow_pickle=False)
                return arrays
    except RegmdpError:
        raise
    # zipfile, zlib and NumPy each raise their own exceptions for a damaged file
    except Exception as error:
        raise FormatError(
            f"{path} is not a file of NumPy arrays, or it is damaged: {error}"
        ) from error


def _find_members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the arrays of an archive by name."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name == info.filename:
            raise ValueError(f"it holds {info.filename!r}, which is not an array")
        if name in members:
            raise ValueError(f"it holds {name!r} twice")
        members[name] = info
    return members


def _check_member(archive: zipfile.ZipFile, name: str, info: zipfile.ZipInfo) -> int:
    """Check the header of an array in an archive, and return the size of its entries in bytes."""
    with archive.open(info) as member:
        try:
            return read_array_header(member, info.file_size).n_bytes
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error


def write_named_arrays(path: str | PathLike[str], arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name to a ``.npz`` file, which is replaced whole or not at all."""
    replace_atomically(path, partial(_write_archive, arrays))


def _write_archive(arrays: Mapping[str, np.ndarray], file: IO[bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                if isinstance(array, RowSource):
                    _write_rows(array, member)
                else:
                    np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)


def _write_rows(source: RowSource, file: IO[bytes]) -> None:
    """Write a ``.npy`` file row by row."""
    header = {"descr": source.dtype.str, "fortran_order": False, "shape": source.shape}
    np.lib.format.write_array_header_1_0(file, header)
    for rows in source.iterate_rows():
        file.write(np.ascontiguousarray(rows).data.cast("B"))


def write_arrays(
    path: str | PathLike[str], kind: str, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]
) -> None:
    """Write named arrays and a mapping that JSON can hold as a file of this kind.

    If several processes have the rows of an array, all of them call this, and the first one writes.
    """
    sources = [array for array in arrays.values() if isinstance(array, RowSource)]
    communicator = sources[0].communicator if sources else ALONE
    with communicator.session():
        if communicator.leads:
            replace_atomically(path, make_arrays_writer(kind, arrays, meta))
            return
        for source in (*sources, *sources):  # rows are read for the digest, and to be written
            for _ in source.iterate_rows():
                pass


def make_arrays_writer(
    kind: str, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]
) -> Callable[[IO[bytes]], None]:
    """Return a function that writes what :func:`write_arrays` writes to an open file.

    The file holds a SHA-256 of its content, which :func:`read_arrays` compares.
    """
    content = {
        name: array if isinstance(array, RowSource) else np.asarray(array)
        for name, array in arrays.items()
    }
    header = {"kind": kind, "format": FORMAT, **meta}
    header[DIGEST] = _compute_digest(content, header)
    return partial(_write_archive, {**content, META: np.array(json.dumps(header))})


def read_arrays(
    path: str | PathLike[str], kind: str
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read back what :func:`write_arrays` wrote.

    Raises:
        FormatError: if the file is damaged, of another kind, or from a newer version, or its
            content is not what was written.
    """
    arrays = read_named_arrays(path)
    try:
        meta = json.loads(str(arrays.pop(META)))
        digest = meta.pop(DIGEST, None)
        changed = digest is not None and digest != _compute_digest(arrays, meta)
        found, layout = meta.pop("kind"), meta.pop("format")
    except (KeyError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise FormatError(f"{path} is not a regmdp file, or it is damaged: {error}") from error
    if found != kind:
        raise FormatError(f"{path} holds a {found}, not a {kind}")
    if isinstance(layout, bool) or not isinstance(layout, int) or layout > FORMAT:
        raise FormatError(
            f"{path} was written by a newer version of regmdp (format {layout}, this one reads up "
            f"to {FORMAT})"
        )
    if changed:
        raise FormatError(
            f"{path} was changed after it was written: its content does not have the digest that "
            f"it holds; write it again, or remove {DIGEST!r} from its {META!r} if you changed it"
        )
    return arrays, meta


def _compute_digest(arrays: Mapping[str, Any], meta: Mapping[str, Any]) -> str:
    """Return a SHA-256 of arrays, their names, types and shapes, and of a mapping."""
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        parts = array.iterate_rows() if isinstance(array, RowSource) else [array]
        for part in parts:
            digest.update(np.ascontiguousarray(part).data.cast("B") if part.size else b"")
    return digest.hexdigest()


def take_array(
    arrays: Mapping[str, np.ndarray], name: str, shape: Sequence[int | None], kinds: str = "f"
) -> np.ndarray:
    """Return an array of a file, after checking its shape and the kind of its entries.

    Args:
        arrays: The arrays of the file.
        name: Which one.
        shape: Its shape; None stands for any length.
        kinds: The kinds of entries that it may have, as in ``dtype.kind``: by default real numbers.

    Raises:
        KeyError: if there is no such array.
        ValueError: if its shape or its kind is another.

    Examples:
        >>> take_array({"value": np.zeros(3)}, "value", (None, 2))
        Traceback (most recent call last):
        ValueError: value has shape (3,), not (any, 2)
    """
    array = arrays[name]
    fits = array.ndim == len(shape) and all(
        wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=False)
    )
    if not fits:
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise ValueError(
            f"{name} has shape {array.shape}, not ({wanted}{',' if len(shape) == 1 else ''})"
        )
    if array.dtype.kind not in kinds:
        raise ValueError(f"{name} holds entries of the type {array.dtype}")
    return array


def take_field(meta: Mapping[str, Any], name: str, kind: type[Result]) -> Result:
    """Return an entry of the mapping of a file, after checking its type.

    Raises:
        KeyError: if there is no such entry.
        TypeError: if its type is another.

    Examples:
        >>> take_field({"steps": "many"}, "steps", int)
        Traceback (most recent call last):
        TypeError: steps must be int, not 'many'
    """
    value = meta[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{name} must be {kind.__name__}, not {value!r}")
    return value


def read_result(
    path: str | PathLike[str],
    kind: str,
    unpack: Callable[[dict[str, np.ndarray], dict[str, Any]], Result],
) -> Result:
    """Read a file of this kind, and return what a function makes of its arrays and its mapping.

    Args:
        path: Where it is.
        kind: What it must hold.
        unpack: Called with the arrays, which cannot be written to, and the mapping. It checks
            them; its errors become those of the file.

    Raises:
        FormatError: if the file is damaged, of another kind, from a newer version, lacks a part, or
            its parts contradict each other.
    """
    arrays, meta = read_arrays(path, kind)
    try:
        return unpack({name: freeze(array) for name, array in arrays.items()}, meta)
    except FormatError:
        raise
    except KeyError as error:
        raise FormatError(
            f"{path} is not a complete {kind}: {error} is missing or wrong"
        ) from error
    except (RegmdpError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"{path} does not hold a consistent {kind}: {error}") from error
