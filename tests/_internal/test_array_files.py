"""Files of arrays: what they announce is compared with what they hold before it is allocated."""

import io
import zipfile

import numpy as np
import pytest

import regmdp as rm
from regmdp._internal import memory
from regmdp._internal.array_files import (
    read_array,
    read_arrays,
    read_named_arrays,
    read_names,
    take_array,
    take_field,
    write_arrays,
    write_named_arrays,
)


def npy(array, **changes):
    """Return the bytes of a .npy file; ``changes`` replace parts of its header."""
    file = io.BytesIO()
    header = np.lib.format.header_data_from_array_1_0(array) | changes
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + array.tobytes()


def npz(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)


def test_round_trip(tmp_path):
    arrays = {
        "floats": np.array([[1.5, -0.0], [np.inf, 5e-324]]),
        "integers": np.arange(3),
        "mask": np.array([True, False]),
        "text": np.array("ä"),
        "empty": np.zeros((0, 3)),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    }
    write_named_arrays(tmp_path / "a.npz", arrays)
    assert read_names(tmp_path / "a.npz") == list(arrays)
    back = read_named_arrays(tmp_path / "a.npz")
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == array.dtype
    assert list(read_named_arrays(tmp_path / "a.npz", ["mask", "other"])) == ["mask"]
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["floats"], arrays["floats"])
    write_arrays(tmp_path / "b.npz", "thing", arrays, {"number": 1})
    back, meta = read_arrays(tmp_path / "b.npz", "thing")
    assert list(back) == list(arrays)
    assert meta == {"number": 1}


WRONG = {
    "a larger shape": npy(np.zeros(3), shape=(4,)),
    "a smaller shape": npy(np.zeros(3), shape=(2,)),
    "a huge shape": npy(np.zeros(3), shape=(10**18,)),
    "a shape beyond 64 bits": npy(np.zeros(3), shape=(10**12, 10**12)),
    "a negative shape": npy(np.zeros(3), shape=(-3,)),
    "a boolean shape": npy(np.zeros(1), shape=(True,)),
    "Python objects": npy(np.zeros(3), descr="|O"),
    "complex numbers": npy(np.zeros(2, complex)),
    "dates": npy(np.zeros(2, "M8[s]")),
    "structures": npy(np.zeros(2, [("a", "f8")])),
    "a long header": npy(np.zeros(3), descr="<f8" + " " * 20_000),
    "a header that is no literal": npy(np.zeros(3)).replace(b"'descr'", b"open()="),
    "nothing": b"",
    "another file": b"\x93NUMPX" + bytes(200),
    "a version to come": b"\x93NUMPY\x09\x00" + npy(np.zeros(3))[8:],
    "no entries": npy(np.zeros(3))[:-24],
    "half an entry": npy(np.zeros(3))[:-4],
    "more than it announces": npy(np.zeros(3)) + b"more",
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_wrong_arrays_are_refused(tmp_path, case, compression):
    (tmp_path / "a.npy").write_bytes(WRONG[case])
    with pytest.raises(rm.FormatError, match=r"a\.npy"):
        read_array(tmp_path / "a.npy")
    npz(tmp_path / "a.npz", [("good.npy", npy(np.zeros(3))), ("x.npy", WRONG[case])], compression)
    with pytest.raises(rm.FormatError, match=r"a\.npz.*x: "):
        read_named_arrays(tmp_path / "a.npz")
    assert read_named_arrays(tmp_path / "a.npz", ["good"])["good"].size == 3


def test_archives_of_other_things_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    npz(path, [("notes.txt", b"hello")])
    with pytest.raises(rm.FormatError, match=r"holds 'notes\.txt', which is not an array"):
        read_names(path)
    with pytest.warns(UserWarning, match="Duplicate name"):
        npz(path, [("x.npy", npy(np.zeros(3))), ("x.npy", npy(np.ones(3)))])
    with pytest.raises(rm.FormatError, match="holds 'x' twice"):
        read_names(path)
    path.write_bytes(b"text")
    with pytest.raises(rm.FormatError, match=r"it is not a \.npz archive"):
        read_names(path)
    with pytest.raises(FileNotFoundError, match="is a folder, not a file"):
        read_names(tmp_path)


def test_what_unpacks_to_more_than_there_is_memory_is_refused(tmp_path, monkeypatch):
    """A few KiB that hold 100 MiB of zeros."""
    path = tmp_path / "bomb.npz"
    zeros = npy(np.zeros(0), shape=(100 << 17,)) + bytes(100 << 20)
    npz(path, [("x.npy", zeros)], zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 17
    assert not read_named_arrays(path)["x"].any()
    monkeypatch.setattr(memory, "available_memory", lambda: 64 << 20)
    with pytest.raises(rm.InsufficientMemoryError, match=r"bomb\.npz need 100 MiB .* 64 MiB"):
        read_named_arrays(path)
    (tmp_path / "bomb.npy").write_bytes(zeros)
    with pytest.raises(rm.InsufficientMemoryError, match=r"bomb\.npy need 100 MiB"):
        read_array(tmp_path / "bomb.npy")


def test_an_archive_that_lies_about_its_size_is_refused(tmp_path):
    content = npy(np.zeros(1000))
    npz(tmp_path / "a.npz", [("x.npy", content)])
    whole = (tmp_path / "a.npz").read_bytes()
    size = len(content).to_bytes(4, "little")
    assert whole.count(size) >= 2
    for other in (len(content) - 800, len(content) + 8 * 10**8):
        (tmp_path / "a.npz").write_bytes(whole.replace(size, other.to_bytes(4, "little")))
        with pytest.raises(rm.FormatError):
            read_named_arrays(tmp_path / "a.npz")


def test_the_digest_of_a_file_is_compared(tmp_path):
    path = tmp_path / "a.npz"
    write_arrays(path, "thing", {"x": np.arange(3.0), "y": np.zeros(2)}, {"number": 1})
    arrays = dict(np.load(path))
    for change in (
        {"x": np.array([0.0, 1.0, 2.5])},
        {"x": np.arange(3.0).reshape(3, 1)},
        {"x": np.arange(3)},
        {"z": np.zeros(0)},
        {"meta": np.array(str(arrays["meta"]).replace('"number": 1', '"number": 2'))},
    ):
        np.savez(path, **arrays | change)
        with pytest.raises(rm.FormatError, match="was changed after it was written"):
            read_arrays(path, "thing")
    np.savez(path, x=arrays["x"], meta=arrays["meta"])
    with pytest.raises(rm.FormatError, match="was changed after it was written"):
        read_arrays(path, "thing")
    # a file that others write needs no digest
    np.savez(path, x=arrays["x"], meta=np.array('{"kind": "thing", "format": 1}'))
    assert read_arrays(path, "thing")[1] == {}


@pytest.mark.parametrize(
    "meta", ["", "[]", "3", "null", '{"kind": "thing"}', "[" * 100_000, '{"format": 1}']
)
def test_wrong_mappings_are_refused(tmp_path, meta):
    np.savez(tmp_path / "a.npz", meta=np.array(meta))
    with pytest.raises(rm.FormatError, match=r"a\.npz is not a regmdp file"):
        read_arrays(tmp_path / "a.npz", "thing")


@pytest.mark.parametrize("layout", ["2", "true", "null", "1.5", '"1"'])
def test_a_version_that_is_no_version_is_refused(tmp_path, layout):
    np.savez(tmp_path / "a.npz", meta=np.array(f'{{"kind": "thing", "format": {layout}}}'))
    with pytest.raises(rm.FormatError, match="newer version"):
        read_arrays(tmp_path / "a.npz", "thing")


def test_arrays_and_entries_are_taken_by_shape_and_type():
    arrays = {"x": np.zeros((2, 3)), "n": np.arange(2)}
    assert take_array(arrays, "x", (None, 3)) is arrays["x"]
    assert take_array(arrays, "n", (2,), "iu") is arrays["n"]
    for name, shape, kinds in (("x", (3, None), "f"), ("x", (2,), "f"), ("n", (2,), "f")):
        with pytest.raises(ValueError, match=f"{name} h"):
            take_array(arrays, name, shape, kinds)
    with pytest.raises(KeyError):
        take_array(arrays, "y", (2,))
    assert take_field({"a": 1}, "a", int) == 1
    for value in (True, 1.0, None, "1"):
        with pytest.raises(TypeError, match="a must be int"):
            take_field({"a": value}, "a", int)
