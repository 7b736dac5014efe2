"""Pages as a real browser shows them: what it asks the network for, what it says on its console, and how they lie at some widths.

Each page is in a frame of each width, on a host of its own name behind a proxy that is the whole network: what else a page asks
for is seen there, and nothing answers."""
import html, http.server, json, pathlib, re, subprocess, tempfile, threading

HARNESS = pathlib.Path(__file__).with_name("browser.js")
HOST = "pages.test"


class Network(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        body = self.server.pages.get(self.path.removeprefix(f"http://{HOST}"))
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def refuse(self):
        self.server.asked.append(self.path)
        self.send_error(403)

    do_POST = do_CONNECT = do_HEAD = refuse

    def log_message(self, *_):
        pass


def look(pages, widths):
    """`pages`: name to file. What browser.js finds of each (name, width); what was asked for but the pages; the console's lines."""
    frames = [(name, width) for name in pages for width in widths]
    inner = "".join(f'<iframe src="/{name}" width="{width}" height="900" style="border:0"></iframe>' for name, width in frames)
    served = {f"/{name}": pathlib.Path(file).read_bytes() for name, file in pages.items()}
    served["/"] = f"<!DOCTYPE html><title>frames</title>{inner}<script>{HARNESS.read_text()}</script>".encode()
    with tempfile.TemporaryDirectory(prefix="aloft-browser-") as profile, http.server.ThreadingHTTPServer(("127.0.0.1", 0), Network) as network:
        network.pages, network.asked = served, []
        threading.Thread(target=network.serve_forever, daemon=True).start()
        done = subprocess.run(["chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--enable-logging=stderr",
                               f"--user-data-dir={profile}", f"--proxy-server=http://127.0.0.1:{network.server_port}", "--window-size=1400,1000",
                               "--dump-dom", f"http://{HOST}/"], capture_output=True, text=True, timeout=240)
        network.shutdown()
    told = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.S)
    if done.returncode or not told:
        raise AssertionError(f"the browser showed nothing: {done.returncode} {done.stderr[-2000:]}")
    found = dict(zip(frames, json.loads(html.unescape(told[1])), strict=True))
    own = {f"http://{HOST}{path}" for path in served} | {f"http://{HOST}/favicon.ico"}
    return found, [each for each in network.asked if each not in own], [line for line in done.stderr.splitlines() if "CONSOLE" in line]
