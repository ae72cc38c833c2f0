package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/logs"
)

// event is one event as a browser sees it; a comment has neither id nor name.
type event struct{ id, name, data string }

// wire joins a client and a server without the system, so that virtual time
// goes on while they wait for each other.
type wire struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (w *wire) Accept() (net.Conn, error) {
	select {
	case conn := <-w.conns:
		return conn, nil
	case <-w.done:
		return nil, net.ErrClosed
	}
}
func (w *wire) Close() error {
	w.once.Do(func() { close(w.done) })
	return nil
}

func (w *wire) Addr() net.Addr { return &net.TCPAddr{} }

func (w *wire) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case w.conns <- far:
		return near, nil
	case <-w.done:
		return nil, net.ErrClosed
	}
}

// watching is a server of which every caller may do all that tokens can.
type watching struct {
	house  *fakeHouse
	client *http.Client
	end    func() // of the server; returns when it has
}

func watch(t *testing.T, house *fakeHouse) *watching {
	t.Helper()
	if house.log == nil {
		house.log = logs.New(logs.Options{})
	}
	line := &wire{conns: make(chan net.Conn), done: make(chan struct{})}
	ctx, cancel := context.WithCancel(WithCaller(t.Context(), Caller{Name: "the page", Rights: Rights}))
	handler := Handler(house, slog.New(slog.DiscardHandler))
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if name := r.URL.Query().Get("caller"); name != "" {
				r = r.WithContext(WithCaller(r.Context(), Caller{Name: name, Rights: Rights}))
			}
			handler.ServeHTTP(w, r)
		}),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(line) }()
	w := &watching{house: house, client: &http.Client{Transport: &http.Transport{DialContext: line.dial, DisableKeepAlives: true}}}
	ended := false
	w.end = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		grace, stop := context.WithTimeout(context.Background(), graceTime)
		defer stop()
		if server.Shutdown(grace) != nil {
			server.Close()
		}
		<-served
	}
	t.Cleanup(w.end)
	return w
}

// stream begins to watch.
func (w *watching) stream(t *testing.T, query, lastID string) *reading {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ota/api/v1/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	answer, err := w.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s, %q", answer.Status, answer.Header)
	}
	return &reading{answer.Body, bufio.NewReader(answer.Body), leave}
}

// reading is a stream that a test reads.
type reading struct {
	io.Closer
	from  *bufio.Reader
	leave context.CancelFunc
}

// next returns the next event; its error is io.EOF at a clean end.
func (r *reading) next() (found event, err error) {
	for {
		line, err := r.from.ReadString('\n')
		if err != nil {
			return found, err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "id":
			found.id = value
		case "event":
			found.name = value
		case "data":
			found.data = value
		case "":
			return found, nil
		case ":":
			found.name = "comment"
		}
	}
}

// only returns the next event of a kind.
func (r *reading) only(t *testing.T, name string) event {
	t.Helper()
	for {
		found, err := r.next()
		if err != nil {
			t.Fatalf("waiting for %s: %v", name, err)
		}
		if found.name == name {
			return found
		}
	}
}

// lines returns the lines of the next event that has any.
func (r *reading) lines(t *testing.T) []logs.Line {
	t.Helper()
	return linesOf(t, r.only(t, "log"))
}

func linesOf(t *testing.T, of event) []logs.Line {
	t.Helper()
	var lines []logs.Line
	if err := json.Unmarshal([]byte(of.data), &lines); err != nil {
		t.Fatal(err)
	}
	return lines
}

// say logs lines of the program.
func say(t *testing.T, log *logs.Log, texts ...string) {
	t.Helper()
	stream := log.Stream(logs.Main)
	for _, text := range texts {
		if _, err := stream.Write([]byte(text + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	stream.Close()
}

func TestEventsFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, &fakeHouse{status: Status{Version: "1.2"}, device: Device{Name: "garden"}})
		say(t, w.house.log, "one", "two", "three")
		stream := w.stream(t, "?log=2", "")
		defer stream.Close()
		var names []string
		for range 4 {
			found, err := stream.next()
			if err == nil && found == (event{}) { // it is what "retry: 1000" ends with
				found, err = stream.next()
			}
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, found.name+" "+found.id)
			switch found.name {
			case "started":
				if found.data != `{"start":"start7","version":"1.2"}` {
					t.Error(found.data)
				}
			case "log":
				if lines := linesOf(t, found); len(lines) != 2 || lines[0].Text != "two" || lines[1].Text != "three" {
					t.Errorf("lines %v", lines)
				}
			}
		}
		want := []string{"started start7.1", "status start7.1", "device start7.1", "log start7.3"}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// TestBeat counts what comes within a minute in which everything changes all
// the time, and one in which nothing does.
func TestBeat(t *testing.T) {
	for name, test := range map[string]struct {
		changing time.Duration // how often the status changes; 0: never
		status   [2]int        // at least, at most
	}{
		"nothing changes":    {0, [2]int{1, 1}},
		"all the time":       {10 * time.Millisecond, [2]int{250, 301}},
		"every three second": {3 * time.Second, [2]int{20, 21}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := watch(t, &fakeHouse{})
				stream := w.stream(t, "", "")
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute-time.Millisecond)
				defer cancel()
				context.AfterFunc(ctx, func() { stream.Close() })
				var changing sync.WaitGroup
				defer changing.Wait()
				if test.changing > 0 {
					changing.Go(func() {
						for tick := time.NewTicker(test.changing); ctx.Err() == nil; <-tick.C {
							w.house.change(func(s *Status) { s.Deposit.Files++ })
						}
					})
				}
				seen := map[string]int{}
				for {
					found, err := stream.next()
					if err != nil {
						break
					}
					seen[found.name]++
				}
				if n := seen["status"]; n < test.status[0] || n > test.status[1] {
					t.Errorf("%d times status, want %v", n, test.status)
				}
				if seen["device"] != 6 || seen["comment"] != 3 || seen["started"] != 1 || seen["log"] != 0 {
					t.Errorf("seen: %v", seen)
				}
			})
		})
	}
}

// A file that grows in deposit/ is told by nobody.
func TestWhatNobodyTellsIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, &fakeHouse{})
		stream := w.stream(t, "", "")
		defer stream.Close()
		stream.only(t, "status")
		w.house.mutex.Lock()
		w.house.status.Deposit.Bytes = 77
		w.house.mutex.Unlock()
		began := time.Now()
		if found := stream.only(t, "status"); !strings.Contains(found.data, `"bytes":77`) {
			t.Error(found.data)
		}
		if took := time.Since(began); took > statusBeat {
			t.Errorf("it took %v", took)
		}
	})
}

// TestResume breaks the connection a hundred times while lines are written.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, &fakeHouse{})
		random := rand.New(rand.NewPCG(1, 2))
		const total = 3000
		go func() {
			for i := range total {
				time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
				say(t, w.house.log, fmt.Sprint(i+1))
			}
		}()
		tosses := rand.New(rand.NewPCG(3, 4))
		lastID, next, breaks := "", uint64(1), 0
		for next <= total {
			stream := w.stream(t, "?log=0", lastID)
			for range 1 + tosses.IntN(8) {
				found, err := stream.next()
				if err != nil {
					t.Fatal(err)
				}
				if found.id != "" {
					lastID = found.id
				}
				if found.name != "log" {
					continue
				}
				for _, line := range linesOf(t, found) {
					if line.Seq != next || line.Text != fmt.Sprint(next) {
						t.Fatalf("line %d %q after %d, following %s", line.Seq, line.Text, next-1, lastID)
					}
					next++
				}
			}
			stream.leave()
			stream.Close()
			breaks++
			time.Sleep(time.Duration(tosses.IntN(300)) * time.Millisecond)
		}
		if breaks < 100 {
			t.Errorf("the connection broke %d times only", breaks)
		}
	})
}

// TestWhereItGoesOn: what the client says that it has, and what it gets.
func TestWhereItGoesOn(t *testing.T) {
	tests := []struct {
		name, lastID, query string
		first               uint64 // of ten lines; 11: nothing that was there
	}{
		{"no id", "", "?log=3", 8},
		{"no id, all", "", "?log=1000", 1},
		{"no id, none", "", "?log=0", 11},
		{"some were there", "start7.4", "?log=3", 5},
		{"all were there", "start7.10", "?log=3", 11},
		{"nothing was there", "start7.0", "?log=3", 1},
		{"another start", "start6.9", "?log=3", 1},
		{"another start, far ahead", "zz.18446744073709551615", "?log=3", 1},
		{"a number to come", "start7.11", "?log=3", 8},
		{"a number too large", "start7.18446744073709551616", "?log=3", 8},
		{"a negative number", "start7.-1", "?log=3", 8},
		{"no number", "start7.", "?log=3", 8},
		{"no point", "start7", "?log=3", 8},
		{"no start", ".4", "?log=3", 8},
		{"another alphabet", "Start7.4", "?log=3", 8},
		{"nonsense", "\xff\xfe{}", "?log=3", 8},
		{"in the query", "", "?log=3&after=start7.6", 7},
		{"the header counts", "start7.8", "?log=3&after=start7.6", 9},
		{"nonsense in the query", "", "?log=3&after=%00%0a", 8},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := watch(t, &fakeHouse{})
				for i := range 10 {
					say(t, w.house.log, fmt.Sprint(i+1))
				}
				stream := w.stream(t, test.query, test.lastID)
				defer stream.Close()
				stream.only(t, "device")
				say(t, w.house.log, "11")
				if got := stream.lines(t)[0].Seq; got != test.first {
					t.Errorf("the first line is %d, want %d", got, test.first)
				}
			})
		})
	}
}

// A client that reads too slowly is told how much it missed, and is not kept in
// memory beyond what the log itself is.
func TestSlowWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, &fakeHouse{})
		stream := w.stream(t, "?log=10", "")
		defer stream.Close()
		stream.only(t, "device")
		for i := range 2000 {
			say(t, w.house.log, fmt.Sprint(i, strings.Repeat("x", 1000)))
		}
		bytes, leftOut, last := 0, false, uint64(0)
		for last < 2000 {
			found := stream.only(t, "log")
			bytes += len(found.data)
			for _, line := range linesOf(t, found) {
				leftOut = leftOut || line.Source == logs.Warning && strings.Contains(line.Text, "left out")
				last = line.Seq
			}
		}
		if !leftOut || bytes > 1<<20 {
			t.Errorf("%d bytes came; that lines are missing was told: %t", bytes, leftOut)
		}
	})
}

// A client that takes nothing is left after a while.
func TestStuckWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, &fakeHouse{})
		stream := w.stream(t, "?log=10", "")
		defer stream.Close()
		time.Sleep(writeTime + time.Minute)
		if _, err := io.ReadAll(stream.from); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("the stream went on, or ended as if all were said: %v", err)
		}
	})
}

// The last words of ota come before the end, which waits for nobody who does
// not listen.
func TestEventsAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, &fakeHouse{})
		stuck := w.stream(t, "?log=10", "")
		defer stuck.Close()
		stream := w.stream(t, "?log=10", "")
		stream.only(t, "device")
		slog.New(w.house.log.Handler(slog.LevelInfo)).Info("ota has ended")
		began := time.Now()
		go w.end()
		if lines := stream.lines(t); lines[len(lines)-1].Text != "ota has ended" {
			t.Errorf("lines %v", lines)
		}
		if found, err := stream.next(); !errors.Is(err, io.EOF) {
			t.Errorf("after the end came %v, %v", found, err)
		}
		time.Sleep(graceTime)
		if _, err := io.ReadAll(stuck.from); err == nil {
			t.Error("a stuck stream is still there")
		}
		if took := time.Since(began); took > graceTime {
			t.Errorf("the end took %v", took)
		}
	})
}

// TestManyWatchers: one token can't keep the page out.
func TestManyWatchers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, &fakeHouse{})
		var streams []*reading
		isFull := func(query string) {
			t.Helper()
			answer, err := w.client.Get("http://ota/api/v1/events" + query)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
				t.Errorf("one too many: %s, %v", answer.Status, answer.Header)
			}
		}
		for _, query := range []string{"?caller=token+greedy", ""} {
			for range maxStreamsOfOne {
				stream := w.stream(t, query, "")
				stream.only(t, "device")
				streams = append(streams, stream)
			}
			isFull(query)
		}
		isFull("?caller=token+other")
		streams[0].leave()
		streams[0].Close()
		synctest.Wait()
		again := w.stream(t, "?caller=token+other", "") // there is room again
		again.only(t, "device")
		for _, stream := range append(streams, again) {
			stream.leave()
			stream.Close()
		}
	})
}

func TestEventsAreNotForEverybody(t *testing.T) {
	for _, test := range []struct {
		method, query string
		rights        []Right
		want          int
	}{
		{http.MethodGet, "", []Right{Upload, Control}, http.StatusForbidden},
		{http.MethodGet, "", nil, http.StatusForbidden},
		{http.MethodGet, "?log=-1", []Right{Read}, http.StatusBadRequest},
		{http.MethodGet, "?log=1e9", []Right{Read}, http.StatusBadRequest},
		{http.MethodHead, "?log=5", []Right{Read}, http.StatusOK},
		{http.MethodPost, "", []Right{Read}, http.StatusMethodNotAllowed},
	} {
		request := httptest.NewRequest(test.method, "/api/v1/events"+test.query, nil)
		request = request.WithContext(WithCaller(t.Context(), Caller{Rights: test.rights}))
		answer := httptest.NewRecorder()
		Handler(&fakeHouse{}, slog.New(slog.DiscardHandler)).ServeHTTP(answer, request)
		if answer.Code != test.want {
			t.Errorf("%s %s with %v: %d, want %d", test.method, test.query, test.rights, answer.Code, test.want)
		}
	}
}

// obedient is a recorder that takes deadlines.
type obedient struct{ *httptest.ResponseRecorder }

func (obedient) SetWriteDeadline(time.Time) error { return nil }
func (obedient) SetReadDeadline(time.Time) error  { return nil }

// FuzzEvents asks that nothing that a client says breaks the form of the answer.
func FuzzEvents(f *testing.F) {
	f.Add("start7.3", "log=5")
	f.Add("other.3", "log=0&after=start7.1")
	f.Add("start7.99999999999999999999", "log=&log=1;after")
	f.Add("\n\nevent: x", "after=%0a%0aid:x&log=2")
	f.Fuzz(func(t *testing.T, lastID, query string) {
		house := &fakeHouse{log: logs.New(logs.Options{})}
		say(t, house.log, "one", "two", "thr\xffee\nevent: forged")
		ctx, cancel := context.WithCancel(WithCaller(t.Context(), Caller{Rights: Rights}))
		cancel() // so the answer is what there is
		request := httptest.NewRequest(http.MethodGet, "/api/v1/events", nil).WithContext(ctx)
		request.URL.RawQuery = query
		request.Header["Last-Event-Id"] = []string{lastID}
		answer := obedient{httptest.NewRecorder()}
		Handler(house, slog.New(slog.DiscardHandler)).ServeHTTP(answer, request)
		if answer.Code == http.StatusBadRequest {
			return
		}
		values, _ := url.ParseQuery(query)
		stream := &reading{from: bufio.NewReader(answer.Body)}
		seen := uint64(0)
		for {
			found, err := stream.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if found.name == "" {
				continue
			}
			if !json.Valid([]byte(found.data)) || !strings.HasPrefix(found.id, "start7.") {
				t.Fatalf("event %+v", found)
			}
			if found.name == "log" {
				for _, line := range linesOf(t, found) {
					if line.Seq <= seen || line.Seq > 4 {
						t.Fatalf("line %d after %d", line.Seq, seen)
					}
					seen = line.Seq
				}
			}
		}
		if _, asked := values["log"]; !asked && seen > 0 {
			t.Errorf("lines that nobody asked for")
		}
	})
}
