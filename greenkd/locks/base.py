"""What a lock between processes is, whatever keeps it."""

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self


class Lock(ABC):
    """A lock that one process holds at a time; it is free again when its holder has released it, or has died."""

    @abstractmethod
    def acquire(self, timeout_s: float | None = None) -> bool:
        """Takes the lock.

        Args:
            timeout_s: How long to wait for another process to release it; 0: not at all; None: for ever.

        Returns:
            False if another process holds it still.

        Raises:
            StorageError: Nobody can hold it: its file or database cannot be used.
        """

    @abstractmethod
    def release(self) -> None:
        """Lets other processes have the lock."""

    def __enter__(self) -> Self:
        """Waits for the lock, and holds it for the block."""
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Releases it."""
        self.release()


class Locks(Protocol):
    """Where locks are kept."""

    def lock(self, path: Path, name: str) -> Lock:
        """Returns a lock.

        Args:
            path: The file that it is, where files keep locks; its folder is there.
            name: What it is called where a database keeps them: the same on machines that see its folder elsewhere.
        """
