//go:build linux

package push

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"io/fs"
	number "math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ota/test/harness"
)

// page is a device whose page is open to the network.
type page struct {
	*harness.Device
	t           *testing.T
	port        string
	fingerprint string
}

func newPage(t *testing.T, web ...string) *page {
	t.Helper()
	port := strconv.Itoa(harness.FreePort(t))
	p := &page{t: t, port: port}
	p.Device = harness.NewDevice(t, harness.FastDir(t), harness.Tree{}, trial+"[web]\nlisten = \"0.0.0.0:"+port+"\"\n"+strings.Join(web, "\n")+"\n")
	p.start()
	return p
}

// start starts ota and waits for its page.
func (p *page) start() {
	p.t.Helper()
	p.Start()
	p.Await("ota to answer", func(s harness.Status) bool { return s.Program.State != "" })
	harness.Await(p.t, "the page", func() bool {
		var status struct {
			Web struct {
				Address, Fingerprint string
			}
		}
		if err := json.Unmarshal([]byte(p.Say("status", "--json")), &status); err != nil {
			p.t.Fatal(err)
		}
		p.fingerprint = status.Web.Fingerprint
		if status.Web.Address != "" && !strings.HasSuffix(status.Web.Address, ":"+p.port) {
			p.t.Fatalf("the page is on %s, not on port %s", status.Web.Address, p.port)
		}
		return p.fingerprint != ""
	}, p.Console)
}

func (p *page) target() string { return "https://127.0.0.1:" + p.port }

// newToken makes one that may do this.
func (p *page) newToken(name, allow string) string {
	p.t.Helper()
	return strings.TrimSpace(p.Say("web", "token", "--name", name, "--allow", allow))
}

// laptop is one of which the device knows a token.
func (p *page) laptop(files harness.Tree) *laptop {
	p.t.Helper()
	l := newLaptop(p.t, files)
	l.env = append(l.env, "XDG_CONFIG_HOME="+p.t.TempDir(), "OTA_FINGERPRINT="+p.fingerprint)
	return l.with(p.newToken("laptop-"+strconv.FormatInt(time.Now().UnixNano(), 36), "read,upload"))
}

// with is the same laptop with another token.
func (l *laptop) with(token string) *laptop {
	other := *l
	other.env = append(append([]string{}, l.env...), "OTA_TOKEN="+token)
	return &other
}

// TestOverHTTPS is the life of a program, as over ssh.
func TestOverHTTPS(t *testing.T) {
	t.Parallel()
	device := newPage(t)
	l := device.laptop(project())
	target := device.target()
	said, told := l.push(0, target, "--version", "v1")
	if !strings.Contains(said, target+": confirmed: release 1") || !strings.Contains(told, "pump 1") {
		t.Errorf("said %q, told %q", said, told)
	}
	l.write("lib/pump.py", "number = 2\n")
	if said, _ := l.push(0, target, "--dry-run"); said != "replaced lib/pump.py\n" {
		t.Errorf("dry run: %q", said)
	}
	if got := l.pushJSON(0, target).Targets[0]; got.Outcome != "confirmed" || got.Release != 2 {
		t.Errorf("%+v", got)
	}
	l.write("lib/pump.py", "number = (\n")
	if got := l.pushJSON(3, target).Targets[0]; got.Outcome != "held" || !strings.Contains(got.Reasons[0].Message, "SyntaxError") {
		t.Errorf("held: %+v", got)
	}
	l.write("lib/pump.py", "number = 1 / 0\n")
	if _, told := l.push(4, target); !strings.Contains(told, "ZeroDivisionError") {
		t.Errorf("no evidence in %q", told)
	}
	l.write("lib/pump.py", "number = 5\n")
	if got := l.pushJSON(0, target, "--no-wait").Targets[0]; got.Outcome != "uploaded" {
		t.Errorf("%+v", got)
	}
	device.Await("the release that was not waited for", func(s harness.Status) bool { return s.Release.Number == 4 && s.Release.State == "confirmed" })
	if !strings.Contains(device.Console(), `action=push by="token laptop-`) {
		t.Error("the log does not say who has pushed")
	}
}

// TestHTTPSAndAFolder: several targets of several kinds, of which one fails.
func TestHTTPSAndAFolder(t *testing.T) {
	t.Parallel()
	device, folder := newPage(t), newDevice(t)
	l := device.laptop(project())
	got := l.pushJSON(0, ".", device.target(), folder.Dir)
	for _, one := range got.Targets {
		if one.Outcome != "confirmed" {
			t.Errorf("%+v", one)
		}
	}
	l.write("lib/pump.py", "number = 2\n")
	got = l.with("ota_wrong").pushJSON(1, ".", device.target(), folder.Dir)
	if got.Targets[0].Error == "" || got.Targets[1].Outcome != "confirmed" {
		t.Errorf("%+v", got)
	}
}

// TestWhoMayPush: what is told to who may not, and that nothing comes of it.
func TestWhoMayPush(t *testing.T) {
	t.Parallel()
	device := newPage(t)
	l := device.laptop(project())
	revoked := device.newToken("gone", "read,upload")
	device.Say("web", "token", "revoke", "gone")
	for name, test := range map[string]struct{ token, want string }{
		"wrong":       {"ota_ABCDEFGHIJKLMNOPQRSTUVWXYZ", "does not know this token"},
		"revoked":     {revoked, "does not know this token"},
		"only read":   {device.newToken("reader", "read"), "this needs the right to upload"},
		"only upload": {device.newToken("uploader", "upload"), "a push needs the rights to read and to upload"},
		"none":        {"", "there is no token for it here"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, told := l.with(test.token).push(1, device.target()); !strings.Contains(told, test.want) || !strings.Contains(told, "hint: ") {
				t.Errorf("told %q", told)
			}
		})
	}
	if releases := device.History(); len(releases) > 0 {
		t.Errorf("%+v", releases)
	}
}

// TestTokenIsEndedAtOnce: also for a push that is under way.
func TestTokenIsEndedAtOnce(t *testing.T) {
	t.Parallel()
	device := newPage(t)
	files := project()
	files["big.bin"] = harness.File(big(2 << 20))
	w := newProxy(t, device.port)
	l := device.laptop(files)
	l = l.with(device.newToken("gone", "read,upload"))
	w.plan(plan{stall, 500_000})
	end := l.pushing(1, w.target())
	harness.Await(t, "some of it to arrive", w.hasStalled, func() string { return "" })
	device.Say("web", "token", "revoke", "gone")
	w.release()
	if told := end(); !strings.Contains(told, "does not know this token") {
		t.Errorf("told %q", told)
	}
}

// TestUnknownCertificate: where nobody can be asked it is refused, and it is told
// how it is made known.
func TestUnknownCertificate(t *testing.T) {
	t.Parallel()
	device := newPage(t)
	l := device.laptop(project())
	l.env = append(l.env, "OTA_FINGERPRINT=")
	if _, told := l.push(1, device.target()); !strings.Contains(told, "is not known here") || !strings.Contains(told, "--fingerprint "+device.fingerprint) {
		t.Errorf("told %q", told)
	}
	small := strings.ToLower(strings.ReplaceAll(device.fingerprint, ":", ""))
	l.push(0, device.target(), "--fingerprint", "SHA256:"+small)
	if _, told := l.push(1, device.target(), "--fingerprint", small[2:]); !strings.Contains(told, "is no SHA-256 of a certificate") {
		t.Errorf("told %q", told)
	}
}

// TestThroughATunnel: to a page that only its own machine sees, as by ssh -L.
func TestThroughATunnel(t *testing.T) {
	t.Parallel()
	settings := trial + "[web]\nlisten = \"127.0.0.1:0\"\n"
	device := &page{Device: harness.NewDevice(t, harness.FastDir(t), harness.Tree{}, settings), t: t}
	device.Start()
	device.Await("ota to answer", func(s harness.Status) bool { return s.Program.State != "" })
	var status struct{ Web struct{ Address string } }
	harness.Await(t, "the page", func() bool {
		return json.Unmarshal([]byte(device.Say("status", "--json")), &status) == nil && status.Web.Address != ""
	}, device.Console)
	w := newProxy(t, status.Web.Address[strings.LastIndexByte(status.Web.Address, ':')+1:])
	l := device.laptop(project())
	l.push(0, "http://"+w.listener.Addr().String())
	if _, told := l.push(1, w.target()); !strings.Contains(told, "TLS") && !strings.Contains(told, "HTTP") {
		t.Errorf("with TLS: told %q", told)
	}
}

// TestAuthority: a certificate for which the system vouches is not asked about, and
// is for the name that was called only.
func TestAuthority(t *testing.T) {
	t.Parallel()
	device := newPage(t)
	l := device.laptop(project())
	l.env = append(l.env, "OTA_FINGERPRINT=", "SSL_CERT_FILE="+filepath.Join(device.Dir, ".ota", "web.pem"))
	l.push(0, device.target())
	if _, told := l.push(1, "https://127.0.0.2:"+device.port); !strings.Contains(told, "is not known here") {
		t.Errorf("told %q", told)
	}
}

// TestHiddenIsNotQuoted: of what [web] hides who pushes is told that it is wrong, and
// no line of it.
func TestHiddenIsNotQuoted(t *testing.T) {
	t.Parallel()
	device := newPage(t, `hide = ["keys.py"]`)
	files := project()
	files["keys.py"] = harness.File("KEY = ('hush'\n")
	files["main.py"] = harness.File("import keys\n")
	out, _ := device.laptop(files).push(3, device.target(), "--json")
	if !strings.Contains(out, `"path": "keys.py"`) || strings.Contains(out, "hush") {
		t.Errorf("told %s", out)
	}
	if quoted := device.Say("why", "--json"); !strings.Contains(quoted, "hush") {
		t.Errorf("its owner is told %s", quoted)
	}
}

// TestChangedCertificate: who shows another one is refused, loudly, and gets
// nothing: not the token, and not a byte of a request.
func TestChangedCertificate(t *testing.T) {
	t.Parallel()
	device := newPage(t)
	l := device.laptop(project())
	l.push(0, device.target())
	device.Stop()
	heard := impostor(t, device.port)
	l.write("lib/pump.py", "number = 2\n")
	if _, told := l.push(1, device.target()); !strings.Contains(told, "IS NOT THE ONE THAT IT WAS") {
		t.Errorf("told %q", told)
	}
	// Who knows no certificate tells him as little.
	l.env = append(l.env, "OTA_FINGERPRINT=")
	if _, told := l.push(1, device.target()); !strings.Contains(told, "is not known here") {
		t.Errorf("told %q", told)
	}
	if said := heard(); len(said) > 0 {
		t.Errorf("the impostor has heard %q", said)
	}
}

// impostor listens at a port with a certificate of its own. What it has heard is
// told when it is asked, and then it ends.
func impostor(t *testing.T, port string) (heard func() string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: number.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	made, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:"+port, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{made}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1)
	go func() {
		var all strings.Builder
		for {
			conn, err := listener.Accept()
			if err != nil {
				said <- all.String()
				return
			}
			text, _ := io.ReadAll(conn)
			all.Write(text)
			conn.Close()
		}
	}()
	return func() string { listener.Close(); return <-said }
}

// TestHTTPSCuts cuts the connection thirty times, wherever it is: all arrives as it
// was, and next to nothing is sent twice.
func TestHTTPSCuts(t *testing.T) {
	t.Parallel()
	files := project()
	files["big.bin"] = harness.File(big(4 << 20))
	// One without a cut, and one more that sends nothing of the release: that is what
	// a connection costs by itself.
	device := newPage(t)
	whole := newProxy(t, device.port)
	l := device.laptop(files)
	l.push(0, whole.target())
	once, _ := whole.counted()
	l.push(0, whole.target())
	both, _ := whole.counted()
	handshake := both - once

	device = newPage(t)
	w := newProxy(t, device.port)
	var plans []plan
	for i := range 30 {
		plans = append(plans, plan{cut, int64(3000 + (i*7919)%(256<<10))})
	}
	w.plan(plans...)
	device.laptop(files).push(0, w.target())
	if got, err := os.ReadFile(filepath.Join(device.Main(), "big.bin")); err != nil || string(got) != files["big.bin"].Content {
		t.Errorf("what is in main/ is not what was sent (%v)", err)
	}
	sent, calls := w.counted()
	if sent-int64(calls-1)*handshake > once*102/100 {
		t.Errorf("%d bytes went over the wire in %d connections, %d in one; a connection costs %d", sent, calls, once, handshake)
	}
	t.Logf("%d bytes in %d connections, %d in one; a connection costs %d", sent, calls, once, handshake)
}

// TestOtaEndsMeanwhile: a push goes on with the ota that is started next, or that
// takes over, and what had arrived is not sent again.
func TestOtaEndsMeanwhile(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*page){
		"killed":   func(device *page) { device.Kill(); device.start() },
		"reloaded": func(device *page) { device.Say("reload") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			device := newPage(t)
			files := project()
			files["big.bin"] = harness.File(big(2 << 20))
			w := newProxy(t, device.port)
			w.plan(plan{stall, 1_500_000})
			l := device.laptop(files)
			pushed := l.pushing(0, w.target())
			harness.Await(t, "most of it to arrive", func() bool { return w.hasStalled() && device.received() > 1_500_000-onItsWay }, func() string { return "" })
			end(device)
			w.release()
			pushed()
			if sent, _ := w.counted(); sent > 2<<20+onItsWay+50_000 {
				t.Errorf("%d bytes went over the wire", sent)
			}
			if releases := device.History(); len(releases) != 1 || releases[0].State != "confirmed" {
				t.Errorf("%+v", releases)
			}
		})
	}
}

// onItsWay is what may have been sent and not yet written down when ota ends.
const onItsWay = 150_000

// received is how much of a push lies at the device.
func (p *page) received() (bytes int64) {
	filepath.WalkDir(filepath.Join(p.Dir, ".ota", "receive"), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil { // it was not there yet, or is not any more
			return nil
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}

// TestTwoAtOnce: two computers push at the same time. Each is told what became of
// its own, or that another push is under way.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	device := newPage(t)
	files := project()
	files["big.bin"] = harness.File(big(2 << 20))
	w := newProxy(t, device.port)
	w.plan(plan{stall, 1_000_000})
	first, second := device.laptop(files), device.laptop(project())
	end := first.pushing(0, w.target())
	harness.Await(t, "the first to be under way", w.hasStalled, func() string { return "" })
	if _, told := second.push(1, device.target()); !strings.Contains(told, "another push is under way") {
		t.Errorf("told %q", told)
	}
	w.release()
	end()
	second.push(0, device.target())
}

// TestManyUpgrades: who has no token gets none of the places for pushes; who has
// one gets four at most, and keeps nobody else from the page.
func TestManyUpgrades(t *testing.T) {
	t.Parallel()
	device := newPage(t)
	l := device.laptop(project())
	for range 20 {
		if status, conn := device.upgrade("ota_wrong"); status != http.StatusUnauthorized && status != http.StatusTooManyRequests {
			t.Errorf("a stranger is answered %d", status)
			conn.Close()
		}
	}
	token := device.newToken("many", "read,upload")
	var open []net.Conn
	for range 4 {
		status, conn := device.upgrade(token)
		if status != http.StatusSwitchingProtocols {
			t.Fatalf("answered %d", status)
		}
		open = append(open, conn)
	}
	if status, _ := device.upgrade(token); status != http.StatusServiceUnavailable {
		t.Errorf("the fifth is answered %d", status)
	}
	if _, told := l.push(1, device.target()); !strings.Contains(told, "others are just pushing") {
		t.Errorf("told %q", told)
	}
	for _, conn := range open {
		conn.Close()
	}
	harness.Await(t, "a place", func() bool {
		status, conn := device.upgrade(token)
		if conn != nil {
			conn.Close()
		}
		return status == http.StatusSwitchingProtocols
	}, device.Console)
	l.push(0, device.target())
}

// upgrade asks for a connection to a receiver and says nothing more.
func (p *page) upgrade(token string) (status int, conn net.Conn) {
	p.t.Helper()
	dialed, err := tls.DialWithDialer(&net.Dialer{Timeout: harness.Deadline}, "tcp", "127.0.0.1:"+p.port, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { dialed.Close() })
	io.WriteString(dialed, "POST /api/v1/receive HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "+token+
		"\r\nConnection: Upgrade\r\nUpgrade: ota-receive\r\nContent-Length: 0\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(dialed), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, dialed
}

// fault is what a proxy does to a connection.
type fault string

const (
	cut   fault = "cut"   // it ends
	stall fault = "stall" // nothing more gets through, until it is released
)

// plan is a fault after so many bytes to the device.
type plan struct {
	fault fault
	after int64
}

// proxy is on the way to a device.
type proxy struct {
	listener net.Listener
	to       string
	free     chan struct{} // closed by release
	release  func()        // what has stalled ends
	stalled  chan struct{} // closed when something has stalled

	mutex sync.Mutex
	plans []plan
	calls int
	sent  int64
}

func newProxy(t *testing.T, port string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, to: "127.0.0.1:" + port, free: make(chan struct{}), stalled: make(chan struct{})}
	p.release = sync.OnceFunc(func() { close(p.free) })
	t.Cleanup(func() { listener.Close(); p.release() })
	go p.serve()
	return p
}

func (p *proxy) target() string { return "https://" + p.listener.Addr().String() }

// plan says what becomes of the next connections.
func (p *proxy) plan(plans ...plan) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.plans = plans
}

func (p *proxy) counted() (int64, int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.sent, p.calls
}

func (p *proxy) hasStalled() bool {
	select {
	case <-p.stalled:
		return true
	default:
		return false
	}
}

func (p *proxy) serve() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.join(conn)
	}
}

// join joins a connection with one to the device.
func (p *proxy) join(conn net.Conn) {
	defer conn.Close()
	p.mutex.Lock()
	p.calls++
	var now plan
	if len(p.plans) > 0 {
		now, p.plans = p.plans[0], p.plans[1:]
	}
	p.mutex.Unlock()
	device, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.to)
	if err != nil {
		return
	}
	defer device.Close()
	back := make(chan struct{})
	go func() {
		defer close(back)
		io.Copy(conn, device)
		conn.Close()
	}()
	var from io.Reader = conn
	if now.fault != "" {
		from = io.LimitReader(conn, now.after)
	}
	passed, _ := io.Copy(counted{p, device}, from)
	if now.fault == stall && passed == now.after {
		close(p.stalled)
		<-p.free
		return
	}
	// The device gets what is on the way to it, and the end.
	conn.Close()
	device.(*net.TCPConn).CloseWrite()
	<-back
}

// counted counts what goes to the device.
type counted struct {
	*proxy
	to io.Writer
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.mutex.Lock()
	c.sent += int64(n)
	c.mutex.Unlock()
	return n, err
}
