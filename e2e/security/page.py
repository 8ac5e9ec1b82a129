"""A page of somebody else's that does the whole job with fetch and FormData, and its server."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

PAGE: Final = b"""<!doctype html><meta charset=utf-8><title>Elsewhere</title><body><script>
async function call(base, token, method, path, body) {
  const headers = {'Content-Type': 'application/json', 'Idempotency-Key': crypto.randomUUID()};
  if (token) headers.Authorization = 'Bearer ' + token;
  const answer = await fetch(base + path, {method, headers, body: JSON.stringify(body)});
  const data = answer.status === 204 ? null : await answer.json();
  return {status: answer.status, data, limit: answer.headers.get('RateLimit')};
}
async function picture() {
  const canvas = Object.assign(document.createElement('canvas'), {width: 64, height: 48});
  const paint = canvas.getContext('2d');
  paint.fillStyle = 'teal';
  paint.fillRect(0, 0, 64, 48);
  return new Promise(done => canvas.toBlob(done, 'image/png'));
}
async function wholeJob({base, token, path}) {
  const signed = await call(base, token, 'POST', '/sign_s3/', {mime: 'image/png', path, number: 1});
  const [form] = signed.data;
  const data = new FormData();
  for (const [name, value] of Object.entries(form.fields)) data.append(name, value);
  data.append('file', await picture(), 'canvas.png');
  const stored = await fetch(form.url, {method: 'POST', body: data});
  const made = await call(base, token, 'POST', '/posts/',
                          {caption: 'from a page', images: [form.fields.key]});
  const image = new Image();
  image.src = made.data.images[0].url;
  document.body.append(image);
  await image.decode();
  const deleted = await call(base, token, 'DELETE', '/posts/' + made.data.id + '/');
  return {signed: signed.status, limit: signed.limit, stored: stored.status, made: made.status,
          width: image.naturalWidth, height: image.naturalHeight, deleted: deleted.status};
}
async function tryToSign({base, token, path}) {
  try {
    const answer = await call(base, token, 'POST', '/sign_s3/',
                              {mime: 'image/png', path, number: 1});
    return 'read ' + answer.status;
  } catch (error) { return error.name; }
}
</script>"""


TYPES: Final = {".js": "text/javascript", ".mp4": "video/mp4"}
PAGES: Final[Mapping[str, bytes]] = MappingProxyType({"/": PAGE})


@contextmanager
def served(port: int = 0, files: Mapping[str, bytes] = PAGES) -> Iterator[str]:
    """The page's origin, as long as the context lasts. What is not in ``files`` is at ``/``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path, files["/"])
            self.send_response(200)
            self.send_header("Content-Type", TYPES.get(PurePath(self.path).suffix, "text/html"))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
