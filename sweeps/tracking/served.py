"""MLflow's server as `almsweep ui` runs it: an entry point of the group `mlflow.app`, MLflow's own for this.

Its page is MLflow's. One line is added: MLflow's assistant, a pane over a quarter of the window that opens by
itself on a browser's first visit of a local server, stays closed until somebody opens it.
"""

from __future__ import annotations

from typing import Any

# By this key the page remembers in a browser that the pane has opened by itself; MLflow 3.16 and 3.17.
_SEEN = "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1"
SCRIPT = f"<script>try {{ localStorage.setItem('{_SEEN}', 'true'); }} catch (error) {{}}</script>"


def create_app() -> Any:
    """MLflow's ASGI application, with the line in the head of its page."""
    from fastapi import Request, Response
    from mlflow.server.fastapi_app import app

    async def close_assistant(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        if request.url.path != "/" or response.status_code != 200:
            return response
        page = b""
        async for chunk in response.body_iterator:
            page += chunk
        headers = dict(response.headers)
        headers.pop("content-length", None)  # it is longer now
        return Response(page.replace(b"<head>", f"<head>{SCRIPT}".encode(), 1), headers=headers)

    app.middleware("http")(close_assistant)
    return app
