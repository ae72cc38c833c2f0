//go:build linux

package page

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"ota/test/harness"
)

// garden is a program that reads a sensor and says so.
func garden(version int, more string) string {
	return fmt.Sprintf(`import time

VERSION = %d


def read():
    return 20 + VERSION / 10


print("garden", VERSION, "is watching")
%s
while True:
    print("temperature", read())
    time.sleep(1)
`, version, more)
}

// TestDropAFolderAndWatchItRun is what a person does first.
func TestDropAFolderAndWatchItRun(t *testing.T) {
	d := harness.NewDevice(t, t.TempDir(), harness.Tree{}, settings)
	d.Start()
	d.Await("ota", func(s harness.Status) bool { return s.Program.State == "waiting" })
	b := open(t, desk)
	b.login(d)
	b.shows("drop its folder")
	source := filepath.Join(t.TempDir(), "garden")
	harness.Tree{
		"main.py": harness.File("import lib.sensor\n" + garden(1, "")), "lib/__init__.py": harness.File(""),
		"lib/sensor.py": harness.File("NAME = 'dht22'\n"), "model.v1/weights.bin": harness.File(strings.Repeat("w", 3<<20)), "Makefile": harness.File("all:\n"),
	}.Write(t, source)
	b.drop(source)
	b.shows("5 files")
	b.button("#upload", "Upload")
	b.shows("garden 1 is watching")
	status := d.Await("the release", func(s harness.Status) bool { return s.Release.State == "confirmed" })
	if status.Release.Number != 1 {
		t.Errorf("it is release %d", status.Release.Number)
	}
	for _, name := range []string{"lib/sensor.py", "model.v1/weights.bin", "Makefile"} {
		if _, err := os.Stat(filepath.Join(d.Main(), name)); err != nil {
			if _, inside := os.Stat(filepath.Join(d.Main(), "garden", name)); inside == nil {
				t.Fatalf("the folder itself was put into main/, not what is in it")
			}
			t.Error(err)
		}
	}
	b.isContent()
}

// drop drops files or folders onto the window, as a person does with a mouse.
func (b *browser) drop(paths ...string) {
	b.Helper()
	b.await(`document.querySelector("#upload .upload-zone")`) // who takes it is there
	data := &input.DragData{Items: []*input.DragDataItem{}, Files: paths, DragOperationsMask: 1}
	drag := func(kind input.DispatchDragEventType) act {
		return command(input.DispatchDragEvent, input.DispatchDragEventParams{Type: kind, X: 300, Y: 300, Data: data})
	}
	b.do(
		chromedp.Evaluate[chromedp.Void](`document.getElementById("upload").scrollIntoView({block: "center"})`),
		drag(input.DispatchDragEventTypeDragEnter), drag(input.DispatchDragEventTypeDragOver), drag(input.DispatchDragEventTypeDrop),
	)
}

// button presses the button with a text.
func (b *browser) button(within, text string) {
	b.Helper()
	find := fmt.Sprintf(`[...document.querySelectorAll(%q + " button")].find(one => one.textContent.trim() === %q && one.offsetParent !== null)`, within, text)
	b.await(find)
	b.run(find + ".click()")
}

// TestAHeldUploadShowsTheSpot: the line that is wrong, with the spot marked.
func TestAHeldUploadShowsTheSpot(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(garden(1, ""))}, settings)
	b := open(t, desk)
	b.login(d)
	broken := strings.Replace(garden(2, ""), `    print("temperature", read())`, `    print("humidity", read(`, 1)
	upload(t, d, harness.Tree{"main.py": harness.File(broken)})
	b.shows("was never closed")
	b.await(`[...document.querySelectorAll("#deposit .excerpt mark")].some(mark => mark.textContent === "(")`)
	b.await(`document.querySelector("#deposit .excerpt").textContent.includes('print("humidity", read(')`)
	upload(t, d, harness.Tree{"main.py": harness.File(garden(2, ""))})
	b.shows("garden 2 is watching")
	b.isContent()
}

// TestApplyWhatLooksCutOff: somebody may know that a file is whole.
func TestApplyWhatLooksCutOff(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(garden(1, ""))}, settings)
	b := open(t, desk)
	b.login(d)
	upload(t, d, harness.Tree{"main.py": harness.File(strings.TrimSpace(garden(2, "")))})
	b.shows("was the upload cut off?")
	b.click(`[data-act="insist"]`)
	b.await(`document.querySelector("[role=dialog]").textContent.includes("compiles")`)
	b.click(`[role=dialog] [data-choice="yes"]`)
	b.shows("garden 2 is watching")
	b.isContent()
}

func upload(t *testing.T, d *harness.Device, files harness.Tree) {
	t.Helper()
	d.HoldBack()
	files.Write(t, d.Deposit())
	d.LetGo()
}

// TestRollBack goes back by the button, after having been asked.
func TestRollBack(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(garden(1, ""))}, settings)
	b := open(t, desk)
	b.login(d)
	upload(t, d, harness.Tree{"main.py": harness.File(garden(2, ""))})
	d.Await("release 2", func(s harness.Status) bool {
		return s.Release.Number == 2 && s.Release.State == "confirmed"
	})
	b.await(`document.querySelector('[data-release="2"]')`)
	b.click(`[data-release="1"] summary`)
	b.click(`[data-act="rollback"][data-what="1"]`)
	b.await(`document.querySelector("[role=dialog]").textContent.includes("main.py")`)
	b.press(kb.Escape)
	b.await(`!document.querySelector("[role=dialog]")`)
	if status, err := d.Status(); err != nil || status.Release.Number != 2 {
		t.Fatalf("it went back although the answer was no: %v, %v", status.Release, err)
	}
	b.click(`[data-act="rollback"][data-what="1"]`)
	b.click(`[role=dialog] [data-choice="yes"]`)
	d.Await("release 1", func(s harness.Status) bool { return s.Release.Number == 1 })
	b.shows("Release 1 is in main/ again")
	b.click(`[data-act="pin"][data-what="1"]`)
	b.await(`document.querySelector('[data-act="unpin"][data-what="1"]')`)
	b.click(`[data-release="2"] summary`)
	b.await(`document.querySelector('[data-release="2"] .release-more').textContent.includes("VERSION = 2")`)
	b.isContent()
}

// clicked clicks in the middle of what a selector finds first, and is false as
// long as it is not there or something lies over it. It is one step of the page:
// between two, a list may be drawn anew, with another button at the same place.
const clicked = `(() => {
	const target = document.querySelector(%q);
	target?.scrollIntoView({block: "center"});
	const box = target?.getBoundingClientRect();
	const top = box && document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
	if (!top || !target.contains(top)) return false;
	top.dispatchEvent(new PointerEvent("pointerdown", {bubbles: true}));
	target.focus();
	top.click();
	return true;
})()`

// click clicks on what a selector finds first.
func (b *browser) click(selector string) {
	b.Helper()
	b.await(fmt.Sprintf(clicked, selector))
}

// TestTheLogGoesOnThroughARestart: of ota itself.
func TestTheLogGoesOnThroughARestart(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(garden(1, ""))}, ofItsOwn(t, settings))
	b := open(t, desk)
	b.login(d)
	b.shows("garden 1 is watching")
	d.Stop()
	b.shows("ota has ended")
	b.shows("Connection lost")
	d.Start()
	b.await(`document.body.dataset.connection === "open"`)
	b.shows("ota was started again")
	b.await(`(document.querySelector("#log").innerText.match(/garden 1 is watching/g) || []).length === 2`)
	b.isContent()
}

// TestEvidence shows why a release failed, with its traceback.
func TestEvidence(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(garden(1, ""))}, strings.Replace(settings, "300ms", "2s", 1))
	b := open(t, wide)
	b.login(d)
	upload(t, d, harness.Tree{"main.py": harness.File(garden(2, "reading = float('boom')")), "lib.py": harness.File("x = 1\n")})
	d.Await("the rollback", func(s harness.Status) bool {
		return s.Release.Number == 1 && s.Deposit.State == "held"
	})
	b.shows("could not convert string to float")
	b.await(`document.querySelector("#deposit .evidence")`)
	b.await(`!document.querySelector("#deposit").textContent.includes("ota retry")`) // there are buttons
	b.await(`!document.querySelector('[data-act="insist"]')`)
	b.isContent()
}

// TestSteering stops, starts and restarts with the buttons.
func TestSteering(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(garden(1, ""))}, settings)
	b := open(t, desk)
	b.login(d)
	b.click(`[data-act="stop"]`)
	b.click(`[role=dialog] [data-choice="yes"]`)
	d.Await("the stop", func(s harness.Status) bool { return s.Program.State == "stopped" })
	b.click(`[data-act="start"]`)
	d.Await("the start", func(s harness.Status) bool { return s.Program.State == "running" })
	before, _ := d.Status()
	b.click(`[data-act="restart"]`)
	d.Await("the restart", func(s harness.Status) bool {
		return s.Program.State == "running" && s.Program.PID != before.Program.PID
	})
	b.shows("The program was restarted")
	b.isContent()
}

// TestLookThroughMain opens a folder and a file of the program.
func TestLookThroughMain(t *testing.T) {
	d := device(t, harness.Tree{
		"main.py": harness.File(garden(1, "")), ".env": harness.File("KEY=secret\n"), "lib/sensor.py": harness.File("NAME = 'dht22'\n"),
	}, settings)
	b := open(t, desk)
	b.login(d)
	b.await(`document.querySelector("#files").innerText.includes("main.py")`)
	b.do(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll("#files a, #files button")].find(one => one.textContent.includes("lib")).click()`))
	b.await(`document.querySelector("#files").innerText.includes("sensor.py")`)
	b.await(`!document.querySelector("#files").innerText.includes(".env")`)
	b.isContent()
}

// TestKeyboardAlone does everything without a mouse: in by the link, to the
// buttons by Tab, through a dialog, into the history, and out.
func TestKeyboardAlone(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(garden(1, ""))}, settings)
	upload(t, d, harness.Tree{"main.py": harness.File(garden(2, ""))})
	d.Await("release 2", func(s harness.Status) bool {
		return s.Release.Number == 2 && s.Release.State == "confirmed"
	})
	b := open(t, desk)
	b.login(d)
	b.await(`document.querySelector('[data-release="2"]')`)
	b.press(kb.Tab)
	b.await(`document.activeElement.classList.contains("skip")`)
	b.press(kb.Enter)
	b.tabTo(`[data-act="stop"]`)
	b.seesFocus()
	b.press(kb.Enter)
	b.await(`document.querySelector("[role=dialog]").contains(document.activeElement)`)
	for range 6 { // there is no way out of it but an answer
		b.press(kb.Tab)
		b.await(`document.activeElement === document.body || document.querySelector("[role=dialog]").contains(document.activeElement)`)
	}
	b.press(kb.Escape)
	b.await(`!document.querySelector("[role=dialog]") && document.activeElement.matches('[data-act="stop"]')`)
	b.tabTo(`[data-release="1"] summary`)
	b.press(kb.Enter)
	b.tabTo(`[data-act="rollback"][data-what="1"]`)
	b.press(kb.Enter)
	b.await(`document.querySelector("[role=dialog]").contains(document.activeElement)`)
	b.tabTo(`[role=dialog] [data-choice="yes"]`)
	b.press(kb.Enter)
	d.Await("release 1", func(s harness.Status) bool { return s.Release.Number == 1 })
	b.tabBackTo(`form[action="/logout"] button`)
	b.press(kb.Enter)
	b.await(`location.pathname === "/login"`)
	b.isContent()
}

// tabTo presses Tab until something has the focus.
func (b *browser) tabTo(selector string) { b.Helper(); b.walk(selector) }

func (b *browser) tabBackTo(selector string) {
	b.Helper()
	b.walk(selector, chromedp.KeyModifiers(chromedp.ModifierShift))
}

func (b *browser) walk(selector string, options ...chromedp.KeyOption) {
	b.Helper()
	for range 200 {
		if ask[bool](b, fmt.Sprintf(`!!document.activeElement && document.activeElement.matches(%q)`, selector)) {
			return
		}
		b.do(chromedp.KeyEvent(kb.Tab, options...))
	}
	b.Fatalf("Tab does not lead to %s", selector)
}

// seesFocus fails the test where nobody could see what has the focus.
func (b *browser) seesFocus() {
	b.Helper()
	b.await(`(() => { const style = getComputedStyle(document.activeElement);
		return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 || style.boxShadow !== "none"; })()`)
}

// TestLoginPage is all that a stranger sees.
func TestLoginPage(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(beat)}, settings)
	b := open(t, phone)
	b.do(chromedp.Navigate("http://" + addressOf(t, d) + "/"))
	b.await(`location.pathname === "/login"`)
	b.do(chromedp.SendKeys(chromedp.CSS("#code"), "not it"+kb.Enter))
	b.shows("not the password")
	b.isForEverybody("a wrong password")
	b.look(phone)
	var pair struct{ Code string }
	read(t, d, &pair, "web", "pair", "--json")
	b.do(chromedp.SendKeys(chromedp.CSS("#code"), strings.ToLower(pair.Code)+kb.Enter))
	b.await(`location.pathname === "/" && document.body.dataset.connection === "open"`)
}

// TestWithoutJavaScript reads the page as it comes from the server.
func TestWithoutJavaScript(t *testing.T) {
	d := device(t, harness.Tree{"main.py": harness.File(garden(1, ""))}, settings)
	upload(t, d, harness.Tree{"main.py": harness.File("x = (\n")})
	d.Await("the hold", func(s harness.Status) bool { return s.Deposit.State == "held" })
	reader := tokenFor(t, d, "reader", "read")
	page := ""
	harness.Await(t, "the program's first line", func() bool {
		_, page = reader.ask("GET", "/")
		return strings.Contains(page, "garden 1 is watching")
	}, func() string { return page })
	for _, word := range []string{"was never closed", "Running", "Release", "<mark>", "noscript"} {
		if !strings.Contains(page, word) {
			t.Errorf("the page does not have %q", word)
		}
	}
}

// TestNothingOfItIsObeyed: names, lines and messages with everything that could
// do harm.
func TestNothingOfItIsObeyed(t *testing.T) {
	const evil = `<script>window.obeyed = 1</script><img src=x onerror="window.obeyed = 2">`
	name := "a\u202egpj.<img src=x onerror=window.obeyed=3>.py"
	d := device(t, harness.Tree{
		"main.py": harness.File("import time\nprint(" + fmt.Sprintf("%q", evil) + ")\nprint('\\x1b]0;title\\x07\\x1b[2J\\u202egpj.exe')\nwhile True: time.sleep(60)\n"),
		name:      harness.File("x = 1\n"),
	}, settings)
	b := open(t, desk)
	b.login(d)
	b.shows(`<script>window.obeyed = 1</script>`)
	upload(t, d, harness.Tree{name: harness.File("x = ( # " + evil + "\u202e\n"), "main.py": harness.File("import " + "nothing_of_the_kind\n")})
	d.Await("the hold", func(s harness.Status) bool { return s.Deposit.State == "held" })
	b.shows("nothing_of_the_kind")
	b.await(`window.obeyed === undefined && !document.querySelector("main img, main script")`)
	b.await(`!/[\u202a-\u202e\u2066-\u2069]/.test(document.body.innerText)`)
	reader := tokenFor(t, d, "reader", "read")
	_, page := reader.ask("GET", "/")
	if strings.Contains(page, "<img") || strings.Contains(page, "\u202e") || strings.Contains(page, "<script>") {
		t.Error("the server writes what it should escape")
	}
	b.isContent()
}
