"""Turns a sensor that says watts into one that says joules, by reading it again and again."""

import threading
from collections.abc import Callable, Mapping

from greenkd.energy.clock import Clock


class PowerSampler:
    """Adds up watts times seconds, in a thread of its own.

    Args:
        read_watts: Reads every part's power; may raise, which is handed to the next `joules()`.
        interval_s: Time between two readings; None for powers that never change, which are read once.
        clock: Another clock than the process's, for tests.
    """

    def __init__(
        self, read_watts: Callable[[], Mapping[str, float]], interval_s: float | None, clock: Clock | None = None
    ) -> None:
        self._read_watts = read_watts
        self._interval_s = interval_s
        self._clock = clock or Clock()

        self._watts = read_watts()
        self._joules = dict.fromkeys(self._watts, 0.0)
        self._integrated_at_s = self._clock.seconds()
        self._failure: Exception | None = None

        self._lock = threading.Lock()
        self._closing = threading.Event()
        if interval_s is not None:
            threading.Thread(target=self._poll, args=(interval_s,), name="greenkd-power", daemon=True).start()

    def joules(self) -> dict[str, float]:
        """Returns every part's energy since the sampler was made.

        Raises:
            Exception: Whatever the sensor raised since the last call.
        """
        with self._lock:
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure

            self._integrate()
            return dict(self._joules)

    def close(self) -> None:
        """Ends the readings."""
        self._closing.set()

    def _integrate(self) -> None:
        """Adds the energy since the last call, at the watts read last."""
        now_s = self._clock.seconds()
        for part, watts in self._watts.items():
            self._joules[part] += watts * (now_s - self._integrated_at_s)
        self._integrated_at_s = now_s

    def _poll(self, interval_s: float) -> None:
        while not self._closing.wait(interval_s):
            try:
                watts = self._read_watts()
            except Exception as error:  # a sensor may raise anything; the next snapshot puts it on the row
                with self._lock:
                    self._failure = error
                continue

            with self._lock:
                self._integrate()
                self._watts = watts
