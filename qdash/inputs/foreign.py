"""Identifies a file that cannot be read by its first bytes, because its name may be wrong. The answer is for the sentence that refuses the
file, so each kind has its remedy.
"""

import re
from dataclasses import dataclass

_SAVE_PICTURE = "Save it as PNG or JPEG first."
_EXPORT = "Export the picture as PNG or JPEG from the program that made it."
_UNPACK = "Unpack it first."
_SPREADSHEET = "In the spreadsheet choose “Save as” and “CSV UTF-8”."


@dataclass(frozen=True)
class Foreign:
    """A kind of file. `name`: with its article. `pictorial`: a picture, in a format that is not read.

    `is_text`: a plain text may look like this. `of_letters`: it is letters throughout, and yet no plain text.
    """

    name: str
    remedy: str
    pictorial: bool = False
    is_text: bool = False
    of_letters: bool = False
    remedy_for_text: str = ""


def foreign(data: bytes) -> Foreign | None:
    """The kind of a file's bytes; None for kinds that are not known, and for all that is read as a picture or as plain text."""
    for place, magic, kind in _MAGIC:
        if data.startswith(magic, place):
            return kind
    return _media(data) or _archive(data) or _written(data) or _nothing(data)


def _picture(name: str, remedy: str = _SAVE_PICTURE) -> Foreign:
    return Foreign(name, remedy, pictorial=True)


_HEIC = _picture("a HEIC picture", "Save it as JPEG first; an iPhone takes JPEGs with Settings → Camera → Formats → Most Compatible.")
AVIF = _picture("an AVIF picture")
RAW = _picture("a camera's RAW file", "Develop it: export it as JPEG or PNG from a photo program.")
_VIDEO = Foreign("a video", "Extract a still picture from it, such as a screenshot.")
_SOUND = Foreign("a sound file", "Choose a picture.")
_OLD_OFFICE = Foreign("an old Office document (.xls, .doc or .ppt)", _EXPORT, remedy_for_text=_SPREADSHEET)
ZIP = Foreign("a ZIP archive", _UNPACK)
_DATA = "Choose a picture, or export one from it."

_MAGIC: tuple[tuple[int, bytes, Foreign], ...] = (
    (0, b"\x00\x00\x00\x0cJXL ", _picture("a JPEG XL picture")),
    (0, b"\xff\x0a", _picture("a JPEG XL picture")),
    (0, b"\x00\x00\x00\x0cjP  ", _picture("a JPEG 2000 picture")),
    (0, b"\xff\x4f\xff\x51", _picture("a JPEG 2000 picture")),
    (0, b"8BPS", _picture("a Photoshop document", _EXPORT)),
    (0, b"gimp xcf", _picture("a GIMP document", _EXPORT)),
    (0, b"\x00\x00\x01\x00", _picture("an icon (.ico)")),
    (0, b"\x00\x00\x02\x00\x01\x00", _picture("a mouse pointer (.cur)")),
    (0, b"icns", _picture("an icon (.icns)")),
    (0, b"v/1\x01", _picture("an OpenEXR picture")),
    (0, b"#?RADIANCE", _picture("a Radiance HDR picture")),
    (0, b"#?RGBE", _picture("a Radiance HDR picture")),
    (0, b"DDS ", _picture("a DirectDraw texture (.dds)")),
    (0, b"qoif", _picture("a QOI picture")),
    (0, b"BPG\xfb", _picture("a BPG picture")),
    (0, b"\xd7\xcd\xc6\x9a", _picture("a Windows metafile (.wmf)", _EXPORT)),
    (40, b" EMF", _picture("a Windows metafile (.emf)", _EXPORT)),
    (0, b"FUJIFILMCCD-RAW", RAW),
    (0, b"IIRO", RAW),
    (0, b"IIRS", RAW),
    (0, b"MMOR", RAW),
    (0, b"IIU\x00", RAW),
    (8, b"CR\x02\x00", RAW),
    (12, b"CgBI", _picture("a PNG in the form that only iOS apps read (CgBI)", "Take the original picture, from before Xcode packed it.")),
    (128, b"DICM", _picture("a DICOM file", "Export it as PNG or TIFF from a DICOM viewer.")),
    (0, b"SIMPLE  =", _picture("a FITS file", "Export it as PNG or TIFF from an astronomy program.")),
    (0, b"\x93NUMPY", Foreign("a NumPy array (.npy)", "Save it as a picture: PIL.Image.fromarray(array).save('picture.png').")),
    (0, b"\x89HDF\r\n\x1a\n", Foreign("an HDF5 file", _DATA)),
    (0, b"%PDF-", Foreign("a PDF document", "Export the page as PNG or JPEG, or take a screenshot of it.", of_letters=True)),
    (0, b"%!PS", Foreign("a PostScript document", _EXPORT, remedy_for_text="Choose a file of plain text.")),
    (0, b"\xc5\xd0\xd3\xc6", Foreign("a PostScript document", _EXPORT)),
    (0, b"{\\rtf", Foreign("an RTF document", _EXPORT, of_letters=True, remedy_for_text="Save it as plain text.")),
    (0, b"\x1a\x45\xdf\xa3", _VIDEO),
    (0, b"\x00\x00\x01\xba", _VIDEO),
    (0, b"\x00\x00\x01\xb3", _VIDEO),
    (0, b"FLV\x01", _VIDEO),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _VIDEO),
    (0, b"OggS", _SOUND),
    (0, b"ID3", _SOUND),
    (0, b"fLaC", _SOUND),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OLD_OFFICE),
    (0, b"\x09\x08\x10\x00\x00\x06\x05\x00", _OLD_OFFICE),
    (0, b"\x1f\x8b", Foreign("a gzip archive", _UNPACK)),
    (0, b"BZh", Foreign("a bzip2 archive", _UNPACK)),
    (0, b"\xfd7zXZ\x00", Foreign("an xz archive", _UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", Foreign("a 7-Zip archive", _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", Foreign("a Zstandard archive", _UNPACK)),
    (0, b"Rar!\x1a\x07", Foreign("a RAR archive", _UNPACK)),
    (257, b"ustar", Foreign("a tar archive", _UNPACK)),
    (0, b"PAR1", Foreign("a Parquet file", _DATA, remedy_for_text="Write it as JSON lines, in pandas with to_json(…, lines=True).")),
    (0, b"ARROW1", Foreign("an Arrow file", _DATA)),
    (0, b"SQLite format 3\x00", Foreign("an SQLite database", _DATA)),
    (0, b"\x7fELF", Foreign("a program", _DATA)),
    (0, b"L\x00\x00\x00\x01\x14\x02\x00", Foreign("a Windows shortcut (.lnk)", "Choose the file that it points to.")),
    (0, b"\x00\x05\x16\x07", Foreign("what macOS keeps beside a file (its name begins with “._”)", "Choose the file itself.")),
    (0, b"\x00\x05\x16\x00", Foreign("what macOS keeps beside a file", "Choose the file itself.")),
)  # fmt: skip

_BRANDS = {
    b"avif": AVIF, b"avis": AVIF, b"crx ": RAW, b"jxl ": _picture("a JPEG XL picture"),
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"), _HEIC),
    **dict.fromkeys((b"M4A ", b"M4B "), _SOUND),
}  # fmt: skip


def _media(data: bytes) -> Foreign | None:
    if data[4:8] == b"ftyp":
        if data[8:12] in (b"mif1", b"msf1") and b"avif" in data[16:64]:
            return AVIF
        return _BRANDS.get(data[8:12], _VIDEO)
    if data[4:8] in (b"moov", b"mdat"):
        return _VIDEO
    if data[:4] == b"RIFF" and data[8:12] != b"WEBP":
        return _SOUND if data[8:12] == b"WAVE" else _VIDEO
    return None


def _archive(data: bytes) -> Foreign | None:
    """A ZIP file: most are documents, which their first entries tell."""
    if data[:4] not in (b"PK\x03\x04", b"PK\x05\x06"):
        return None
    if b"opendocument.spreadsheet" in data[:200]:
        return Foreign("an OpenDocument spreadsheet (.ods)", _EXPORT, remedy_for_text=_SPREADSHEET)
    documents = {b"xl/": "an Excel workbook (.xlsx)", b"word/": "a Word document (.docx)", b"ppt/": "a PowerPoint presentation (.pptx)"}
    # Names stand before every entry, and all once more at the end.
    for folder, name in documents.items():
        if folder in data[:8192] or folder in data[-8192:]:
            return Foreign(name, _EXPORT, remedy_for_text=_SPREADSHEET if folder == b"xl/" else "Save it as plain text.")
    return ZIP


def _written(data: bytes) -> Foreign | None:
    """Kinds of text."""
    head = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    low = head[:2048].lower()
    if low.startswith(b"version https://git-lfs"):
        return Foreign("a Git LFS pointer to a file", "Fetch the file itself with “git lfs pull”.", of_letters=True)
    if low.startswith((b"<svg", b"<?xml", b"<!doctype svg", b"<!--")) and b"<svg" in head.lower():
        return Foreign("an SVG drawing", "Export it as PNG.", pictorial=True, is_text=True)
    if low.startswith((b"<!doctype html", b"<html", b"<head", b"<table", b"<body")) or (low.startswith(b"<") and b"<html" in low):
        name = "a web page (HTML)"
        return Foreign(name, "Download the picture itself, not the page that shows it.", is_text=True, remedy_for_text=_SPREADSHEET)
    if low.startswith(b"<?xml"):
        spreadsheet = b"spreadsheet" in low
        return Foreign("an XML spreadsheet" if spreadsheet else "an XML document", _DATA, is_text=True, remedy_for_text=_SPREADSHEET)
    if low.startswith(b"data:image/"):
        return Foreign("a data: URI written to a file", "Decode its base64 first.", is_text=True)
    if re.match(rb"p[1-7][\s#]", low):
        return Foreign("a Netpbm picture (.ppm, .pgm or .pbm)", _SAVE_PICTURE, pictorial=True, is_text=True)
    if re.match(rb"\xef\xbf\xbdpng\r?\n|\x89png\n", low) or (low.startswith(b"\xef\xbf\xbd" * 2) and (b"jfif" in low or b"exif" in low)):
        return Foreign(
            "a picture that was copied as text, which changed its bytes", "Copy or download it again, as binary.", pictorial=True
        )
    return None


def _nothing(data: bytes) -> Foreign | None:
    if data and not data.strip(b"\0"):
        return Foreign("a file of nothing but zeros, as failed downloads leave them", "Copy or download it again.")
    return None


def is_plain_text(data: bytes) -> bool:
    """Whether a file is made of letters: what an error says of text that was to be a picture."""
    try:
        head = data[:2048].decode()
    except UnicodeDecodeError as error:
        if error.start < min(len(data), 2048) - 4 or not error.start:
            return False
        head = data[: error.start].decode()
    return bool(head) and all(character.isprintable() or character.isspace() for character in head)
