"""An S3 server on loopback (moto's) that counts its requests and can be told to fail."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

ACCESS_DENIED = ("403 Forbidden", "AccessDenied")
SLOW_DOWN = ("503 Slow Down", "SlowDown")


@dataclass
class S3Server:
    """`fault` looks at a request's method and path, and gives the status and S3 error code to answer with."""

    port: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    fault: Callable[[str, str], tuple[str, str] | None] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Any:
        """Serve in a thread; returns the server, whose `shutdown` ends it."""
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            protocol_version = "HTTP/1.1"

            def log(self, type: str, message: str, *args: Any) -> None:
                """Say nothing."""

        moto = DomainDispatcherApplication(create_backend_app)

        def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
            self.requests[method] += 1
            told = self.fault(method, path) if self.fault else None
            if told is None:
                return moto(environ, start_response)  # type: ignore[no-any-return]
            status, code = told
            body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
            start_response(status, headers)
            return [] if method == "HEAD" else [body]

        server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=Quiet)
        self.port = server.server_port
        threading.Thread(target=server.serve_forever, name="s3", daemon=True).start()
        return server
