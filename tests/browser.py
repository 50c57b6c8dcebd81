"""A headless Chromium that tests drive over a pipe: it opens a page, presses keys, moves a pointer.
It speaks the DevTools protocol, as JSON texts that end with a zero byte."""

import json
import os
import select
import subprocess

KEYS = {"Tab": 9, "Space": 32, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}


class Browser:
    """One page of one Chromium; `events` are what it told since the page was opened."""

    def __init__(self, folder):
        to, self.write = os.pipe()
        self.read, back = os.pipe()
        words = (
            "exec chromium --headless --no-sandbox --disable-gpu --remote-debugging-pipe "
            f'--user-data-dir="$0" about:blank 3<&{to} 4>&{back} 2>"$0/errors.txt"'
        )
        self.process = subprocess.Popen(["bash", "-c", words, folder], pass_fds=(to, back))
        self.rest, self.number, self.session, self.events = b"", 0, {}, []
        found = self.ask("Target.getTargets")["targetInfos"]
        target = next(t["targetId"] for t in found if t["type"] == "page")
        told = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self.session = {"sessionId": told["sessionId"]}
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **given):
        """Send a command and wait for its answer."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": given, **self.session}
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                assert select.select([self.read], [], [], 60)[0], "Chromium says nothing"
                self.rest += os.read(self.read, 1 << 16)
            text, _, self.rest = self.rest.partition(b"\0")
            said = json.loads(text)
            if said.get("id") == self.number:
                assert "error" not in said, said
                return said["result"]
            self.events.append(said)

    def open(self, path, wide=1200, dark=False):
        """Open a file in a window of a size, light or dark."""
        how = {"width": wide, "height": 900, "deviceScaleFactor": 1, "mobile": wide < 600}
        self.ask("Emulation.setDeviceMetricsOverride", **how)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.ask("Page.navigate", url=path.as_uri())
        self.run("new Promise(r => { document.readyState === 'complete' ? r() : onload = r; })")

    def run(self, code):
        """The value of an expression, or of what it promises."""
        done = self.ask("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def key(self, name):
        """Press a key and let it go."""
        text = " " if name == "Space" else ""
        how = {"key": text or name, "code": name, "windowsVirtualKeyCode": KEYS[name]}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **how)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **how)

    def drag(self, *points):
        """Press the pointer at the first point, move it over all, let it go at the last."""
        kinds = ["mousePressed", *["mouseMoved"] * len(points), "mouseReleased"]
        for kind, (x, y) in zip(kinds, [points[0], *points, points[-1]], strict=True):
            how = {"button": "left", "clickCount": 1, "buttons": int(kind != "mouseReleased")}
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **how)

    def click(self, chosen):
        """Click on the middle of the first element that a selector finds."""
        middle = "r => [r.x + r.width / 2, r.y + r.height / 2]"
        find = "e => { e.scrollIntoView({block: 'center'}); return e.getBoundingClientRect(); }"
        found = f"({middle})(({find})(document.querySelector({json.dumps(chosen)})))"
        self.drag(self.run(found))

    def close(self):
        """End Chromium."""
        self.session = {}
        self.ask("Browser.close")
        self.process.wait(20)
