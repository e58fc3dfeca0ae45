"""What goes between the process that has the batches and the one that holds the cluster."""

import struct

# A message begins with one of them. To the driver: settings, work, batch.
SETTINGS, WORK, BATCH = b"S", b"W", b"B"
# From it: how many batches it wants at once, an outcome, and why it ends.
READY, OUTCOME, FAULT = b"H", b"O", b"E"

_NUMBER = struct.Struct("<Q")


def numbered(kind: bytes, number: int, content: bytes) -> bytes:
    """Return a message about a batch."""
    return kind + _NUMBER.pack(number) + content


def parted(message: bytes) -> tuple[bytes, bytes]:
    """Return the kind of a message and its content."""
    return message[:1], message[1:]


def number_in(content: bytes) -> tuple[int, bytes]:
    """Return the number of the batch that a content is about, and what it says."""
    (number,) = _NUMBER.unpack_from(content)
    return number, content[_NUMBER.size :]
