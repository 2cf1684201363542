"""Downloads that end: with a limit on their size and on their time, whatever the server does."""

import time

import requests
import urllib3
from tqdm import tqdm

__all__ = ["DownloadRefused", "limited"]

MOST_BYTES = 64 * 2**20  # of one file; the largest that the book asks for has 4 MiB
MOST_S = 600.0  # seconds for one file
SILENCE_S = 30.0  # seconds without a byte
PIECE = 2**16  # bytes


class DownloadRefused(OSError):
    """A file that is larger, or takes longer, than any that is asked for."""


def limited(address, file, _=None, *, most_bytes=None, most_s=None):
    """Download one file; a downloader for `pooch`, which keeps a file only if its hash is right.

    Parameters
    ----------
    address : str
    file : path
    most_bytes : int, optional
        Of the file as it is stored, unpacked. Default: `MOST_BYTES`.
    most_s : float, optional
        Seconds in all. Default: `MOST_S`.

    Raises
    ------
    DownloadRefused
        A limit is reached: the message says which.
    OSError
        No connection, no answer for `SILENCE_S`, or an HTTP error.
    """
    most_bytes, most_s = most_bytes or MOST_BYTES, most_s or MOST_S
    end = time.monotonic() + most_s
    with (
        requests.get(address, stream=True, timeout=SILENCE_S) as answer,
        open(file, "wb") as kept,
        tqdm(unit="B", unit_scale=True, desc=address.rsplit("/", 1)[-1]) as bar,
    ):
        answer.raise_for_status()
        try:
            # read1 returns what has come: a server that sends byte by byte cannot hold it up
            while piece := answer.raw.read1(PIECE, decode_content=True):
                bar.update(len(piece))
                if bar.n > most_bytes:
                    raise DownloadRefused(f"larger than {most_bytes:,} bytes: not downloaded")
                if time.monotonic() > end:
                    raise DownloadRefused(f"not complete after {most_s:g} s: given up")
                kept.write(piece)
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(error) from None
