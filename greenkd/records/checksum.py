"""Checksums within records: whatever a disk or another program has changed in one is noticed when it is read.

A line of a `.jsonl` file ends in `,"check":"1c291ca3"}`: the CRC-32 of the line as it stands without that part and
without its end. A JSON document ends likewise, on lines of its own. Every error of one byte is found, and of a longer
one all but one in four thousand million. Records of earlier versions have no checksum and are read as they are.
"""

import enum
import re
import zlib

KEY = "check"

_CHECK = re.compile(rb',\s*"check":\s*"([0-9a-f]{8})"(\s*\}\s*)\Z')
_LONGEST = 64  # bytes of a checksum with what surrounds it


class CheckResult(enum.Enum):
    """What a checksum says of the record that bears it."""

    AS_WRITTEN = "as written"
    WITHOUT = "without a checksum"
    CHANGED = "changed since it was written"


def with_check(record: bytes) -> bytes:
    """Returns a JSON object with its checksum as the last entry.

    Args:
        record: The object as text; what stands before its last brace decides whether the entry has a line of its own.
    """
    body = record[: record.rindex(b"}")].rstrip()
    end = record[len(body) :]
    comma, space = (b",\n  ", b" ") if end.startswith(b"\n") else (b",", b"")
    return body + comma + f'"{KEY}":'.encode() + space + f'"{zlib.crc32(record):08x}"'.encode() + end


def verify(record: bytes) -> CheckResult:
    """Holds a record, as it stands in its file, against its checksum.

    Args:
        record: A line without its line break, or a whole document.
    """
    # As lines end, of which an analysis reads many
    if record[-20:-10] == b',"check":"' and record[-2:] == b'"}':
        crc = zlib.crc32(b"}", zlib.crc32(record[:-20]))
        return CheckResult.AS_WRITTEN if record[-10:-2] == b"%08x" % crc else CheckResult.CHANGED

    start = max(len(record) - _LONGEST, 0)
    found = _CHECK.search(record[start:])
    if found is None:
        return CheckResult.WITHOUT

    without = record[: start + found.start()] + found[2]
    return CheckResult.AS_WRITTEN if zlib.crc32(without) == int(found[1], 16) else CheckResult.CHANGED
