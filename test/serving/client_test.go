//go:build linux

package serving

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ota/test/harness"
)

const (
	// every is how often the client connects.
	every = 2 * time.Millisecond
	// most is how many of its connections are open at most: more than come in
	// an update, and not so many that a machine with other work never gets
	// through them.
	most = 200
)

// client connects again and again, asks, and counts what becomes of it. It may
// be used by several goroutines.
type client struct {
	address string
	asking  sync.WaitGroup
	open    chan struct{} // of most

	mu      sync.Mutex
	asked   int
	answers map[string]int // by what they said
	failed  map[string]int // by what went wrong
	longest time.Duration  // until an answer
}

// newClient returns a client that connects until stop is called, which returns
// when the last answer is there.
func newClient(t testing.TB, address string) (c *client, stop func()) {
	c = &client{address: address, open: make(chan struct{}, most), answers: map[string]int{}, failed: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { c.run(ctx) })
	stop = func() {
		cancel()
		running.Wait()
		c.asking.Wait()
	}
	t.Cleanup(stop)
	return c, stop
}

func (c *client) run(ctx context.Context) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			select {
			case c.open <- struct{}{}:
				c.asking.Go(c.ask)
			default:
			}
		case <-ctx.Done():
			return
		}
	}
}

func (c *client) ask() {
	defer func() { <-c.open }()
	began := time.Now()
	body, err := get(c.address)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if err != nil {
		c.failed[nameOf(err)]++
		return
	}
	c.answers[body]++
	c.longest = max(c.longest, time.Since(began))
}

// get is one connection: a request and its answer.
func get(address string) (string, error) {
	connection, err := net.DialTimeout("tcp", address, harness.Deadline/2)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(harness.Deadline / 2)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(connection, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(connection)
	if err != nil {
		return "", err
	}
	head, body, whole := strings.Cut(string(answer), "\r\n\r\n")
	switch {
	case len(answer) == 0:
		return "", errNothing
	case !whole || !strings.Contains(head, " 200 "):
		return "", fmt.Errorf("answered %q", answer[:min(len(answer), 40)])
	}
	return plain(body), nil
}

var errNothing = errors.New("closed without an answer")

// plain is a body without its chunks.
func plain(body string) string {
	if lines := strings.Split(body, "\r\n"); len(lines) > 2 {
		return lines[1]
	}
	return body
}

// nameOf is the kind of an error.
func nameOf(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case isTimeout(err):
		return "no answer in time"
	}
	return err.Error()
}

func isTimeout(err error) bool {
	found, ok := errors.AsType[net.Error](err)
	return ok && found.Timeout()
}

// has reports whether anybody got this answer.
func (c *client) has(answer string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answers[answer] > 0
}

// isBusy reports whether many of its connections wait for their answers.
func (c *client) isBusy() bool { return len(c.open) > most/4 }

// failures is how many connections got no answer.
func (c *client) failures() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := 0
	for _, count := range c.failed {
		sum += count
	}
	return sum
}

// String says it all in a line.
func (c *client) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := fmt.Sprintf("%d connections, %d answers, longest %v", c.asked, len(c.answers), c.longest.Round(time.Millisecond))
	for _, name := range slices.Sorted(maps.Keys(c.failed)) {
		text += fmt.Sprintf(", %d %s", c.failed[name], name)
	}
	return text
}
