package program

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ota/internal/kit/hint"
	"ota/internal/kit/proc"
)

// roleServe answers each connection to descriptor 3 with its number. Like a
// server of asyncio it makes the socket non-blocking, and it may have an idea
// of its own of how long the queue should be.
func roleServe(dir string, args []string) {
	listener, err := net.FileListener(os.NewFile(firstSocket, "socket"))
	check(err)
	if len(args) > 0 {
		length, err := strconv.Atoi(args[0])
		check(err)
		check(unix.Listen(firstSocket, length))
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT)
	go func() {
		<-signals
		listener.Close()
	}()
	appear(dir, "serve")
	fmt.Println("ready", os.Getenv(listenCount), os.Getenv(listenNames), os.Getenv(listenPID) == strconv.Itoa(os.Getpid()))
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		fmt.Fprintln(conn, os.Getpid())
		conn.Close()
	}
}

// local is a socket on a free port.
func local(t *testing.T) Socket {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return Socket{Network: "tcp", Address: listener.Addr().String(), Name: "web"}
}

func (s *stage) startWith(role string, sockets ...Socket) *Run {
	s.t.Helper()
	return s.startSpec(s.spec(role), sockets...)
}

func (s *stage) startSpec(spec Spec, sockets ...Socket) *Run {
	s.t.Helper()
	spec.Sockets = sockets
	run, err := s.room.Start(spec)
	if err != nil {
		s.t.Fatal(err)
	}
	return run
}

// ask connects and returns what the program answers.
func ask(socket Socket) (string, error) {
	conn, err := net.DialTimeout(socket.Network, socket.Address, time.Minute)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return "", err
	}
	text, err := io.ReadAll(conn)
	if err == nil && len(text) == 0 {
		err = io.ErrUnexpectedEOF
	}
	return strings.TrimSpace(string(text)), err
}

// TestNoConnectionIsLost: connections that come while the program is changed
// wait for the next one.
func TestNoConnectionIsLost(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			s := newStage(t, "all")
			s.room.steps = unhurried
			socket := local(t)
			if network == "unix" {
				socket = Socket{Network: "unix", Address: filepath.Join(s.dir, "app.sock"), Name: "web"}
			}
			s.startWith("serve", socket)
			s.out.await(t, "ready 1 web true")
			var answered, lost atomic.Int64
			var clients sync.WaitGroup
			stop := make(chan struct{})
			clients.Go(func() {
				tick := time.NewTicker(2 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-stop:
						return
					case <-tick.C:
					}
					clients.Go(func() {
						if _, err := ask(socket); err != nil {
							t.Error(err)
							lost.Add(1)
							return
						}
						answered.Add(1)
					})
				}
			})
			for range 20 {
				s.stop(t.Context())
				s.startWith("serve", socket)
				s.out.await(t, "ready 1 web true")
			}
			close(stop)
			clients.Wait()
			t.Logf("%d answered, %d lost", answered.Load(), lost.Load())
			if answered.Load() == 0 {
				t.Error("nobody was answered")
			}
		})
	}
}

// TestQueueIsLongWhileNothingRuns: the program had made it one connection long.
func TestQueueIsLongWhileNothingRuns(t *testing.T) {
	s := newStage(t, "all")
	socket := local(t)
	s.startSpec(s.spec("serve", "1"), socket)
	s.out.await(t, "ready 1 web true")
	s.stop(t.Context())
	var clients sync.WaitGroup
	dialled := make(chan struct{}, 100)
	for range cap(dialled) {
		conn, err := net.DialTimeout("tcp", socket.Address, 20*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		clients.Go(func() {
			defer conn.Close()
			if text, err := io.ReadAll(conn); err != nil || len(text) == 0 {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
	s.startWith("serve", socket)
	clients.Wait()
}

// python3 is the one of the system: others may be scripts that look for it.
func python3(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("/usr/bin/python3")
	if err != nil {
		t.Skip("needs python3")
	}
	return path
}

func TestPythonFindsItsSockets(t *testing.T) {
	s := newStage(t, "all")
	path := filepath.Join(s.dir, "app.sock")
	spec := s.spec("")
	spec.Sockets = []Socket{local(t), {Network: "unix", Address: path}}
	spec.Watchdog = time.Minute
	s.room.options.Notify = filepath.Join(s.dir, "notify.sock")
	spec.Argv = []string{python3(t), "-c", `
import os, socket, sys
assert int(os.environ["LISTEN_PID"]) == int(os.environ["WATCHDOG_PID"]) == os.getpid()
assert os.environ["WATCHDOG_USEC"] == "60000000"
assert os.environ["LISTEN_FDNAMES"] == "web:unknown"
web, local = socket.socket(fileno=3), socket.socket(fileno=4)
assert web.family == socket.AF_INET and local.family == socket.AF_UNIX
assert os.get_blocking(3) and os.get_blocking(4)
assert local.getsockname() == sys.argv[1], local.getsockname()
name = open("/proc/self/cmdline").read().split("\0")[0]
assert name == sys.executable, name
print("up", flush=True)
for one in web, local:
    connection, _ = one.accept()
    connection.sendall(b"hello")
    connection.close()
os.set_blocking(3, False)
local.shutdown(socket.SHUT_RDWR)
sys.exit(3)`, path}
	for range 2 {
		run, err := s.room.Start(spec)
		if err != nil {
			t.Fatal(err)
		}
		s.out.await(t, "up")
		for _, socket := range spec.Sockets {
			if text, err := ask(socket); err != nil || text != "hello" {
				t.Errorf("%s: %q, %v", socket, text, err)
			}
		}
		await(t, "end", run.Done())
		if code := run.Exit().Code; code != 3 {
			t.Errorf("exit code %d", code)
		}
		s.stop(t.Context())
	}
}

// TestServersTakeTheirSockets: each of them answers, over the same socket.
func TestServersTakeTheirSockets(t *testing.T) {
	const app = `
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})
`
	s := newStage(t, "all")
	if err := os.WriteFile(filepath.Join(s.dir, "app.py"), []byte(app), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := local(t)
	for _, test := range []struct {
		module string
		args   []string
	}{
		{"gunicorn", []string{"-m", "gunicorn", "app:app"}},
		{"uvicorn", []string{"-m", "uvicorn", "--fd", "3", "app:asgi"}},
		{"waitress", []string{"-c", "import app, socket, waitress; waitress.serve(app.app, sockets=[socket.socket(fileno=3)])"}},
		{"asyncio", []string{"-c", `
import asyncio, socket
async def answer(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.0 200 OK\r\n\r\nhello")
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(answer, sock=socket.socket(fileno=3))
    await server.serve_forever()
asyncio.run(main())`}},
		{"http.server", []string{"-c", `
import http.server, socket
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")
server = http.server.ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
server.socket.close()
server.socket = socket.socket(fileno=3)
server.serve_forever()`}},
	} {
		t.Run(test.module, func(t *testing.T) {
			python := python3(t)
			if err := proc.Run(exec.Command(python, "-c", "import "+test.module)); err != nil {
				t.Skip("needs ", test.module)
			}
			s.t = t
			spec := s.spec("")
			spec.Argv = append([]string{python}, test.args...)
			spec.Stderr = io.Discard
			s.startSpec(spec, socket)
			for range 3 {
				if text := get(t, socket.Address); !strings.HasSuffix(text, "hello") {
					t.Errorf("answer %q", text)
				}
			}
			s.stop(t.Context())
		})
	}
}

// get waits in the queue if the server is not there yet.
func get(t *testing.T, address string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSocketsComeAndGo(t *testing.T) {
	s := newStage(t, "all")
	first, second := local(t), local(t)
	path := filepath.Join(s.dir, "app.sock")
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close() // what a killed ota leaves
	through := Socket{Network: "unix", Address: path}
	before := openFiles(t)
	run := func(sockets ...Socket) {
		t.Helper()
		one := s.startWith("crash", sockets...)
		await(t, "end", one.Done())
		s.stop(t.Context())
		for _, socket := range []Socket{first, second, through} {
			conn, err := net.Dial(socket.Network, socket.Address)
			if err == nil {
				conn.Close()
			}
			wanted := false
			for _, one := range sockets {
				wanted = wanted || one == socket
			}
			if (err == nil) != wanted {
				t.Errorf("%s: %v, wanted %v", socket, err, wanted)
			}
		}
	}
	run(first, through)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("%v, %v", info, err)
	}
	run(second, first)
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the path of a socket that is not wanted: %v", err)
	}
	run(through)
	run()
	run(through, second)
	if err := s.room.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the path after Close: %v", err)
	}
	if after := openFiles(t); after > before+2 { // of the control group, and of the output's end
		t.Errorf("%d files open, before %d", after, before)
	}
}

func TestWhereTheProgramCannotListen(t *testing.T) {
	s := newStage(t, "all")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	path := filepath.Join(s.dir, "taken.sock")
	answering, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer answering.Close()
	file := filepath.Join(s.dir, "file")
	if err := os.WriteFile(file, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		socket        Socket
		is            error
		message, hint string
	}{
		{Socket{Network: "tcp", Address: taken.Addr().String()}, unix.EADDRINUSE, "address already in use", "listens there"},
		{Socket{Network: "unix", Address: path}, unix.EADDRINUSE, "address already in use", "listens there"},
		{Socket{Network: "unix", Address: file}, nil, "no socket", "another path"},
		{Socket{Network: "unix", Address: "/" + strings.Repeat("x", 107)}, nil, "108 bytes", "/run/"},
		{Socket{Network: "unix", Address: "/nonexistent/app.sock"}, unix.ENOENT, "no such file", ""},
		{Socket{Network: "tcp", Address: "8000"}, nil, "no host:port", "0.0.0.0:8000"},
		{Socket{Network: "tcp", Address: "203.0.113.7:0"}, unix.EADDRNOTAVAIL, "cannot assign", "0.0.0.0"},
		{Socket{Network: "udp", Address: "127.0.0.1:53"}, nil, `"udp"`, ""},
	} {
		spec := s.spec("obey")
		spec.Sockets = []Socket{test.socket}
		_, err := s.room.Start(spec)
		failed, ok := errors.AsType[*SocketError](err)
		if !ok || failed.Socket != test.socket || test.is != nil && !errors.Is(err, test.is) ||
			!strings.Contains(err.Error(), "cannot listen on "+test.socket.Address+": ") ||
			!strings.Contains(err.Error(), test.message) || !strings.Contains(hint.Of(err), test.hint) {
			t.Errorf("%s: %v, hint %q", test.socket, err, hint.Of(err))
		}
	}
	spec := s.spec("obey")
	spec.Sockets = []Socket{{Network: "unix", Address: filepath.Join(s.dir, "twice")}, {Network: "unix", Address: filepath.Join(s.dir, "twice")}}
	if _, err := s.room.Start(spec); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a socket that is named twice: %v", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "kept" {
		t.Errorf("a file in the way: %q, %v", text, err)
	}
	// And what can't be executed is an error of the start, not of a shell.
	for _, argv := range []string{"/nonexistent/python3", s.dir, file} {
		_, err := s.room.Start(Spec{Argv: []string{argv}, Dir: s.dir, Sockets: []Socket{local(t)}})
		if err == nil || !strings.HasPrefix(err.Error(), "cannot start program: ") {
			t.Errorf("Start(%q) = %v", argv, err)
		}
	}
}

func TestHolderIsNamed(t *testing.T) {
	other := newStage(t, "all")
	socket := local(t)
	run := other.startWith("serve", socket)
	other.out.await(t, "ready 1 web true")
	_, port, _ := strings.Cut(socket.Address, ":")
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := holder("tcp", socket.Address, number), fmt.Sprintf("(process %d)", run.PID()); !strings.HasSuffix(got, want) {
		t.Errorf("holder: %q, want %q", got, want)
	}
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]unix.Sockaddr{
		"0.0.0.0:80":     &unix.SockaddrInet4{Port: 80},
		"localhost:http": &unix.SockaddrInet4{Port: 80, Addr: [4]byte{127, 0, 0, 1}},
		"[::1]:8000":     &unix.SockaddrInet6{Port: 8000, Addr: [16]byte{15: 1}},
		"[fe80::1%7]:1":  &unix.SockaddrInet6{Port: 1, Addr: [16]byte{0xfe, 0x80, 15: 1}, ZoneId: 7},
	} {
		_, got, err := tcpAddress(address)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, %v, want %v", address, got, err, want)
		}
	}
}

func TestAllAddressesOfBothKinds(t *testing.T) {
	if !hasIPv6() {
		t.Skip("no IPv6 here")
	}
	for _, address := range []string{"[::]:0", ":0"} {
		one, err := open(Socket{Network: "tcp", Address: address})
		if err != nil {
			t.Fatal(err)
		}
		only, err := unix.GetsockoptInt(one.fd(), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err != nil || only != 0 {
			t.Errorf("%s: IPV6_V6ONLY = %d, %v", address, only, err)
		}
		if err := one.close(); err != nil {
			t.Error(err)
		}
	}
}

// BenchmarkShell is what the way through a shell adds to a start.
func BenchmarkShell(b *testing.B) {
	null, err := exec.LookPath("true")
	if err != nil {
		b.Skip(err)
	}
	for name, argv := range map[string][]string{"direct": {null}, "shell": throughShell([]string{null}, listenPID, watchdogPID)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := exec.Command(argv[0], argv[1:]...).Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
