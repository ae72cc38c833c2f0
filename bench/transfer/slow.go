//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ota/internal/transfer"
)

// A slow link is made by the bench itself, between the pipes of the two ends: so
// it needs no rights and no kernel module, and nothing gets lost on it.
const (
	slowRate  = 256_000 / 8 // bytes in a second, each way
	slowDelay = 150 * time.Millisecond
	slowMark  = "OTA_BENCH_SLOW" // in the environment of rsync's shell
)

// slowed carries bytes from one end to the other, no faster and no sooner than
// the link, and closes the other end after the last.
func slowed(to io.WriteCloser, from io.Reader) {
	type packet struct {
		data []byte
		due  time.Time
	}
	under := make(chan packet, 16)
	go func() {
		defer close(under)
		free := time.Now()
		buffer := make([]byte, 1400)
		for {
			n, err := from.Read(buffer)
			if now := time.Now(); free.Before(now) {
				free = now
			}
			free = free.Add(time.Duration(n) * time.Second / slowRate)
			if n > 0 {
				<-time.After(time.Until(free))
				under <- packet{bytes.Clone(buffer[:n]), free.Add(slowDelay)}
			}
			if err != nil {
				return
			}
		}
	}()
	for one := range under {
		<-time.After(time.Until(one.due))
		if _, err := to.Write(one.data); err != nil {
			break
		}
	}
	to.Close()
	for range under { // what the other end does not want
	}
}

// slowResult is what a pair takes over the slow link.
type slowResult struct {
	pair  pair
	times map[way]time.Duration
}

var slowWays = []way{ours, oursUnknown, rsync, rsyncSums}

// slowly measures one pair of each kind again over a slow link: that of the median
// size for rsync, and for binaries the smallest.
func (b *bench) slowly() error {
	for _, kind := range []kind{commit, patch, minor} {
		p, found := b.middle(kind)
		if !found {
			continue
		}
		fmt.Fprintf(os.Stderr, "slow link, %s, %s: %s to %s\n", p.project, p.kind, p.from, p.to)
		costs, err := b.compare(p, slowWays, true)
		if err != nil {
			return err
		}
		result := slowResult{p, map[way]time.Duration{}}
		for way, cost := range costs {
			result.times[way] = cost.time
		}
		b.slow = append(b.slow, result)
	}
	return nil
}

// middle is the pair of a kind for which rsync needs the median of bytes.
func (b *bench) middle(kind kind) (pair, bool) {
	var all []result
	for _, one := range b.results {
		if one.pair.kind == kind {
			at := 0
			for at < len(all) && all[at].costs[rsync].bytes < one.costs[rsync].bytes {
				at++
			}
			all = append(all[:at], append([]result{one}, all[at:]...)...)
		}
	}
	if len(all) == 0 {
		return pair{}, false
	}
	return all[len(all)/2].pair, true
}

func (b *bench) slowPage(p *strings.Builder) {
	if len(b.slow) == 0 {
		return
	}
	fmt.Fprintf(p, "\n## Over a slow link\n\nSeconds from start to end over %d kbit/s each way, %d ms there and back, without loss: a link that the bench makes itself between the two ends.\n\n| | |", slowRate*8/1000, 2*slowDelay.Milliseconds())
	for _, way := range slowWays {
		fmt.Fprintf(p, " %s |", way)
	}
	p.WriteString("\n|---|---|" + strings.Repeat("---:|", len(slowWays)) + "\n")
	for _, one := range b.slow {
		fmt.Fprintf(p, "| %s | %s, %s to %s |", one.pair.project, one.pair.kind, one.pair.from, one.pair.to)
		for _, way := range slowWays {
			fmt.Fprintf(p, " %.1f |", one.times[way].Seconds())
		}
		p.WriteString("\n")
	}
}

// cutResult is what one push costs that is cut again and again.
type cutResult struct {
	pair        pair
	cuts        int
	with, whole int64 // bytes, both ways
}

func (c *cutResult) ratio() float64 { return float64(c.with) / float64(c.whole) }

// cut pushes the pair that needs most bytes, with a hundred cuts spread over it and
// both sides started anew after each, and once more without.
func (b *bench) cut() error {
	var most result
	for _, one := range b.results {
		if one.costs[ours].bytes > most.costs[ours].bytes {
			most = one
		}
	}
	old, new, err := b.lay(most.pair)
	if err != nil {
		return err
	}
	base, err := transfer.OpenFolder(old)
	if err != nil {
		return err
	}
	defer base.Close()
	target, err := transfer.OpenFolder(new)
	if err != nil {
		return err
	}
	defer target.Close()
	push := func(folder string, limit int64) (bytes int64, done bool) {
		a, z := net.Pipe()
		conn := &limited{Conn: z, left: limit}
		over := make(chan struct{})
		go func() {
			defer close(over)
			sender(base, target, filepath.Join(folder, "sender"), true).Send(a)
			a.Close()
		}()
		_, err := (&transfer.Receiver{Device: base, Folder: filepath.Join(folder, "device")}).Receive(conn)
		z.Close()
		<-over
		return conn.carried, err == nil
	}
	result := &cutResult{pair: most.pair, cuts: 100}
	whole, done := push(filepath.Join(b.folder, "whole"), 1<<62)
	if result.whole = whole; !done {
		return errors.New("a push without cuts does not end")
	}
	for i := range result.cuts + 1 {
		limit := whole / int64(result.cuts+1)
		if i == result.cuts {
			limit = 1 << 62
		}
		bytes, done := push(filepath.Join(b.folder, "cut"), limit)
		if result.with += bytes; done {
			result.cuts = i
			b.cuts = result
			return nil
		}
	}
	return errors.New("a push with a hundred cuts does not end")
}

// limited is a connection that is cut after so many bytes both ways.
type limited struct {
	net.Conn
	left, carried int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p[:min(int64(len(p)), max(l.left, 1))])
	return l.count(n, err)
}

func (l *limited) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	return l.count(n, err)
}

func (l *limited) count(n int, err error) (int, error) {
	l.carried += int64(n)
	if l.left -= int64(n); l.left <= 0 {
		l.Conn.Close()
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
