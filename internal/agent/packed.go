package agent

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"ota/internal/admission"
	"ota/internal/check"
	"ota/internal/config"
	"ota/internal/deposit"
	"ota/internal/reason"
	"ota/internal/release"
	"ota/internal/sshsig"
)

// packing is how deposit/ takes packed releases.
func (a *agent) packing() deposit.Packing {
	return deposit.Packing{
		Admit: admitBy(a.admitted),
		Bare:  a.trust.Bare,
		Left:  func() map[string]deposit.Left { return leftIn(a.releases) },
		Space: a.roomFor,
	}
}

// admitBy is how deposit/ asks.
func admitBy(decide func(manifest, signature []byte) (admission.Admitted, error)) func(manifest, signature []byte) (deposit.Packed, error) {
	return func(manifest, signature []byte) (deposit.Packed, error) {
		admitted, err := decide(manifest, signature)
		return deposit.Packed{Manifest: admitted.Manifest, Sum: admitted.Sum, Signers: admitted.Signers, Replaces: admitted.Replaces}, err
	}
}

// trustOf decides which packed releases are taken in a folder.
func trustOf(place folder, settings config.Machine, releases *release.Room, clock func() sshsig.Clock) *admission.Keeper {
	return admission.New(admission.Options{
		Signers:   place.signers(),
		State:     place.trust(),
		App:       settings.App,
		Threshold: settings.Threshold,
		Arch:      runtime.GOARCH,
		Clock:     clock,
		Current: func() [32]byte {
			record, err := releases.Record(releases.Current())
			if err != nil || record.Packed == nil {
				return [32]byte{}
			}
			return record.Packed.Manifest
		},
	})
}

// clock is the time, where somebody keeps it right.
func clockOf(v vitals) sshsig.Clock {
	if set := v.machine.ClockSet(); set == nil || !*set {
		return sshsig.Clock{}
	}
	return sshsig.Clock{Now: time.Now()}
}

// confirmed tells the trust that a release has proved itself. What was not
// signed changes nothing.
func (a *agent) confirmed(record release.Record) error {
	packed := record.Packed
	if packed == nil || len(packed.SignedBy) == 0 {
		return nil
	}
	err := a.trust.Confirmed(admission.Release{
		App: packed.App, Serial: packed.Serial, RollbackTo: packed.RollbackTo, Signers: packed.Signers, Threshold: packed.Threshold, Replaces: packed.Replaces,
	})
	if refused, ok := errors.AsType[*reason.Refused](err); ok {
		// A person has to mend that, and the next start makes up for it. That the
		// release has proved itself is true all the same.
		a.log.Warn("what the current release brings can't be trusted yet", "release", record.Number, "error", refused)
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot write down that release %d is trusted: %w", record.Number, err)
	}
	return nil
}

// catchUp makes up for a power cut between the confirmation of a release and
// what follows from it.
func (a *agent) catchUp() {
	record, err := a.releases.Record(a.releases.Current())
	if err != nil || record.State != release.Confirmed {
		return
	}
	if err := a.confirmed(record); err != nil {
		a.log.Warn("what the current release brings can't be trusted yet", "release", record.Number, "error", err)
	}
}

// leftIn are the files of a release that failed, in deposit/ again. Where that
// can't be read there are none: then they hold the upload, as anybody's would.
func leftIn(releases *release.Room) map[string]deposit.Left {
	returned, err := releases.Returned()
	if err != nil || returned.Step != release.Done {
		return nil
	}
	found := map[string]deposit.Left{}
	for _, file := range returned.Files {
		found[string(file.Path)] = deposit.Left{Trace: file.Trace, Sum: file.Entry.Sum}
	}
	return found
}

// roomFor asks for room for what is unpacked: as for an upload, and for the
// private copies as well, which are no copies of files that are there.
func (a *agent) roomFor(bytes int64, paths int) error {
	return check.Space(
		check.Need{Dir: a.folder.own(), Bytes: 2 * bytes, Files: 3 * int64(paths)},
		check.Need{Dir: a.folder.main(), Bytes: bytes, Files: int64(paths)},
	)
}
