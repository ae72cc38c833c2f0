// Package page drives the page of the real binary with a real browser: it logs
// in, drops folders, reads reasons, rolls back and follows the log, with a mouse
// and without one, on a phone and on a wide screen.
//
// The pictures in docs/images are made here: go test ./test/page -pictures.
package page

import (
	"context"
	"flag"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"ota/test/harness"
)

var pictures = flag.Bool("pictures", false, "write the pictures of docs/images anew")

func TestMain(m *testing.M) { harness.Main(m) }

// settings let the tests go on quickly, and have a page.
const settings = `
[update]
quiet = "100ms"
[trial]
period = "300ms"
[web]
listen = "127.0.0.1:8484"
`

// beat is a program that says what it is.
const beat = `import time
print("version one")
while True:
    time.sleep(60)
`

// device starts one with a page, and waits until the program runs.
func device(t *testing.T, main harness.Tree, settings string) *harness.Device {
	t.Helper()
	d := harness.NewDevice(t, t.TempDir(), main, settings)
	d.Start()
	d.Await("the program", func(s harness.Status) bool { return s.Program.State == "running" })
	return d
}

// link is where `ota web` says that one can log in.
func link(t *testing.T, d *harness.Device) string {
	t.Helper()
	return strings.TrimSpace(d.Say("web"))
}

// screen is how a person sees the page.
type screen struct {
	Width, Height int64
	Dark          bool
}

// The screens.
var (
	phone = screen{320, 640, false}
	night = screen{320, 640, true}
	desk  = screen{1280, 900, false}
	wide  = screen{1920, 1080, false}
)

// browser is one window of a real browser, logged in nowhere.
type browser struct {
	testing.TB
	ctx    context.Context
	errors chan string // what the page complains about
}

// open starts the browser. Whatever its console says of errors fails the test.
func open(t testing.TB, on screen) *browser {
	t.Helper()
	harness.Need(t, "chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium()), chromedp.WindowSize(int(on.Width), int(on.Height)),
		chromedp.Flag("no-sandbox", os.Geteuid() == 0), // it refuses to have one as root
		chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("disable-dev-shm-usage", true),
	)
	allocated, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeWindow := chromedp.NewContext(allocated)
	ctx, late := context.WithTimeout(ctx, 4*harness.Deadline)
	t.Cleanup(func() { late(); closeWindow(); stop() })
	b := &browser{TB: t, ctx: ctx, errors: make(chan string, 100)}
	chromedp.ListenTarget(ctx, b.hear)
	b.look(on)
	return b
}

func chromium() string {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return "chromium"
	}
	return path
}

func (b *browser) hear(event any) {
	switch event := event.(type) {
	case *runtime.EventExceptionThrown:
		b.complain(event.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if event.Type == runtime.APITypeError {
			for _, argument := range event.Args {
				b.complain(string(argument.Value))
			}
		}
	}
}

func (b *browser) complain(text string) {
	select {
	case b.errors <- text:
	default:
	}
}

// isContent fails the test if the page has complained.
func (b *browser) isContent() {
	b.Helper()
	for len(b.errors) > 0 {
		b.Errorf("the page complains: %s", <-b.errors)
	}
}

// look changes the screen.
func (b *browser) look(on screen) {
	b.Helper()
	scheme := "light"
	if on.Dark {
		scheme = "dark"
	}
	b.do(
		emulation.SetDeviceMetricsOverride(on.Width, on.Height, 1, on.Width < 500),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}),
	)
}

// do does it, or ends the test.
func (b *browser) do(actions ...chromedp.Action) {
	b.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// login opens the page by a link of `ota web`.
func (b *browser) login(d *harness.Device) {
	b.Helper()
	where := strings.TrimSpace(d.Say("web"))
	if _, err := url.Parse(where); err != nil {
		b.Fatal(err)
	}
	b.do(chromedp.Navigate(where))
	b.await(`location.pathname === "/"`)
	b.await(`document.documentElement.dataset.connection === "open"`)
}

// await waits until an expression of the page's is true.
func (b *browser) await(expression string) {
	b.Helper()
	var holds bool
	harness.Await(b, expression, func() bool {
		holds = false
		// While a page is on its way to another, there is none to ask.
		_ = chromedp.Run(b.ctx, chromedp.Evaluate("!!("+expression+")", &holds))
		return holds
	}, func() string { return b.text() })
}

// text is all that the page shows.
func (b *browser) text() string {
	var text string
	_ = chromedp.Run(b.ctx, chromedp.Evaluate(`document.body.innerText`, &text))
	return text
}

// shows waits until the page shows a text.
func (b *browser) shows(text string) {
	b.Helper()
	harness.Await(b, "the page to show "+text, func() bool { return strings.Contains(b.text(), text) }, b.text)
}

// picture takes one of all that the screen shows, for the docs where it is asked
// for, and looks whether everybody can use what is on it.
func (b *browser) picture(name string, full bool) {
	b.Helper()
	b.isAccessible(name)
	if !*pictures {
		return
	}
	var png []byte
	if full {
		b.do(chromedp.FullScreenshot(&png, 100))
	} else {
		b.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
			png, err = cdppage.CaptureScreenshot().Do(ctx)
			return err
		}))
	}
	path := filepath.Join("..", "..", "docs", "images", name+".png")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, png, 0o644); err != nil {
		b.Fatal(err)
	}
}

// modules is the folder with what the tests have from npm, see .ci/run.
func modules(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("OTA_TEST_NPM")
	if dir == "" {
		dir = "/var/cache/ota-tests/npm"
	}
	dir = filepath.Join(dir, "node_modules")
	if _, err := os.Stat(dir); err != nil {
		harness.Lack(t, "the modules of test/page/package.json are not installed (npm ci --prefix "+filepath.Dir(dir)+")")
	}
	return dir
}

// isAccessible asks axe-core, with the rules of WCAG 2.2 A and AA and its best
// practices.
func (b *browser) isAccessible(what string) {
	b.Helper()
	axe, err := os.ReadFile(filepath.Join(modules(b), "axe-core", "axe.min.js"))
	if err != nil {
		b.Fatal(err)
	}
	var findings []string
	b.do(
		chromedp.Evaluate(string(axe), nil),
		chromedp.Evaluate(`axe.run(document).then(found => found.violations.flatMap(
			one => one.nodes.map(node => one.id + ": " + one.help + ": " + node.html.slice(0, 200) + " " + (node.any[0] || node.all[0] || {message: ""}).message)))`,
			&findings, awaited),
	)
	for _, finding := range findings {
		b.Errorf("%s: %s", what, finding)
	}
	var wider bool
	b.do(chromedp.Evaluate(`document.documentElement.scrollWidth > document.documentElement.clientWidth`, &wider))
	if wider {
		b.Errorf("%s: the page is wider than the screen", what)
	}
}

// awaited makes an evaluation wait for what its expression promises.
func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// press sends keys to what has the focus.
func (b *browser) press(keys string) {
	b.Helper()
	b.do(chromedp.KeyEvent(keys))
}
