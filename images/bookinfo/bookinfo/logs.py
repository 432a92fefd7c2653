"""Logs: one JSON object a line on standard output."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

from aiohttp.abc import AbstractAccessLogger
from aiohttp.web import BaseRequest, StreamResponse

from bookinfo.settings import Settings

PROBES: Final = "/health"
_PLAIN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "taskName"}


class JsonFormatter(logging.Formatter):
    """Writes a record's message as `event` beside whatever its `extra` held."""

    def __init__(self, settings: Settings) -> None:
        """Put the component and version of `settings` in each line."""
        super().__init__()
        self._origin = {"component": settings.component, "version": settings.version}

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON; the time is UTC with milliseconds."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **self._origin,
            "event": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _PLAIN},
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class AccessLogger(AbstractAccessLogger):
    """Logs each request that was answered; probes only at level debug."""

    def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
        """Log one request; `time` is how long it took, in seconds."""
        self.logger.log(
            logging.DEBUG if request.path == PROBES else logging.INFO,
            "request",
            extra={
                "method": request.method,
                "path": request.path,
                "status": response.status,
                "duration_ms": round(time * 1000, 2),
                "request_id": request.headers.get("x-request-id"),
                "end_user": request.headers.get("end-user"),
                "peer": request.remote,
            },
        )


def configure(settings: Settings) -> None:
    """Send all logging to standard output, from the level that `settings` names."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(settings))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
