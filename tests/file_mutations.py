"""Random changes of files: of their bytes, their lines, arrays and what JSON holds."""

import hashlib
import json
import warnings

import numpy as np

NUMBERS = ["-1", "1e9", "nan", "2147483648", "0", "1e400", "-0.5", "1/0", "9" * 30, "inf", ""]
VALUES = [-1.0, 1e9, np.nan, 2.0**31, 0.0, np.inf, 0.5, -(2.0**31)]


#: What several bytes of a text may be overwritten with: letters outside ASCII, ends of lines that
#: are none of a text file, a mark of the order of bytes, bytes that are no UTF-8, zeros.
SEQUENCES = [
    "é∞𝟙".encode(),
    "\u2028\u0085\x0b".encode(),
    "\ufeff".encode(),
    b"\xff\xfe\x00\x00",
    b"\xc0\x80\xed\xa0\x80",
    b"\r\n\r",
    bytes(64),
    b"\xff" * 64,
    b"PK\x05\x06",
]


def mutate_bytes(content, rng):
    """Flip bits, cut at an end, or drop, double, overwrite, insert or swap pieces."""
    if not content:
        return bytes(rng.integers(0, 256, 8, dtype=np.uint8))
    longest = 40 if rng.random() < 0.7 else max(len(content) // 3, 1)
    start = int(rng.integers(len(content)))
    stop = min(start + int(rng.integers(1, longest + 1)), len(content))
    piece, how = content[start:stop], int(rng.integers(9))
    if how == 0:
        changed = bytearray(content)
        for place in rng.integers(0, len(content), int(rng.integers(1, 4))):
            changed[place] ^= 1 << int(rng.integers(8))
        return bytes(changed)
    if how == 1:
        return content[:start]
    if how == 2:
        return content[start:]
    if how == 3:
        return swap_pieces(content, rng)
    others = {
        4: b"",
        5: 2 * piece,
        6: bytes(rng.integers(0, 256, len(piece), "u1")),
        7: SEQUENCES[int(rng.integers(len(SEQUENCES)))],
        8: piece + SEQUENCES[int(rng.integers(len(SEQUENCES)))],
    }
    return content[:start] + others[how] + content[stop:]


def swap_pieces(content, rng):
    """Swap two neighbouring pieces of bytes, or of lines."""
    a, b, c = sorted(int(place) for place in rng.integers(0, len(content) + 1, 3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def mutate_text(text, rng):
    """Drop, double or swap lines or sections, or replace a number."""
    lines = text.split("\n")
    at, how = int(rng.integers(len(lines))), int(rng.integers(6))
    if how == 0:
        del lines[at]
    elif how == 1:
        lines.insert(at, lines[int(rng.integers(len(lines)))])
    elif how == 2:
        other = int(rng.integers(len(lines)))
        lines[at], lines[other] = lines[other], lines[at]
    elif how == 3:
        lines = swap_pieces(lines, rng)
    else:
        words = lines[at].split(" ")
        words[int(rng.integers(len(words)))] = str(rng.choice(NUMBERS))
        lines[at] = " ".join(words)
    return "\n".join(lines)


def mutate_text_file(path, rng):
    content = path.read_bytes()
    if rng.random() < 0.3:
        path.write_bytes(mutate_bytes(content, rng))
    else:
        path.write_bytes(mutate_text(content.decode("utf-8"), rng).encode("utf-8"))


def mutate_array(array, rng):
    """Replace entries, or change the shape or the type."""
    how = int(rng.integers(8))
    if how < 4 and array.size and array.dtype.kind in "fiub":
        changed = array.copy()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            value = np.array(rng.choice(VALUES)).astype(array.dtype)
        changed.reshape(-1)[int(rng.integers(array.size))] = value
        return changed
    if how == 4 and array.ndim:
        return np.delete(array, 0, axis=int(rng.integers(array.ndim))) if array.size else array
    if how == 5:
        return array[None] if rng.random() < 0.5 else array.reshape(-1)
    if how == 6:
        kinds = ["f4", "i8", "c16", "U8", "?", "u1", "f8", "M8[s]"]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                return array.astype(str(rng.choice(kinds)))
            except (ValueError, TypeError):
                return array
    return np.concatenate([array.reshape(-1)] * 2)


def mutate_json(value, rng):
    """Replace one entry somewhere in what JSON holds."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = str(rng.choice(list(value)))
        if rng.random() < 0.1:
            return {name: entry for name, entry in value.items() if name != key}
        return value | {key: mutate_json(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = int(rng.integers(len(value)))
        return [*value[:place], mutate_json(value[place], rng), *value[place + 1 :]]
    others = [-1, 10**9, float("nan"), 2**31, None, "x", [], {}, True, 0.5, 10**400, 1e308]
    return others[int(rng.integers(len(others)))]


def mutate_npz(path, rng):
    """Change the bytes, or an array, or the mapping, mostly without the digest."""
    if rng.random() < 0.3:
        path.write_bytes(mutate_bytes(path.read_bytes(), rng))
        return
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    meta = json.loads(str(arrays["meta"])) if "meta" in arrays else None
    if meta is not None and rng.random() < 0.9:
        meta.pop("digest", None)
    if meta is not None and rng.random() < 0.4:
        meta = mutate_json(meta, rng)
    else:
        name = str(rng.choice([name for name in arrays if name != "meta"]))
        other, how = str(rng.choice(list(arrays))), rng.random()
        if how < 0.1:
            del arrays[name]
        elif how < 0.2 and other != "meta":
            arrays[name], arrays[other] = arrays[other], arrays[name]
        else:
            arrays[name] = mutate_array(arrays[name], rng)
    if meta is not None:
        arrays["meta"] = np.array(json.dumps(meta))
    np.savez(path, **arrays)


def mutate_npy(path, rng):
    if rng.random() < 0.5:
        path.write_bytes(mutate_bytes(path.read_bytes(), rng))
    else:
        np.save(path, mutate_array(np.load(path), rng))


def mutate_mapped(folder, rng):
    """Change one file of the folder, or swap two; sometimes the description is sealed anew."""
    files = sorted(folder.iterdir())
    file, other = (files[int(place)] for place in rng.integers(len(files), size=2))
    if rng.random() < 0.1:
        content = file.read_bytes(), other.read_bytes()
        other.write_bytes(content[0])
        file.write_bytes(content[1])
    elif file.name == "model.json" and rng.random() < 0.8:
        fields = mutate_json(json.loads(file.read_text()), rng)
        if isinstance(fields, dict):
            fields.pop("seal", None)
            text = json.dumps(fields, sort_keys=True)
            fields["seal"] = hashlib.sha256(text.encode()).hexdigest()
        file.write_text(json.dumps(fields))
    elif file.suffix == ".npy" and rng.random() < 0.5:
        np.save(file, mutate_array(np.load(file), rng))
    elif file.suffix == "" and rng.random() < 0.7:
        kind = np.float64 if file.name == "data" else np.int32
        mutate = mutate_array(np.fromfile(file, dtype=kind), rng)
        mutate.astype(kind, casting="unsafe").tofile(file) if mutate.dtype.kind in "fiub" else None
    else:
        file.write_bytes(mutate_bytes(file.read_bytes(), rng))
