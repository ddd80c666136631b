# SPDX-License-Identifier: Apache-2.0
"""Let procctl guard this Python process.

    import procctl

    with procctl.Heart("importer", timeout=30) as heart:
        for row in rows:
            work(row)
            heart.beat()  # in the loop that can hang, not in a timer

A binding of libprocctl_heartbeat through ctypes; the library's header says what each call means.
Needs Python 3.9 and no compiler: put this file anywhere on sys.path. Where the library or the
guardian is absent every call still works and guards nothing. Calls that an older library does not
know do nothing.

The library is looked for in $PROCCTL_HEARTBEAT_LIBRARY if that is set (and nowhere if it is set but
empty), else beside this file, in the lib folders of the prefix this file is installed in, and where
the loader looks.

Threads: one heart may be used by any of them, though then it only says that one of them lives.
fork: the child's hearts are cut off from the parent's and guard nothing; it opens its own.
Signal handlers may use a heart, but not open or close one.
"""

import ctypes
import datetime
import glob
import math
import os
import threading
import time
import weakref
from typing import List, Optional, Union

__all__ = ["Heart", "NAME_MAX"]

NAME_MAX = 63
"""Longest name of a heart, in bytes of UTF-8."""

Seconds = Union[int, float, datetime.timedelta]

_SONAME = "libprocctl_heartbeat.so.1"
_MOST_MS = 0xFFFFFFFF
_BEATS_OFFSET = 16
_PROGRESS_OFFSET = 24
_TEND_SECONDS = 1.0


class _CHeart(ctypes.Structure):
    _fields_ = [("page", ctypes.c_void_p), ("slot", ctypes.c_uint64), ("fd", ctypes.c_int)]


class _COptions(ctypes.Structure):
    _fields_ = [
        ("timeout_ms", ctypes.c_uint32),
        ("progress_timeout_ms", ctypes.c_uint32),
        ("start_grace_ms", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 5),
    ]


_HEART = ctypes.POINTER(_CHeart)
_INT = ctypes.c_int
_TEXT = ctypes.c_char_p

# What every version of the library has, and what came later: (result, arguments).
_BASE = {
    "procctl_open": (_INT, [_HEART, _TEXT, ctypes.c_uint32]),
    "procctl_open_error": (_TEXT, []),
    "procctl_close": (None, [_HEART]),
    "procctl_is_guarded": (_INT, [_HEART]),
    "procctl_note": (None, [_HEART, _TEXT]),
}
_LATER = {
    "procctl_open_with": (_INT, [_HEART, _TEXT, ctypes.POINTER(_COptions)]),
    "procctl_tend": (_INT, [_HEART]),
    "procctl_ready": (None, [_HEART]),
    "procctl_busy": (None, [_HEART, ctypes.c_uint32]),
    "procctl_busy_done": (None, [_HEART]),
    "procctl_failed": (None, [_HEART, _TEXT]),
    "procctl_phase": (None, [_HEART, _TEXT]),
}


def _candidates() -> List[str]:
    chosen = os.environ.get("PROCCTL_HEARTBEAT_LIBRARY")
    if chosen is not None:
        return [chosen] if chosen else []
    here = os.path.dirname(os.path.abspath(__file__))
    prefix = os.path.abspath(os.path.join(here, "..", "..", ".."))  # PREFIX/share/procctl/python
    places = [here, os.path.join(prefix, "lib"), os.path.join(prefix, "lib64")]
    places += sorted(glob.glob(os.path.join(glob.escape(prefix), "lib", "*-linux-*")))
    paths = [os.path.join(place, _SONAME) for place in places]
    return [path for path in paths if os.path.exists(path)] + [_SONAME]


def _load(path: str) -> ctypes.CDLL:
    """OSError or AttributeError: not a library that can be used."""
    library = ctypes.CDLL(path)
    for name, (result, arguments) in {**_BASE, **_LATER}.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            if name in _BASE:
                raise
            continue
        function.restype = result
        function.argtypes = arguments
    return library


def _find_library() -> Optional[ctypes.CDLL]:
    for path in _candidates():
        try:
            return _load(path)
        except (OSError, AttributeError):
            continue
    return None


_library: Optional[ctypes.CDLL] = None
_library_looked_for = False
_library_lock = threading.Lock()


def _the_library() -> Optional[ctypes.CDLL]:
    global _library, _library_looked_for
    with _library_lock:
        if not _library_looked_for:
            _library = _find_library()
            _library_looked_for = True
        return _library


def _milliseconds(what: str, seconds: Optional[Seconds]) -> int:
    """0 for None. Rounded up: a time that was asked for never becomes "none"."""
    if seconds is None:
        return 0
    if isinstance(seconds, datetime.timedelta):
        seconds = seconds.total_seconds()
    if not 0 < seconds <= _MOST_MS / 1000:  # NaN is neither
        raise ValueError(f"{what} is {seconds!r}; give seconds, above 0 and at most 4294967")
    return min(math.ceil(seconds * 1000), _MOST_MS)


def _bytes(text: Optional[str]) -> Optional[bytes]:
    # Lone surrogates (from undecodable file names, for example) must not raise in a note.
    return None if text is None else str(text).encode("utf-8", "replace")


class _Busy:
    def __init__(self, heart: "Heart", limit_ms: int) -> None:
        self._heart = heart
        self._limit_ms = limit_ms

    def __enter__(self) -> None:
        self._heart._call("procctl_busy", self._limit_ms)

    def __exit__(self, *exception: object) -> None:
        self._heart._call("procctl_busy_done")


class Heart:
    """One heart, open from here to close(), the end of its `with`, or the end of the process.

    name              1 to 63 bytes; what operators see. Several hearts need several names.
    timeout           silence over this many seconds (or this timedelta) is a hang
    progress_timeout  no progress() for over this is a hang too, although it beats; None: not judged
    start_grace       until ready() it may be silent for this long; None: judged from the start

    ValueError: an argument makes no sense. Whether a guardian took it is no error: see `guarded`
    and `error`. Waits at most 2 s for a guardian's answer.
    """

    def __init__(
        self,
        name: str,
        timeout: Seconds,
        progress_timeout: Optional[Seconds] = None,
        start_grace: Optional[Seconds] = None,
    ) -> None:
        name_bytes = name.encode("utf-8", "replace")
        if not 1 <= len(name_bytes) <= NAME_MAX or b"\0" in name_bytes:
            raise ValueError(f"the name {name!r} must have 1 to {NAME_MAX} bytes and no NUL")
        if timeout is None:
            raise ValueError("the timeout is None; give seconds")
        options = _COptions(
            _milliseconds("timeout", timeout),
            _milliseconds("progress_timeout", progress_timeout),
            _milliseconds("start_grace", start_grace),
        )
        # Guards the page against close() by another thread in the midst of a beat. Reentrant, for
        # signal handlers.
        self._lock = threading.RLock()
        self._error: Optional[str] = None
        self._library = _the_library()
        self._beats = ctypes.c_uint64()
        self._progress = ctypes.c_uint64()
        self._tend_at = math.inf
        _open_hearts.add(self)
        if self._library is None:
            self._error = f"{_SONAME} is not installed here"
            return
        # Zeroed is a heart that is not open. The library keeps its address: it must not be freed
        # before procctl_close, and an object that is dropped must close it.
        self._heart = _CHeart(None, 0, -1)
        self._close = weakref.finalize(
            self, self._library.procctl_close, ctypes.byref(self._heart)
        )
        if hasattr(self._library, "procctl_open_with"):
            error = self._library.procctl_open_with(
                ctypes.byref(self._heart), name_bytes, ctypes.byref(options)
            )
        else:
            error = self._library.procctl_open(
                ctypes.byref(self._heart), name_bytes, options.timeout_ms
            )
        if error != 0:
            said = self._library.procctl_open_error().decode("ascii", "replace")
            self._error = os.strerror(-error) + (f": {said}" if said else "")
        self._find_counters()
        if hasattr(self._library, "procctl_tend"):
            self._tend_at = time.monotonic() + _TEND_SECONDS

    def __enter__(self) -> "Heart":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def guarded(self) -> bool:
        """Whether a guardian watches this heart."""
        with self._lock:
            library = self._library
            return library is not None and bool(
                library.procctl_is_guarded(ctypes.byref(self._heart))
            )

    @property
    def error(self) -> Optional[str]:
        """Why no guardian took it when it was opened; None if one did."""
        return self._error

    def beat(self) -> None:
        """Says: alive. Under a microsecond; once a second it also looks for a new guardian."""
        with self._lock:
            self._beats.value += 1
            if time.monotonic() >= self._tend_at:
                self._tend_at = time.monotonic() + _TEND_SECONDS
                self._call("procctl_tend")

    def progress(self, units: int = 1) -> None:
        """Counts units of work done (and beats)."""
        with self._lock:
            self._progress.value += units
            self.beat()

    def ready(self) -> None:
        """Start-up is over: from now on the timeout counts."""
        self._call("procctl_ready")

    def busy(self, limit: Seconds) -> _Busy:
        """For `with`: one known long piece of work; silence up to `limit` is no hang. Do not nest."""
        return _Busy(self, _milliseconds("limit", limit))

    def note(self, text: Optional[str]) -> None:
        """Last words, shown with the slot and a kill: at most 127 bytes, cut where longer."""
        self._call("procctl_note", _bytes(text))

    def phase(self, text: Optional[str]) -> None:
        """What it is doing in a word or two: at most 31 bytes."""
        self._call("procctl_phase", _bytes(text))

    def failed(self, reason: Optional[str] = None) -> None:
        """Gives the process up: the guardian stops it now. Returns; there is no way back."""
        self._call("procctl_failed", _bytes(reason))

    def close(self) -> None:
        """Gives the slot back. The heart may still be used and guards nothing."""
        with self._lock:
            if self._library is None:
                return
            self._close()
            self._tend_at = math.inf
            self._find_counters()

    def _call(self, function: str, *arguments: object) -> None:
        with self._lock:
            known = getattr(self._library, function, None)
            if known is not None:
                known(ctypes.byref(self._heart), *arguments)

    def _find_counters(self) -> None:
        """After procctl_open and procctl_close; between them the page stays where it is."""
        page = self._heart.page
        if page is not None:
            self._beats = ctypes.c_uint64.from_address(page + _BEATS_OFFSET)
            self._progress = ctypes.c_uint64.from_address(page + _PROGRESS_OFFSET)

    def _after_fork_in_child(self) -> None:
        # A thread that does not exist here may have held it.
        self._lock = threading.RLock()


_open_hearts: "weakref.WeakSet[Heart]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    global _library_lock
    _library_lock = threading.Lock()
    for heart in list(_open_hearts):
        heart._after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
