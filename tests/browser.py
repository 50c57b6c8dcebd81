"""A headless Chromium that tests drive over a pipe: pages, keys, pointers, pictures.
It speaks the DevTools protocol, as JSON texts that end with a zero byte."""

import base64
import json
import os
import subprocess


class Browser:
    """One page of one Chromium."""

    def __init__(self, folder):
        to, self.write = os.pipe()
        self.read, back = os.pipe()
        words = (
            "exec chromium --headless --no-sandbox --disable-gpu --remote-debugging-pipe "
            f'--user-data-dir="$0" about:blank 3<&{to} 4>&{back} 2>"$0/errors.txt"'
        )
        self.process = subprocess.Popen(["bash", "-c", words, folder], pass_fds=(to, back))
        os.close(to)
        os.close(back)
        self.rest, self.number, self.session, self.events = b"", 0, None, []
        found = self.ask("Target.getTargets")["targetInfos"]
        target = next(t["targetId"] for t in found if t["type"] == "page")
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **given):
        """Send a command and wait for its answer; events that come meanwhile are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": given}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self.number:
                assert "error" not in said, said
                return said["result"]
            self.events.append(said)

    def _next(self):
        while b"\0" not in self.rest:
            more = os.read(self.read, 1 << 16)
            assert more, "Chromium has ended"
            self.rest += more
        text, _, self.rest = self.rest.partition(b"\0")
        return json.loads(text)

    def open(self, path, wide=1200, tall=900, dark=False, phone=False):
        """Open a file in a window of a size."""
        how = {"width": wide, "height": tall, "deviceScaleFactor": 1, "mobile": phone}
        self.ask("Emulation.setDeviceMetricsOverride", **how)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.ask("Page.navigate", url=path.as_uri())
        self.run(
            "new Promise(r => { if (document.readyState === 'complete') r(); else onload = r; })"
        )

    def run(self, code):
        """The value of an expression, or of what it promises."""
        done = self.ask("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def key(self, name, code=0):
        """Press a key and let it go."""
        text = {"Space": " ", "Enter": "\r"}.get(name, "")
        given = {"key": text.strip() or (" " if name == "Space" else name), "code": name}
        codes = {"Tab": 9, "Enter": 13, "Space": 32, "End": 35, "Home": 36, "ArrowLeft": 37,
                 "ArrowRight": 39}  # fmt: skip
        given["windowsVirtualKeyCode"] = codes[name]
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **given)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **given)

    def drag(self, *points):
        """Press the pointer at the first point, move it over the others, let it go."""
        x, y = points[0]
        how = {"button": "left", "clickCount": 1}
        self.ask("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, buttons=1, **how)
        for x, y in points[1:]:
            self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, buttons=1, **how)
        self.ask("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, **how)

    def click(self, chosen):
        """Click on the middle of the first element that a selector finds."""
        self.drag(self.run(
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect(); "
            f"return [r.x + r.width / 2, r.y + r.height / 2]; }})"
            f"(document.querySelector({json.dumps(chosen)}))"
        ))  # fmt: skip

    def picture(self, path):
        """Write what the window shows as PNG."""
        data = self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self):
        """End Chromium."""
        self.session = None
        self.ask("Browser.close")
        os.close(self.write)
        os.close(self.read)
        self.process.wait(20)
