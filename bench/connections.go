//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	callEvery   = 2 * time.Millisecond
	callTimeout = 2 * time.Second
	callsAhead  = 100 * time.Millisecond // of what is measured, so that some are answered
)

// callers are clients of the program under test, one every 2 ms, each of which
// wants an answer.
type callers struct {
	address string
}

func newCallers(port int) *callers {
	return &callers{address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
}

// call is one try.
type call struct {
	at       time.Time
	answered error // nil if it was
}

// calls is what became of all of them.
type calls struct {
	failed  int
	longest time.Duration // between two answered ones
}

// during calls until act returns. It waits for every answer.
func (c *callers) during(ctx context.Context, act func() error) (calls, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	made := make(chan []call)
	go func() { made <- c.keepCalling(ctx) }()
	err := wait(ctx, callsAhead)
	if err == nil {
		err = act()
	}
	stop()
	return summarizeCalls(<-made), err
}

func (c *callers) keepCalling(ctx context.Context) []call {
	var (
		lock sync.Mutex
		all  []call
		each sync.WaitGroup
	)
	ticker := time.NewTicker(callEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			each.Wait()
			return all
		case at := <-ticker.C:
			each.Go(func() {
				err := c.call()
				lock.Lock()
				defer lock.Unlock()
				all = append(all, call{at: at, answered: err})
			})
		}
	}
}

func (c *callers) call() error {
	connection, err := net.DialTimeout("tcp", c.address, callTimeout)
	if err != nil {
		return err
	}
	err = connection.SetDeadline(time.Now().Add(callTimeout))
	if err == nil {
		_, err = io.ReadFull(connection, make([]byte, 1))
	}
	return errors.Join(err, connection.Close())
}

func summarizeCalls(all []call) calls {
	slices.SortFunc(all, func(a, b call) int { return a.at.Compare(b.at) })
	var sum calls
	var last time.Time
	for _, one := range all {
		if one.answered != nil {
			sum.failed++
			continue
		}
		if !last.IsZero() {
			sum.longest = max(sum.longest, one.at.Sub(last))
		}
		last = one.at
	}
	return sum
}
