package agent

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"ota/internal/activate"
	"ota/internal/api"
	"ota/internal/check"
	"ota/internal/deposit"
	"ota/internal/release"
	"ota/internal/sshsig"
	"ota/internal/update"
)

// sealPacked makes a private copy of a packed release that lies in deposit/, as
// ota run would; nil: there is none. The error is a *reason.Refused if it, or
// what lies there in place of it, would not be taken.
func sealPacked(ctx context.Context, place folder, o *outfit, releases *release.Room) (*deposit.Sealed, error) {
	keeper := trustOf(place, o.layers.Device().Device, releases, func() sshsig.Clock { return clockOf(newVitals(place.dir, nil)) })
	private, err := os.MkdirTemp("", "ota-check-")
	if err != nil {
		return nil, err
	}
	room := deposit.New(deposit.Options{
		Dir: place.deposit(), Incoming: private, Ignore: o.settings().Update.Ignored,
		Packing: deposit.Packing{
			Admit: admitBy(admittedIn(place, o.layers.Device().Source, keeper)), Bare: keeper.Bare,
			Left: func() map[string]deposit.Left { return leftIn(releases) },
			Space: func(bytes int64, paths int) error {
				return check.Space(check.Need{Dir: private, Bytes: bytes, Files: int64(paths)})
			},
		},
	})
	upload, err := room.Peek(ctx)
	var sealed *deposit.Sealed
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	case err != nil:
	case room.IsPacked(upload):
		sealed, err = room.Seal(ctx, upload)
	case upload.Files() > 0:
		err = keeper.Bare()
	}
	if sealed == nil {
		return nil, errors.Join(err, os.RemoveAll(private))
	}
	sealed.Dir = private // all of it goes with the copy
	return sealed, nil
}

// checkSealed judges a packed release over main/.
func checkSealed(ctx context.Context, place folder, o *outfit, releases *release.Room, sealed *deposit.Sealed) (Checked, error) {
	main := activate.New(activate.Options{Main: place.main(), Dir: place.own()})
	gone, err := update.Removals(releases, main, sealed.Packed)
	if err != nil {
		return Checked{}, err
	}
	candidate := check.Candidate{
		Gone: gone, Touched: gone,
		Current: update.WalkOf(func() (*release.Tree, error) { return releases.Tree(releases.Current()) }),
	}
	links, files := map[string]string{}, 0
	for _, file := range sealed.Files {
		if file.Kind == deposit.KindFolder {
			continue
		}
		files++
		candidate.Touched = append(candidate.Touched, file.Path)
		links[file.Path] = file.Target
		if file.Kind == deposit.KindLink {
			candidate.Links = append(candidate.Links, file.Path)
			continue
		}
		candidate.Arrivals = append(candidate.Arrivals, check.Arrival{
			Path: file.Path, File: file.Copy, Mode: file.Mode, ModTime: file.ModTime, Sum: release.Sum(file.Sum).Hex(),
		})
	}
	checked := Checked{Dir: api.Path(place.dir), Of: Upload, Files: files}
	doubts, err := check.Links(place.main(), links)
	if err != nil {
		return checked, err
	}
	if len(doubts) > 0 {
		checked.Held = api.Reasons(doubts)
		return checked, nil
	}
	return (&judge{outfit: o, builds: buildMissing}).byHand(ctx, candidate, checked)
}
