//go:build linux

package page

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"ota/test/harness"
)

const (
	bigSize = 24 << 20
	bigName = "recording.bin"
)

// sender is a window with a big file at hand, and a bad network between it and
// the device.
type sender struct {
	*browser
	d       *harness.Device
	between *proxy
	file    string
	content string
}

func newSender(t *testing.T) *sender {
	t.Helper()
	d := device(t, harness.Tree{"main.py": harness.File(beat)}, fixed(t, settings))
	s := &sender{d: d, between: newProxy(t, addressOf(t, d)), file: filepath.Join(t.TempDir(), bigName), content: big(bigSize, 7)}
	harness.Tree{bigName: harness.File(s.content)}.Write(t, filepath.Dir(s.file))
	s.browser = open(t, desk)
	s.enter()
	return s
}

// enter logs in, through the network between.
func (s *sender) enter() {
	s.Helper()
	_, way, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(s.d.Say("web")), "http://"), "/")
	s.do(chromedp.Navigate("http://" + s.between.address + "/" + way))
	s.await(`location.pathname === "/" && document.body.dataset.connection === "open"`)
}

// waitFor waits until the network shows what it is like.
func (s *sender) waitFor(felt <-chan struct{}) {
	s.Helper()
	harness.Await(s, "the network to get bad", func() bool {
		select {
		case <-felt:
			return true
		default:
			return false
		}
	}, s.text)
}

// arrives waits until the file is in main/, as it was sent.
func (s *sender) arrives() {
	s.Helper()
	s.await(`document.querySelector("[data-release=\"2\"]")`)
	s.d.Await("the release", func(status harness.Status) bool {
		return status.Release.Number == 2 && status.Release.State == "confirmed"
	})
	if got, err := os.ReadFile(filepath.Join(s.d.Main(), bigName)); err != nil || string(got) != s.content {
		s.Errorf("main/%s has %d bytes, not the %d that were sent: %v", bigName, len(got), bigSize, err)
	}
	brought, broken := s.between.seen()
	s.Logf("%d connections broke; %d bytes were sent for a file of %d", broken, brought, bigSize)
}

// TestAnUploadOutlastsTheNetwork: ota is killed and comes back after a while,
// then connections break again and again; nobody has to do anything.
func TestAnUploadOutlastsTheNetwork(t *testing.T) {
	s := newSender(t)
	s.run(`window.offsets = []; const set = XMLHttpRequest.prototype.setRequestHeader;
		XMLHttpRequest.prototype.setRequestHeader = function (name, value) {
			if (name === "Upload-Offset") window.offsets.push(Number(value));
			return set.call(this, name, value);
		};`)
	felt := s.between.becomes(stalling, 4<<20)
	s.drop(s.file)
	s.waitFor(felt)
	s.d.Kill()
	s.shows("it goes on by itself")
	s.isAccessible("an upload that waits")
	s.d.Start()
	s.between.becomes(breaking, 5<<19)
	s.arrives()
	if _, broken := s.between.seen(); broken < 6 {
		t.Errorf("only %d connections broke", broken)
	}
	offsets := ask[[]int64](s.browser, `window.offsets`)
	t.Logf("it was sent from %d on", offsets)
	for i, offset := range offsets {
		if i > 0 && offset < offsets[i-1] {
			t.Errorf("it went back: %d", offsets)
		}
	}
}

// TestAnUploadGoesOnAfterAReload: in the page that was loaded anew, with the same
// file.
func TestAnUploadGoesOnAfterAReload(t *testing.T) {
	s := newSender(t)
	felt := s.between.becomes(stalling, 9<<20)
	s.choose(s.file)
	s.waitFor(felt)
	s.reload()
	s.between.becomes(good, 0)
	s.await(`document.body.dataset.connection === "open"`)
	s.shows("An upload of 1 file is not finished")
	s.isAccessible("an upload that is offered")
	if got := s.arrivals(); got != 1 {
		t.Errorf("%d files are kept", got)
	}
	s.drop(s.file)
	s.arrives()
	if brought, _ := s.between.seen(); brought > bigSize+bigSize/8 {
		t.Errorf("%d bytes were sent for a file of %d", brought, bigSize)
	}
	s.await(`!document.querySelector("#upload").innerText.includes("not finished")`)
}

// TestACancelledUploadLeavesNothing, and the next one goes through.
func TestACancelledUploadLeavesNothing(t *testing.T) {
	s := newSender(t)
	felt := s.between.becomes(stalling, 9<<20)
	s.choose(s.file)
	s.waitFor(felt)
	if got := s.arrivals(); got != 1 {
		t.Errorf("%d files are on their way", got)
	}
	s.button("#upload", "Cancel")
	harness.Await(t, "the end of what has come", func() bool { return s.arrivals() == 0 }, s.text)
	s.await(`document.querySelector("#upload .upload-zone").offsetParent !== null && !document.querySelector("#upload .upload-running")`)
	if found, _ := os.ReadDir(s.d.Deposit()); len(found) > 0 {
		t.Errorf("deposit/ has %v", found)
	}
	s.between.becomes(good, 0)
	harness.Tree{"small.txt": harness.File("hello\n")}.Write(t, filepath.Dir(s.file))
	s.choose(filepath.Join(filepath.Dir(s.file), "small.txt"))
	s.await(`document.querySelector("[data-release=\"2\"]")`)
	s.d.Await("the release", func(status harness.Status) bool { return status.Release.Number == 2 })
	if _, err := os.Stat(filepath.Join(s.d.Main(), bigName)); err == nil {
		t.Error("what was cancelled is in main/")
	}
	s.isContent()
}

// choose picks a file with the page's own dialog for it.
func (s *sender) choose(path string) {
	s.Helper()
	s.do(chromedp.SetUploadFiles(chromedp.CSS(`#upload input[type=file]:not([webkitdirectory])`), []string{path}))
}

// reload leaves the page although it asks whether one should.
func (s *sender) reload() {
	s.Helper()
	s.run(`window.isOld = true; setTimeout(() => location.reload())`)
	harness.Await(s, "the new page", func() bool {
		chromedp.Do(s.ctx, command(page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true}))
		isNew, err := chromedp.Run(s.ctx, chromedp.Evaluate[bool](`!window.isOld && document.readyState === "complete"`))
		return err == nil && isNew
	}, func() string { return "" })
}

// arrivals is how many files ota keeps that are not whole.
func (s *sender) arrivals() int {
	found, err := filepath.Glob(filepath.Join(s.d.Dir, ".ota", "uploads", "*", "*"))
	if err != nil {
		s.Fatal(err)
	}
	count := 0
	for _, path := range found {
		if !strings.HasSuffix(path, ".json") {
			count++
		}
	}
	return count
}
