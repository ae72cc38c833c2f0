//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"ota/internal/transfer"
)

// slowWays are compared over the slow link.
var slowWays = []way{ours, oursUnknown, rsync, rsyncSums}

const (
	// slowSeeds is how many runs there are with loss, each with other packets lost.
	slowSeeds = 5
	// slowMost is how long one of them may take.
	slowMost = 4 * time.Minute
)

// slowResult is what a pair takes over the slow link: for each way a time, or
// several where packets are lost, the shortest first.
type slowResult struct {
	pair  pair
	loss  float64
	times map[way][]time.Duration
}

// slowly measures one pair of each kind again over a slow link, without loss and
// with: that of the median size for rsync.
func (b *bench) slowly() error {
	probe, err := newLink(0, 0)
	if err != nil {
		b.missing = append(b.missing, fmt.Sprintf("the slow link, which needs root and /dev/net/tun: %v", err))
		return nil
	}
	probe.close()
	for _, kind := range []kind{commit, patch, minor} {
		p, found := b.middle(kind)
		if !found {
			continue
		}
		laid, err := b.open(p)
		if err != nil {
			return err
		}
		for _, loss := range []float64{0, linkLoss} {
			fmt.Fprintf(os.Stderr, "slow link, %g lost, %s, %s: %s to %s\n", loss, p.project, p.kind, p.from, p.to)
			result := slowResult{p, loss, map[way][]time.Duration{}}
			for _, way := range slowWays {
				times, err := b.slowRuns(laid, way, loss)
				if err != nil {
					return fmt.Errorf("%s: %w", way, err)
				}
				result.times[way] = times
			}
			b.slow = append(b.slow, result)
		}
		laid.close()
	}
	return nil
}

// slowRuns are runs at the same time, each on a link of its own: what they wait for
// is the link, not the processor.
func (b *bench) slowRuns(laid *laid, way way, loss float64) ([]time.Duration, error) {
	runs := slowSeeds
	if loss == 0 {
		runs = 1
	}
	times, errs := make([]time.Duration, runs), make([]error, runs)
	var all sync.WaitGroup
	for i := range runs {
		all.Go(func() { times[i], errs[i] = b.slowRun(laid, way, loss, uint64(i)) })
	}
	all.Wait()
	slices.Sort(times)
	return times, errors.Join(errs...)
}

func (b *bench) slowRun(laid *laid, way way, loss float64, seed uint64) (time.Duration, error) {
	l, err := newLink(loss, seed)
	if err != nil {
		return 0, err
	}
	defer l.close()
	ctx, cancel := context.WithTimeout(b.ctx, slowMost)
	defer cancel()
	answered := make(chan error, 1)
	go func() { answered <- l.answer(ctx) }()
	var took time.Duration
	switch way {
	case ours, oursUnknown:
		took, err = b.oursOver(ctx, l, laid, way == ours, answered)
	case rsync:
		took, err = b.rsyncOver(ctx, l, laid, answered, "-az", "--delete")
	default:
		took, err = b.rsyncOver(ctx, l, laid, answered, "-azc", "--delete")
	}
	if err != nil && ctx.Err() != nil && b.ctx.Err() == nil {
		return slowMost, nil // the page says so
	}
	return took, err
}

func (b *bench) oursOver(ctx context.Context, l *link, laid *laid, known bool, answered <-chan error) (time.Duration, error) {
	device, err := b.newDevice(laid)
	if err != nil {
		return 0, err
	}
	defer device.remove()
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	start := time.Now()
	var conn *net.TCPConn
	err = l.sender.do(func() (err error) {
		conn, err = call(l.listener.Addr().String(), append([]string{self}, device.command()...))
		return err
	})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := sender(laid.base, laid.target, device.path("sender"), known).Send(conn); err != nil {
		return 0, err
	}
	took := time.Since(start)
	if err := errors.Join(conn.CloseWrite(), <-answered); err != nil {
		return 0, err
	}
	_, err = device.result(laid.target)
	return took, err
}

func (b *bench) rsyncOver(ctx context.Context, l *link, laid *laid, answered <-chan error, options ...string) (time.Duration, error) {
	work, err := os.MkdirTemp(b.folder, "work-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(work)
	device := filepath.Join(work, "device")
	if _, err := b.command("", "cp", "-a", laid.old, device); err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, "rsync", append(options, "-e", self+" call "+l.listener.Addr().String(), laid.new+"/", "device:"+device+"/")...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	start := time.Now()
	if err := l.sender.do(cmd.Start); err != nil {
		return 0, err
	}
	if err := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("rsync: %w: %s", err, complaint.String())
	}
	took := time.Since(start)
	return took, <-answered
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
	fmt.Fprintf(p, `
## Over a slow link

Seconds from start to end over %d kbit/s each way, %d ms there and back. The two ends are in network namespaces of their own, and speak the kernel's TCP (%s) over TUN devices; between those the bench carries the packets, %d KB of which may wait. Where packets are lost, each is by itself, as often each way: medians of %d runs, in parentheses the shortest and the longest. Both rsync and ota go over the same plain connection, without ssh.

| | | lost |`, linkRate*8/1000, 2*linkDelay.Milliseconds(), linkTCP, linkQueue>>10, slowSeeds)
	for _, way := range slowWays {
		fmt.Fprintf(p, " %s |", way)
	}
	p.WriteString("\n|---|---|---:|" + strings.Repeat("---:|", len(slowWays)) + "\n")
	for _, one := range b.slow {
		fmt.Fprintf(p, "| %s | %s, %s to %s | %g %% |", one.pair.project, one.pair.kind, one.pair.from, one.pair.to, one.loss*100)
		for _, way := range slowWays {
			p.WriteString(" " + seconds(one.times[way]) + " |")
		}
		p.WriteString("\n")
	}
}

// seconds are times for people, which are in order.
func seconds(times []time.Duration) string {
	last := len(times) - 1
	say := func(t time.Duration) string {
		if t >= slowMost {
			return fmt.Sprintf("over %.0f", slowMost.Seconds())
		}
		return fmt.Sprintf("%.1f", t.Seconds())
	}
	if last == 0 {
		return say(times[0])
	}
	return fmt.Sprintf("%s (%s–%s)", say(times[len(times)/2]), say(times[0]), say(times[last]))
}

// cutResult is what one push costs that is cut again and again.
type cutResult struct {
	pair        pair
	cuts        int
	with, whole int64 // bytes, both ways
}

func (c *cutResult) ratio() float64 { return float64(c.with) / float64(c.whole) }

// cut pushes the pair that needs most bytes, with a hundred cuts spread over it and
// both sides started anew after each. What it needs without is measured already.
func (b *bench) cut() error {
	var most result
	for _, one := range b.results {
		if one.costs[ours].bytes > most.costs[ours].bytes {
			most = one
		}
	}
	laid, err := b.open(most.pair)
	if err != nil {
		return err
	}
	defer laid.close()
	folder := filepath.Join(b.folder, "cut")
	push := func(limit int64) (bytes int64, done bool) {
		a, z := net.Pipe()
		conn := &limited{Conn: z, left: limit}
		over := make(chan struct{})
		go func() {
			defer close(over)
			sender(laid.base, laid.target, filepath.Join(folder, "sender"), true).Send(a)
			a.Close()
		}()
		_, err := (&transfer.Receiver{Device: laid.base, Folder: filepath.Join(folder, "device")}).Receive(conn)
		z.Close()
		<-over
		return conn.carried, err == nil
	}
	result := &cutResult{pair: most.pair, cuts: 100, whole: most.costs[ours].bytes}
	for i := range result.cuts + 1 {
		limit := result.whole / int64(result.cuts+1)
		if i == result.cuts {
			limit = 1 << 62
		}
		bytes, done := push(limit)
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
