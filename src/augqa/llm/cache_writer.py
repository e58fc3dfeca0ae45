"""The thread that stores responses while a run goes on asking."""

import asyncio
import contextlib
import queue
import threading
from pathlib import Path

from augqa.errors import GenerationError
from augqa.llm.cache import ResponseCache, Stored, UnstorableError
from augqa.llm.response import Response


class CacheWriter:
    """Stores responses in a thread: those that wait for the disk together make one commit.

    Its methods are for one event loop.

    Args:
        path: The cache's file.
        endpoint: Name of the endpoint the responses come from.
        loop: The event loop.

    Attributes:
        run: Number of the run that stores, as `ResponseCache.begin_run` gave it.
    """

    def __init__(self, path: Path, endpoint: str, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._endpoint = endpoint
        self._loop = loop
        self.run: int | None = None
        self._waiting: list[_Item] = []
        self._busy = False
        self._queue: queue.SimpleQueue[list[_Item] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="augqa-cache", daemon=True)
        self._thread.start()

    async def store(self, key: str, response: Response, *, valid: bool | None = None) -> Response:
        """Store a response; return what is kept, once a killed process cannot lose it.

        Raises:
            GenerationError: If it cannot be stored, whatever the reason: the message has the key.
        """
        kept: asyncio.Future[Response] = self._loop.create_future()
        self._waiting.append((Stored(key, response, valid, self.run), kept))
        if not self._busy:
            self._hand_over()
        return await kept

    def close(self) -> None:
        """Store what waits, and end the thread."""
        self._hand_over()
        self._queue.put(None)
        self._thread.join()

    def _hand_over(self) -> None:
        self._busy = bool(self._waiting)
        if self._busy:
            self._queue.put(self._waiting)
            self._waiting = []

    def _work(self) -> None:
        cache: ResponseCache | None = None
        while (items := self._queue.get()) is not None:
            outcomes: list[Response | GenerationError]
            try:
                if cache is None:
                    cache = ResponseCache(self._path)
                outcomes = self._outcomes(cache, items)
            except Exception as error:  # noqa: BLE001 - handed over to who waits for it
                outcomes = [self._named(item, error) for item, _ in items]
            # One wake-up of the loop for all of them; a loop that is closed waits for none.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._settle, items, outcomes)
        if cache is not None:
            cache.close()

    def _outcomes(
        self, cache: ResponseCache, items: list["_Item"]
    ) -> list[Response | GenerationError]:
        """Store items; one that the file does not take keeps no other from it."""
        try:
            with cache.together():
                return [*cache.store_all([item for item, _ in items], self._endpoint)]
        except GenerationError as error:
            # The file's own faults are everybody's.
            if len(items) == 1 or not isinstance(error, UnstorableError):
                return [self._named(item, error) for item, _ in items]
        except Exception as error:  # noqa: BLE001 - handed over to who waits for it
            if len(items) == 1:
                return [self._named(items[0][0], error)]
        return [outcome for item in items for outcome in self._outcomes(cache, [item])]

    def _named(self, item: Stored, error: Exception) -> GenerationError:
        says = str(error) if isinstance(error, GenerationError) else f"{self._path}: {error!r}"
        named = GenerationError(f"the response to request {item.key} is not stored: {says}")
        named.__cause__ = error
        return named

    def _settle(self, items: list["_Item"], outcomes: list[Response | GenerationError]) -> None:
        for (_, future), outcome in zip(items, outcomes, strict=True):
            if future.done():  # cancelled
                continue
            if isinstance(outcome, GenerationError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
        self._hand_over()


_Item = tuple[Stored, "asyncio.Future[Response]"]
