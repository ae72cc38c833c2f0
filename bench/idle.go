//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	idleAfter  = 5 * time.Second        // from the start until the others count as idle
	lookAtIdle = 250 * time.Millisecond // between two looks at whether something ran
	viewed     = 3 * time.Second        // for which somebody looks at the page
	restAfter  = 65 * time.Second       // after a viewer has gone; ota rests after a minute
)

// measureIdle looks at the subjects while nothing happens, and then at ota after
// an update and after a viewer.
func (b *bench) measureIdle(ctx context.Context, chosen []subject) error {
	for round := range b.size.idles {
		for _, one := range chosen {
			if one.name == heldName {
				continue // as idle as the other one: it is the same
			}
			progress("idle %d of %d: %s", round+1, b.size.idles, one.name)
			if err := b.idle(ctx, one); err != nil {
				return fmt.Errorf("cannot measure %s while idle: %w", one.name, err)
			}
		}
	}
	return nil
}

// idle notes what a subject uses in a minute while its program does nothing.
func (b *bench) idle(ctx context.Context, s subject) error {
	settles, span := idleAfter, b.size.idle
	if s.name == plainName {
		settles, span = b.size.otaSettles, b.size.otaIdle
	}
	return b.withRig(ctx, s, modeIdle, func(r *rig) error {
		if err := wait(ctx, settles); err != nil {
			return err
		}
		before, err := r.usage()
		if err != nil {
			return err
		}
		seen, err := r.look(ctx, span)
		if err != nil {
			return err
		}
		after, err := r.usage()
		if err != nil {
			return err
		}
		minute := float64(time.Minute) / float64(span)
		b.results.add(s, processor, minute*milliseconds(after.processor-before.processor))
		b.results.add(s, wakeups, minute*float64(after.wakeups-before.wakeups))
		b.results.add(s, awake, minute*float64(seen.looks))
		b.results.add(s, moments, float64(seen.moments))
		b.results.add(s, resident, float64(after.resident)/1e6)
		b.results.add(s, proportional, float64(after.proportional)/1e6)
		if s.name != plainName {
			return nil
		}
		return b.afterwards(ctx, r)
	})
}

// activity is when something of a subject ran.
type activity struct {
	looks   int // at which it had run since the look before
	moments int // at which it began to, after having been at rest
}

// look looks again and again, for some time.
func (r *rig) look(ctx context.Context, span time.Duration) (activity, error) {
	var seen activity
	again := time.NewTicker(lookAtIdle)
	defer again.Stop()
	before, err := r.onProcessor()
	if err != nil {
		return seen, err
	}
	ran := false
	for range int(span / lookAtIdle) {
		select {
		case <-again.C:
		case <-ctx.Done():
			return seen, ctx.Err()
		}
		now, err := r.onProcessor()
		if err != nil {
			return seen, err
		}
		if now != before {
			seen.looks++
			if !ran {
				seen.moments++
			}
		}
		ran, before = now != before, now
	}
	return seen, nil
}

// onProcessor is the time for which the subject has run so far, without the
// program under test.
func (r *rig) onProcessor() (time.Duration, error) {
	parents, err := readParents()
	if err != nil {
		return 0, err
	}
	var sum usage
	for _, pid := range below(parents, r.process.Process.Pid, r.stamps.seen[len(r.stamps.seen)-1].pid) {
		threads, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*"))
		if err != nil {
			return 0, err
		}
		for _, thread := range threads {
			if err := addThread(&sum, thread); err != nil && !gone(err) {
				return 0, err
			}
		}
	}
	return sum.processor, nil
}

// afterwards notes what ota has in memory when an update has proved itself, and
// when somebody has looked at the page.
func (b *bench) afterwards(ctx context.Context, r *rig) error {
	if _, err := r.update(ctx, atOnce); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	used, err := r.usage()
	if err != nil {
		return err
	}
	b.results.add(r.subject, residentUpdated, float64(used.resident)/1e6)
	if err := r.view(ctx); err != nil {
		return err
	}
	if err := wait(ctx, restAfter); err != nil {
		return err
	}
	if used, err = r.usage(); err != nil {
		return err
	}
	b.results.add(r.subject, residentViewed, float64(used.resident)/1e6)
	return nil
}

var assetPath = regexp.MustCompile(`/page/[a-z.-]+`)

// view logs in, loads the page with what belongs to it, and follows what happens
// for a while, as a browser does.
func (r *rig) view(ctx context.Context) error {
	command := exec.CommandContext(ctx, r.subject.argv[0], "web")
	command.Dir = r.dir
	said, err := command.Output()
	if err != nil {
		return fmt.Errorf("cannot get a link to log in with: %w", err)
	}
	link, err := url.Parse(strings.TrimSpace(string(said)))
	if err != nil {
		return err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Jar: jar, Transport: transport}
	base := link.Scheme + "://" + link.Host
	form := strings.NewReader("code=" + url.QueryEscape(link.Query().Get("code")))
	login, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/login", form)
	if err != nil {
		return err
	}
	login.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	login.Header.Set("Origin", base)
	page, err := load(client, login)
	if err != nil {
		return err
	}
	paths := append(assetPath.FindAllString(page, -1), "/api/v1/history", "/api/v1/files/main", "/api/v1/logs/files")
	for _, path := range paths {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
		if err != nil {
			return err
		}
		if _, err := load(client, request); err != nil {
			return err
		}
	}
	looking, gone := context.WithTimeout(ctx, viewed)
	defer gone()
	events, err := http.NewRequestWithContext(looking, http.MethodGet, base+"/api/v1/events?log=500", nil)
	if err != nil {
		return err
	}
	if _, err := load(client, events); looking.Err() == nil {
		return errors.Join(err, errors.New("the events have ended"))
	}
	return ctx.Err()
}

func load(client *http.Client, request *http.Request) (string, error) {
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("cannot load %s: %s", request.URL.Path, answer.Status)
	}
	return string(text), err
}
