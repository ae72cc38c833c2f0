//go:build linux

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

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
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
	b := &browser{TB: t, errors: make(chan string, 100)}
	allocated, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeWindow := chromedp.NewContext(allocated, chromedp.WithListener(b.hear))
	t.Cleanup(func() { closeWindow(); stop() })
	b.ctx = ctx
	b.do() // it begins; what follows has its limits
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
		b.complain(event.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if event.Type == runtime.ConsoleAPICalledTypeError {
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
		command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: on.Width, Height: on.Height, DeviceScaleFactor: 1, Mobile: on.Width < 500,
		}),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}}),
	)
}

// act is something that is done.
type act = chromedp.Action[chromedp.Void]

// command is one of the browser's own commands.
func command[P, R any](c cdp.Command[P, R], params P) act {
	return func(ctx context.Context, target *chromedp.Target) (nothing chromedp.Void, err error) {
		_, err = cdp.Call(ctx, target, c, params)
		return nothing, err
	}
}

// do does it, or ends the test.
func (b *browser) do(acts ...act) {
	b.Helper()
	ctx, cancel := b.ctx, func() {}
	if len(acts) > 0 {
		ctx, cancel = context.WithTimeout(ctx, harness.Deadline)
	}
	defer cancel()
	if err := chromedp.Do(ctx, acts...); err != nil {
		b.Fatal(err)
	}
}

// run runs a script of the page's; what it promises is waited for.
func (b *browser) run(script string) {
	b.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](script, chromedp.EvalAwaitPromise))
}

// ask runs a script of the page's and returns its value.
func ask[T any](b *browser, script string) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, harness.Deadline)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatal(err)
	}
	return value
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
	b.await(`document.body.dataset.connection === "open"`)
}

// await waits until an expression of the page's is true.
func (b *browser) await(expression string) {
	b.Helper()
	harness.Await(b, expression, func() bool {
		// While a page is on its way to another, there is none to ask.
		holds, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		return err == nil && holds
	}, b.text)
}

// text is all that the page shows.
func (b *browser) text() string {
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		return err.Error()
	}
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
	take := chromedp.CaptureScreenshot()
	if full {
		take = chromedp.FullScreenshot(100)
	}
	png, err := chromedp.Run(b.ctx, take)
	if err != nil {
		b.Fatal(err)
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
	b.run(string(axe))
	findings := ask[[]string](b, `axe.run(document).then(found => found.violations.flatMap(
		one => one.nodes.map(node => one.id + ": " + one.help + ": " + node.html.slice(0, 200) + " " + (node.any[0] || node.all[0] || {message: ""}).message)))`)
	for _, finding := range findings {
		b.Errorf("%s: %s", what, finding)
	}
	if ask[bool](b, `document.documentElement.scrollWidth > document.documentElement.clientWidth`) {
		b.Errorf("%s: the page is wider than the screen", what)
	}
}

// press sends keys to what has the focus.
func (b *browser) press(keys string) {
	b.Helper()
	b.do(chromedp.KeyEvent(keys))
}
