package notify

import (
	"slices"
	"sort"
)

// Stand is how things stand, as far as anybody is told of it.
type Stand struct {
	Release   int  // in main/; 0: none
	Turn      int  // counts the switches: that which brought it
	Last      int  // the highest number of a release
	Before    int  // the release it was laid over; 0: none
	Confirmed bool // it has proved itself
	// Failures are the releases that failed, with the turn in which they did.
	Failures []Failure
	Looping  bool // the program crashes again and again
	Steady   bool // it has run for a minute, or has ended by itself
	Stopped  bool // on request
	Crash    Crash
	Held     string // why the upload is held; empty: it is not
	Upload   string // names what is in deposit/, to know it again
	Empty    bool   // there is nothing in deposit/, for certain
}

// Failure is a release that failed its trial.
type Failure struct {
	Release  int
	Turn     int // of the switch that had brought it
	Before   int // the release it was laid over; 0: none
	BackTo   int // the release that was gone back to; 0: there was none
	Why      string
	Evidence *Evidence
}

// Crash is how the program ended last.
type Crash struct {
	How      string // "exit code 1"
	Evidence *Evidence
}

// mark is what was known last: of all before it somebody was told, if he wanted
// to be.
type mark struct {
	Known   bool   `json:"known"`
	Turn    int    `json:"turn"`
	Release int    `json:"release"`
	Last    int    `json:"last"`
	Failed  int    `json:"failed"`  // the turn of the last failure
	OnTrial int    `json:"trial"`   // the turn of a release that is to prove itself
	Looping bool   `json:"looping"` // a crash loop was told, and its end was not
	Held    string `json:"held"`    // what is held
}

// take returns what has happened between the mark and now, in order, and moves
// the mark. A first look, or one at a history that is another one, only learns.
func (m *mark) take(now Stand) []Happening {
	var happened []Happening
	if !m.Known || now.Turn < m.Turn {
		m.learn(now)
	} else {
		happened = m.releases(now)
	}
	return append(append(happened, m.program(now)...), m.upload(now)...)
}

// learn moves the mark over all releases without a word.
func (m *mark) learn(now Stand) {
	m.Known, m.Turn, m.Release, m.Last, m.Failed = true, now.Turn, now.Release, now.Last, 0
	for _, one := range now.Failures {
		m.Failed = max(m.Failed, one.Turn)
	}
	m.OnTrial = 0
	if !now.Confirmed {
		m.OnTrial = now.Turn
	}
	m.Held = now.held()
}

func (m *mark) releases(now Stand) []Happening {
	var happened []Happening
	fresh := slices.DeleteFunc(slices.Clone(now.Failures), func(one Failure) bool { return one.Turn <= m.Failed })
	sort.Slice(fresh, func(i, j int) bool { return fresh[i].Turn < fresh[j].Turn })
	for _, one := range fresh {
		happened = append(happened, Happening{Kind: Failed, Release: one.Release, From: one.Before, Reason: one.Why, Evidence: one.Evidence})
		m.Failed = one.Turn
	}
	isNew := now.Release > m.Last
	if now.Turn > m.Turn && now.Release != 0 {
		if back, ok := m.wentBack(now); ok {
			happened, isNew = append(happened, back), false
		}
		m.OnTrial = 0
		if !now.Confirmed || isNew {
			m.OnTrial = now.Turn
		}
	}
	if now.Confirmed && m.OnTrial == now.Turn && now.Turn != 0 {
		m.OnTrial = 0
		happened = append(happened, Happening{Kind: Confirmed, Release: now.Release, From: now.Before})
	}
	m.Turn, m.Release, m.Last = now.Turn, now.Release, max(m.Last, now.Last)
	return happened
}

// wentBack reports whether the release in main/ is one that was there before. In
// the turn before it another one was there: one that failed, or that somebody
// did not want.
func (m *mark) wentBack(now Stand) (Happening, bool) {
	back := Happening{Kind: RolledBack, Release: now.Release, Reason: "on request"}
	if m.Release != now.Release {
		back.From = m.Release
	}
	failed := slices.IndexFunc(now.Failures, func(one Failure) bool { return one.Turn == now.Turn-1 && one.BackTo == now.Release })
	if failed >= 0 {
		back.From, back.Reason = now.Failures[failed].Release, now.Failures[failed].Why
	}
	return back, failed >= 0 || now.Release <= m.Last
}

func (m *mark) program(now Stand) []Happening {
	switch {
	case now.Looping && !m.Looping:
		m.Looping = true
		return []Happening{{Kind: CrashLooping, Release: now.Release, Reason: now.Crash.How, Evidence: now.Crash.Evidence}}
	case m.Looping && now.Stopped:
		m.Looping = false
	case m.Looping && !now.Looping && now.Steady:
		m.Looping = false
		return []Happening{{Kind: Recovered, Release: now.Release}}
	}
	return nil
}

func (m *mark) upload(now Stand) []Happening {
	held := now.held()
	switch {
	case held != "" && held != m.Held:
		m.Held = held
		return []Happening{{Kind: Held, Reason: now.Held}}
	case now.Empty:
		m.Held = ""
	}
	return nil
}

// held names what is held and why; empty: nothing is.
func (s Stand) held() string {
	if s.Held == "" {
		return ""
	}
	return s.Upload + " " + s.Held
}
