package receive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"ota/internal/api"
	"ota/internal/kit/hint"
	"ota/internal/logs"
)

// Result is what became of a release.
type Result string

// The results.
const (
	Confirmed  Result = "confirmed"
	Unchanged  Result = "unchanged" // main/ is the same already
	Held       Result = "held"      // the reasons say why
	Deferred   Result = "deferred"  // good; the reasons say what it waits for
	RolledBack Result = "rolled back"
	Superseded Result = "superseded" // another was laid over it during its trial
	Uploaded   Result = "uploaded"   // nobody waited for more
)

// Outcome is the end of a release, with the evidence.
type Outcome struct {
	Result  Result               `json:"outcome"`
	Release *int                 `json:"release"` // nil: none was made
	Reasons api.List[api.Reason] `json:"reasons"`
	Why     *api.Why             `json:"why"` // of one that was rolled back
}

// News is a line that the device tells after the transfer.
type News struct {
	Doing   string   `json:"doing,omitempty"`
	Release int      `json:"release,omitempty"` // that is on trial now
	Output  *string  `json:"output,omitempty"`  // a line of the program
	Outcome *Outcome `json:"outcome,omitempty"`
	Problem string   `json:"problem,omitempty"` // it can't be followed
	Hint    string   `json:"hint,omitempty"`
}

const (
	// firstLines are as many lines of the program as are told.
	firstLines = 8
	// someLines are as many lines of the log as are looked through for them.
	someLines = 100
	lookAgain = 300 * time.Millisecond
	lateTime  = 2 * time.Second
)

// follower follows one release.
type follower struct {
	place  place
	ota    *api.Client
	serial int64
	after  int // releases up to this number are others
	tell   func(News) error
	doing  string
	lines  int       // of the program that were told
	start  time.Time // of the program; zero: not known yet
}

// follow has the ota of the folder take what is in deposit/, and tells what becomes
// of the release with this serial and a number above after. It returns after its
// end was told.
func follow(ctx context.Context, place place, ota *api.Client, serial int64, after int, tell func(News) error) error {
	f := &follower{place: place, ota: ota, serial: serial, after: after, tell: tell}
	outcome, err := f.follow(ctx)
	if isNotRunning(err) {
		return tell(News{
			Problem: "ota is not running there: the release waits in deposit/",
			Hint:    `start it with "ota run", or "ota install"`,
		})
	}
	if err != nil {
		return errors.Join(err, tell(News{Problem: fmt.Sprintf("cannot follow the release: %v", err), Hint: hint.Of(err)}))
	}
	return tell(News{Outcome: outcome})
}

// ErrGone is in the error if somebody has taken the release out of deposit/.
var ErrGone = hint.With(errors.New("it is not in deposit/ any more, and no release"), "push it again")

// mostEmpty is how often deposit/ is found empty before the release is given up.
const mostEmpty = 3

func isNotRunning(err error) bool {
	_, ok := errors.AsType[*api.NotRunning](err)
	return ok
}

// isEnding: the ota that was asked ends just now.
func isEnding(err error) bool {
	problem, ok := errors.AsType[*api.Problem](err)
	return ok && problem.Status == http.StatusServiceUnavailable
}

func (f *follower) follow(ctx context.Context) (*Outcome, error) {
	for empty := 0; ; {
		if entry, err := f.entry(ctx, 0); err != nil {
			return nil, err
		} else if entry != nil {
			return f.trial(ctx, entry.Number)
		}
		end := f.meanwhile(ctx)
		result, err := f.ota.Apply(ctx, false)
		end()
		if isEnding(err) {
			if err := pause(ctx); err != nil {
				return nil, err
			}
			continue // another one may have taken over
		}
		if err != nil {
			return nil, err
		}
		switch result.Outcome {
		case api.Applied:
			if result.Release != nil {
				return f.trial(ctx, *result.Release)
			}
			return &Outcome{Result: Unchanged}, nil
		case api.NotTaken:
			return &Outcome{Result: Held, Reasons: result.Reasons}, nil
		case api.Postponed:
			return &Outcome{Result: Deferred, Reasons: result.Reasons}, nil
		case api.NothingChanged:
			return &Outcome{Result: Unchanged}, nil
		case api.NothingThere:
			// ota may have taken it by itself in between: look again.
			if empty++; empty > mostEmpty {
				return f.gone()
			}
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
}

// gone is the end of a release that ota has taken without making one, or that
// somebody has taken away.
func (f *follower) gone() (*Outcome, error) {
	isThere, err := f.place.inPlace()
	if err != nil || !isThere {
		return nil, errors.Join(ErrGone, err)
	}
	return &Outcome{Result: Unchanged}, nil
}

func pause(ctx context.Context) error {
	again := time.NewTimer(lookAgain)
	defer again.Stop()
	select {
	case <-again.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// entry finds the release in the history by its number, or by its serial.
func (f *follower) entry(ctx context.Context, number int) (*api.HistoryEntry, error) {
	entries, err := f.ota.History(ctx)
	for i := range entries {
		one := &entries[i]
		if one.Number == number || number == 0 && one.Number > f.after && one.Packed != nil && one.Packed.Serial == f.serial {
			return one, nil
		}
	}
	return nil, err
}

// meanwhile tells what ota is at until end is called.
func (f *follower) meanwhile(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for pause(ctx) == nil {
			if status, err := f.ota.Status(ctx); err == nil && f.say(doingOf(status)) != nil {
				return
			}
		}
	}()
	return func() { cancel(); <-ended }
}

func doingOf(status api.Status) string {
	switch {
	case status.Deposit.Doing != nil:
		return *status.Deposit.Doing
	case status.Program.Doing != nil:
		return *status.Program.Doing
	}
	return string(status.Deposit.State)
}

func (f *follower) say(doing string) error {
	if doing == "" || doing == f.doing {
		return nil
	}
	f.doing = doing
	return f.tell(News{Doing: doing})
}

var errEnd = errors.New("the release has come to its end")

// trial follows a release from its switch to its end, also over new starts of
// ota.
func (f *follower) trial(ctx context.Context, number int) (*Outcome, error) {
	var outcome *Outcome
	f.doing = fmt.Sprintf("release %d is on trial", number)
	if err := f.tell(News{Doing: f.doing, Release: number}); err != nil {
		return nil, err
	}
	if status, err := f.ota.Status(ctx); err == nil {
		f.started(status, number)
	}
	err := f.ota.Events(ctx, someLines, func(event api.Event) error {
		switch event.Kind {
		case api.EventLog:
			return f.log(event.Data)
		case api.EventStatus:
			var status api.Status
			if err := json.Unmarshal(event.Data, &status); err != nil {
				return fmt.Errorf("cannot read what ota says: %w", err)
			}
			f.started(status, number)
			ended, err := f.ended(ctx, number)
			if err != nil && !isNotRunning(err) {
				return err
			}
			if outcome = ended; outcome != nil {
				return errEnd
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnd):
		f.lateLines(ctx, number, outcome.Result)
		return outcome, nil
	case err == nil:
		return nil, ctx.Err()
	}
	return nil, err
}

// lateLines tells what the program printed just before it was confirmed, if nothing
// was told yet: lines come a moment after the status, as they gather meanwhile.
func (f *follower) lateLines(ctx context.Context, number int, result Result) {
	if f.lines > 0 || result != Confirmed {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lateTime)
	defer cancel()
	// What can't be heard any more is not told: the outcome is known.
	_ = f.ota.Events(ctx, someLines, func(event api.Event) error {
		switch event.Kind {
		case api.EventLog:
			return errors.Join(f.log(event.Data), errEnd)
		case api.EventStatus:
			var status api.Status
			if err := json.Unmarshal(event.Data, &status); err != nil {
				return err
			}
			f.started(status, number)
		}
		return nil
	})
}

// started learns when the program of the release was started first: what was
// printed before is another's.
func (f *follower) started(status api.Status, number int) {
	if f.start.IsZero() && status.Release != nil && status.Release.Number == number && status.Program.Started != nil {
		f.start = *status.Program.Started
	}
}

func (f *follower) log(data []byte) error {
	var lines []logs.Line
	if err := json.Unmarshal(data, &lines); err != nil {
		return fmt.Errorf("cannot read what ota says: %w", err)
	}
	for _, line := range lines {
		if isOthers(line.Source) || f.lines >= firstLines ||
			f.start.IsZero() || line.Time.Before(f.start) {
			continue
		}
		f.lines++
		if err := f.tell(News{Output: &line.Text}); err != nil {
			return err
		}
	}
	return nil
}

func isOthers(source logs.Source) bool { return source != logs.Main && source != logs.MainErr }

// ended is the end of the release, nil while it is on trial.
func (f *follower) ended(ctx context.Context, number int) (*Outcome, error) {
	entry, err := f.entry(ctx, number)
	if err != nil || entry == nil {
		return nil, err
	}
	outcome := &Outcome{Release: &number}
	switch entry.State {
	case api.Confirmed, api.Adopted:
		outcome.Result = Confirmed
	case api.Superseded:
		outcome.Result = Superseded
	case api.RolledBack:
		outcome.Result = RolledBack
		why, err := f.ota.Why(ctx, number)
		if err != nil {
			return nil, err
		}
		outcome.Why = &why
	default:
		return nil, nil
	}
	return outcome, nil
}
