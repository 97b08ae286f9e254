"""Messages of an MCAP file that may be incomplete or hostile: all sizes are bounded."""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses
from typing import IO, Any

from mppi_ros.parameters.errors import InputError

MAX_CHUNK_BYTES = 256_000_000  # [bytes] more than the largest costmap in base64


def read_messages(stream: IO[bytes], left: int) -> Iterator[bytes]:
    """Yield the messages of an MCAP file, limited to `left` uncompressed bytes."""
    try:
        from mcap.records import Chunk, Message
        from mcap.stream_reader import StreamReader, breakup_chunk
    except ImportError:
        raise InputError('records are read by the Python package mcap: pip install mcap') from None
    for record in StreamReader(
        stream, emit_chunks=True, record_size_limit=MAX_CHUNK_BYTES
    ).records:
        members = [record]
        if isinstance(record, Chunk):
            data = _unpacked(record)
            left -= len(data)
            if left < 0:
                raise InputError('the uncompressed size of the record is implausible')
            members = breakup_chunk(dataclasses.replace(record, compression='', data=data))
        yield from (member.data for member in members if isinstance(member, Message))


def _unpacked(chunk: Any) -> bytes:
    """Return the content of a chunk; unlike the mcap reader, bound its uncompressed size."""
    size = chunk.uncompressed_size
    if chunk.compression and size > MAX_CHUNK_BYTES:
        raise InputError(f'a chunk of {size / 1e6:g} MB is not a valid record')
    if chunk.compression == 'zstd':
        from zstandard import ZstdDecompressor

        data = ZstdDecompressor().stream_reader(chunk.data).read(size + 1)
    elif chunk.compression == 'lz4':
        from lz4.frame import LZ4FrameDecompressor

        data = LZ4FrameDecompressor().decompress(chunk.data, size + 1)
    else:
        return bytes(chunk.data)
    if len(data) != size:
        raise ValueError(f'a chunk of {size} bytes has a different size')
    return bytes(data)
