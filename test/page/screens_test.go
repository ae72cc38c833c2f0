//go:build linux

package page

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"ota/test/harness"
)

// watering is a program that does something and says so.
func watering(version int, more string) string {
	return fmt.Sprintf(`"""Waters the beds of a greenhouse."""
import itertools
import time

from garden import beds

VERSION = %d


def watch(turn):
    for number, bed in enumerate(beds.all()):
        moisture = beds.moisture(number, turn)
        if moisture < 0.33:
            print(f"{bed:<9} moisture {moisture:.2f}  \x1b[33mdry\x1b[0m, watering for 20 s")
        else:
            print(f"{bed:<9} moisture {moisture:.2f}  \x1b[32mgood\x1b[0m")


print(f"greenhouse {VERSION}: {len(beds.all())} beds, 1 pump")
%stry:
    for turn in itertools.count():
        watch(turn)
        time.sleep(1)
except KeyboardInterrupt:
    print("pump off, valves closed")
`, version, more)
}

const bedsOfGarden = `"""What grows where."""


def all():
    return ["tomatoes", "peppers", "basil", "lettuce"]


def moisture(number, turn):
    return 0.31 + 0.07 * number + 0.01 * (turn * (number + 2) % 7)
`

// greenhouseDevice has five releases, of which the fourth has failed.
func greenhouseDevice(t *testing.T) *harness.Device {
	t.Helper()
	d := device(t, harness.Tree{
		"main.py": harness.File(watering(1, "")), "garden/__init__.py": harness.File(""), "garden/beds.py": harness.File(bedsOfGarden),
		"config.toml": harness.File("beds = 4\n"), "README.md": harness.File("# Greenhouse\n"),
	}, ofItsOwn(t, strings.Replace(settings, "300ms", "2s", 1))) // Python may take a while to fail
	release(t, d, 2, harness.Tree{"main.py": harness.File(watering(2, "")), "garden/pump.py": harness.File("PIN = 17\n")})
	release(t, d, 3, harness.Tree{"main.py": harness.File(watering(3, "")), "config.toml": harness.File("beds = 4\npump = 17\n")})
	return d
}

// release uploads files that become one.
func release(t *testing.T, d *harness.Device, number int, files harness.Tree) {
	t.Helper()
	upload(t, d, files)
	d.Await(fmt.Sprintf("release %d", number), func(s harness.Status) bool {
		return s.Release.Number == number && s.Release.State == "confirmed"
	})
}

// TestScreens goes through all that the page can show, on small screens and on
// large ones, by day and by night. The pictures of the docs are taken on the way.
func TestScreens(t *testing.T) {
	d := greenhouseDevice(t)
	b := open(t, desk)
	b.showsGreenhouse(d)
	b.do(chromedp.Navigate("http://" + addressOf(t, d) + "/"))
	b.await(`location.pathname === "/login"`)
	b.isForEverybody("login")
	b.picture("login", screen{Width: 640, Height: 480})
	b.look(desk)
	b.login(d)

	upload(t, d, harness.Tree{
		"main.py": harness.File(watering(4, "import garden.sensors\n")),
		"garden/sensors.py": harness.File("\"\"\"The new sensors.\"\"\"\n\n\ndef read(answer):\n    return float(answer)\n\n\n" +
			"FIRST = read(\"n/a\")\n"),
	})
	d.Await("the rollback", func(s harness.Status) bool {
		return s.Release.Number == 3 && s.Deposit.State == "held"
	})
	b.await(`document.querySelector("#deposit .evidence")`)
	b.shows("could not convert string to float")
	b.isForEverybody("failed")
	b.top()
	b.picture("failed", desk)

	release(t, d, 5, harness.Tree{"main.py": harness.File(watering(5, "import garden.sensors\n")), "garden/sensors.py": harness.File("\"\"\"The new sensors.\"\"\"\n\n\ndef read(answer):\n" +
		"    return None if answer == \"n/a\" else float(answer)\n\n\nFIRST = read(\"n/a\")\n")})
	b.await(`document.querySelector('[data-release="5"]').textContent.includes("confirmed")`)
	b.shows("greenhouse 5: 4 beds")
	b.await(`document.querySelector(".curve-line")`)
	b.await(`document.querySelector("#log .log-line") && !document.querySelector("#log .log-ota")`) // of a day like any other
	b.isForEverybody("running")
	b.top()
	b.picture("running", desk)
	b.picture("night", screen{Width: 1280, Height: 800, Dark: true})
	b.picture("wide", screen{Width: 1920, Height: 1200})
	b.picture("phone", screen{Width: 320, Height: 660, Fine: true})
	b.picture("phone-night", screen{Width: 320, Height: 660, Dark: true, Fine: true})

	t.Run("the log", func(t *testing.T) { b.as(t).logScreens() })
	t.Run("releases", func(t *testing.T) { b.as(t).releaseScreens() })
	t.Run("held", func(t *testing.T) { b.as(t).heldScreens(t, d) })
	t.Run("uploading", func(t *testing.T) { b.as(t).uploadScreens(t) })
	d.Stop()
	b.shows("Connection lost")
	b.isForEverybody("lost")
	b.isContent()
}

// as is the browser, for a part of a test.
func (b *browser) as(t testing.TB) *browser { return &browser{t, b.ctx, b.errors} }

// top goes to the top of the page.
func (b *browser) top() {
	b.Helper()
	b.run(`document.activeElement.blur(); scrollTo(0, 0)`)
}

func (b *browser) closeMessages() {
	b.Helper()
	b.run(`document.querySelectorAll(".toast button").forEach(one => one.click())`)
}

func (b *browser) logScreens() {
	b.look(desk)
	b.do(chromedp.SendKeys(chromedp.CSS(".log-input"), "/dr[yz]/"))
	b.await(`document.querySelectorAll("#log mark").length > 0`)
	b.click(`.log-chip[data-kind="debug"]`)
	b.click(`[aria-expanded="false"]`)
	b.await(`document.querySelector(".log-menu a")`)
	b.isForEverybody("the log")
	b.await(`document.querySelector(".log-follow").textContent === "Pause"`) // it still follows
	b.press(kb.Escape)
	b.run(`document.querySelector(".log-input").value = ""; document.querySelector(".log-input").dispatchEvent(new Event("input"))`)
}

func (b *browser) releaseScreens() {
	b.look(desk)
	b.click(`[data-release="5"] summary`)
	b.await(`document.querySelector('[data-release="5"] .line.add')`)
	b.click(`[data-release="4"] summary`)
	b.await(`document.querySelector('[data-release="4"] .evidence')`)
	b.isForEverybody("history")
	b.look(desk)
	b.run(`document.querySelector("#history").scrollIntoView()`)
	b.picture("history", desk)
	b.click(`[data-release="2"] summary`)
	b.click(`[data-act="rollback"][data-what="2"]`)
	b.await(`document.querySelector("[role=dialog]").textContent.includes("main.py")`)
	b.isForEverybody("a question")
	b.look(desk)
	b.run(`document.querySelector("#history").scrollIntoView()`)
	b.picture("rollback", desk)
	b.press(kb.Escape)
	b.await(`!document.querySelector("[role=dialog]")`)
	b.click(`[data-act="pin"][data-what="5"]`)
	b.shows("Release 5 is kept for good")
	b.click(`#files [data-act="view"]`)
	b.await(`document.querySelector("[role=dialog]")`)
	b.isForEverybody("a file and a message")
	b.press(kb.Escape)
	b.closeMessages()
}

func (b *browser) heldScreens(t *testing.T, d *harness.Device) {
	pump := `"""The pump, and when it runs."""
from garden import beds

PIN = 17
DRY = 0.33


def water():
    for number, bed in enumerate(beds.all()):
        if beds.moisture(number) < DRY
            print("watering", bed)
`
	upload(t, d, harness.Tree{"main.py": harness.File(watering(6, "from garden import valves\n")), "garden/pump.py": harness.File(pump)})
	b.shows("SyntaxError")
	b.await(`document.querySelector("#deposit .excerpt mark") && document.querySelector("#deposit-files .entry")`)
	b.isForEverybody("held")
	b.top()
	b.picture("held", desk)
	b.click(`[data-act="discard"]`)
	b.click(`[role=dialog] [data-choice="yes"]`)
	d.Await("an empty deposit/", func(s harness.Status) bool { return s.Deposit.State == "empty" })
	b.shows("2 files are in")
	b.closeMessages()
}

// uploadScreens drops a folder, and the network is slow.
func (b *browser) uploadScreens(t *testing.T) {
	source := filepath.Join(t.TempDir(), "greenhouse")
	harness.Tree{
		"main.py": harness.File(watering(6, "")), "garden/beds.py": harness.File(bedsOfGarden), "garden/pump.py": harness.File("PIN = 18\n"),
		"model/leaves.onnx": harness.File(strings.Repeat("0123456789abcdef", 1<<19)), ".git/HEAD": harness.File("ref: refs/heads/main\n"),
	}.Write(t, source)
	b.look(desk)
	b.run(`window.pace = 100`)
	b.drop(source)
	b.await(`document.activeElement.matches('[data-do="start"]')`)
	b.isForEverybody("an upload before it begins")
	b.press(kb.Enter)
	b.await(`document.activeElement.matches('[data-do="cancel"]')`)
	b.await(`document.querySelector(".upload-total").position >= 0.6`)
	b.run(`window.pace = 2000`)
	b.top()
	b.await(`document.querySelector("#deposit-body .arriving progress").position >= 0.55`)
	b.picture("uploading", desk)
	b.isForEverybody("uploading")
	b.look(desk)
	b.click(`[data-do="cancel"]`)
	b.shows("Drop files")
}

// TestScreensOfAnEmptyDevice is what one sees first.
func TestScreensOfAnEmptyDevice(t *testing.T) {
	d := harness.NewDevice(t, t.TempDir(), harness.Tree{}, settings)
	d.Start()
	d.Await("ota", func(s harness.Status) bool { return s.Program.State == "waiting" })
	b := open(t, desk)
	b.showsGreenhouse(d)
	b.login(d)
	b.shows("drop its folder")
	b.isForEverybody("empty")
	b.top()
	b.picture("empty", desk)
	b.isContent()
}
