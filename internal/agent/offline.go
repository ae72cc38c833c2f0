package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"ota/internal/api"
	"ota/internal/kit/durable"
	"ota/internal/reason"
	"ota/internal/release"
	"ota/internal/web/access"
)

// offline opens what is on the disk of a folder, for looking only.
func offline(dir string) (folder, *release.Room, error) {
	place, err := folderAt(dir)
	if err != nil {
		return place, nil, err
	}
	releases, err := release.OpenRead(place.own())
	return place, releases, err
}

// OfflineWhy says why a release of a folder that no ota looks after failed; 0:
// the last that did.
func OfflineWhy(dir string, number int) (api.Why, error) {
	_, releases, err := offline(dir)
	if err != nil {
		return api.Why{}, err
	}
	return whyOf(releases, number, nil)
}

// OfflineDiff says by what two releases of a folder differ that no ota looks
// after.
func OfflineDiff(dir string, request api.DiffRequest) (api.Diff, error) {
	place, releases, err := offline(dir)
	if err != nil {
		return api.Diff{}, err
	}
	return diffOf(releases, place.main(), &veil{}, request)
}

// OfflinePin is Pin for a folder that no ota looks after, and keeps one from
// starting meanwhile.
func OfflinePin(ctx context.Context, dir string, number int, pinned bool) error {
	place, releases, err := offline(dir)
	if err != nil {
		return err
	}
	if err := knows(releases, number); err != nil { // and there is an .ota to lock
		return err
	}
	if err := place.ours(); err != nil {
		return err
	}
	lock, err := place.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, releases, err = offline(dir); err != nil { // as it is now
		return err
	}
	return pin(place, releases, number, pinned)
}

// OfflineTokens returns the tokens of a folder that no ota looks after, as far
// as they can be read.
func OfflineTokens(dir string) []api.Token {
	place, err := folderAt(dir)
	if err != nil {
		return nil
	}
	tokens, err := access.Peek(place.access())
	if err != nil {
		return nil
	}
	return tokens
}

// pin makes a release one that is never dropped, or takes that back, for good.
func pin(place folder, releases *release.Room, number int, pinned bool) error {
	disk, err := durable.OpenFS(place.own())
	if err != nil {
		return err
	}
	defer disk.Close()
	if err := releases.Pin(number, pinned); err != nil {
		return unknown(err, number)
	}
	return disk.Sync()
}

// knows tells a release that is not there from one that can't be read.
func knows(releases *release.Room, number int) error {
	_, err := releases.Record(number)
	return unknown(err, number)
}

func unknown(err error, number int) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &api.NoRelease{Number: number}
	case err != nil:
		return fmt.Errorf("cannot read release %d: %w", number, err)
	}
	return nil
}

// whyOf says why a release failed. For release 0 that is the last that failed,
// unless what holds deposit/ came after it.
func whyOf(releases *release.Room, number int, held []reason.Reason) (api.Why, error) {
	why := api.Why{Held: api.Reasons(held)}
	if number == 0 {
		if number = releases.LastFailed(); number == 0 || len(held) > 0 && isOld(releases, number) {
			return why, nil
		}
	}
	record, err := releases.Record(number)
	if err != nil {
		return why, unknown(err, number)
	}
	why.Release, why.State = new(number), new(api.ReleaseState(record.State))
	why.Reason = textOf(record.Reason)
	evidence, err := releases.Evidence(number)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return why, nil
	case err != nil:
		return why, err
	}
	why.Evidence = evidenceOf(evidence)
	return why, nil
}

// isOld reports whether anything was switched in since the release failed, but
// for the one that was gone back to.
func isOld(releases *release.Room, failed int) bool {
	evidence, err := releases.Evidence(failed)
	if err != nil {
		return true
	}
	current, err := releases.Record(releases.Current())
	return err == nil && current.Turn > evidence.Turn+1
}

func evidenceOf(from release.Evidence) *api.Evidence {
	evidence := &api.Evidence{
		At:     from.At,
		Why:    from.Why,
		BackTo: numberOf(from.BackTo),
		Files:  changesOf(from.Files),
		Output: from.Output,
	}
	if exit := from.Exit; exit != nil {
		evidence.Exit = &api.Ending{Signal: textOf(exit.Signal)}
		if exit.Signal == "" {
			evidence.Exit.Code = new(exit.Code)
		}
	}
	if traceback := from.Traceback; traceback != nil {
		evidence.Traceback = &api.Traceback{
			Error:    traceback.Error,
			File:     api.Path(traceback.File),
			Line:     traceback.Line,
			Function: textOf(traceback.Function),
			Source:   textOf(traceback.Source),
		}
	}
	for _, probe := range from.Probes {
		evidence.Probes = append(evidence.Probes, api.ProbeAnswer{
			Probe:  probe.Probe,
			Answer: probe.Answer,
			Detail: textOf(probe.Detail),
			Before: textOf(probe.Before),
		})
	}
	return evidence
}

func changesOf(files []release.Touched) api.List[api.FileChange] {
	changes := make(api.List[api.FileChange], len(files))
	for i, file := range files {
		changes[i] = api.FileChange{Path: api.Path(file.Path), Change: api.ChangeKind(file.Effect)}
	}
	return changes
}

// numberOf is nil for release 0, which means that there is none.
func numberOf(release int) *int {
	if release == 0 {
		return nil
	}
	return &release
}

func textOf(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
