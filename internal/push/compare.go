package push

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sort"

	"ota/internal/kit/hint"
	"ota/internal/pack"
	"ota/internal/parcel"
	"ota/internal/receive"
)

// Effect is what a push does to a file.
type Effect string

// The effects.
const (
	Added    Effect = "added"
	Replaced Effect = "replaced"
	Removed  Effect = "removed"
)

// Change is one file that a push changes.
type Change struct {
	Path   string `json:"path"`
	Effect Effect `json:"change"`
}

// Compare says what a push would change, and changes nothing.
func Compare(ctx context.Context, project *pack.Project, place Place) ([]Change, error) {
	conn, err := place.connect(ctx)
	if err != nil {
		return nil, err
	}
	leave := context.AfterFunc(ctx, func() { conn.Close() })
	defer leave()
	sum := sha256.Sum256(project.Manifest)
	answer, err := ask(conn, receive.Head{Version: receive.Version, Ask: receive.Compare, Sum: hex.EncodeToString(sum[:])})
	if closing := conn.Close(); err != nil && closing != nil && !isFinal(err) {
		return nil, closing
	}
	if err != nil {
		return nil, err
	}
	if answer.Problem != "" {
		return nil, hint.With(errors.New(answer.Problem), answer.Hint)
	}
	return changes(project.Release, answer.Entries), nil
}

func changes(next *parcel.Manifest, there []receive.Entry) []Change {
	before := map[string]receive.Entry{}
	for _, entry := range there {
		before[entry.Path] = entry
	}
	var found []Change
	listed := map[string]bool{}
	for _, file := range next.Files {
		listed[file.Path] = true
		known, isThere := before[file.Path]
		switch {
		case !isThere:
			found = append(found, Change{file.Path, Added})
		case known.Sum != file.SHA256 || known.Target != file.Target || file.Kind == parcel.File && known.Mode != file.Mode:
			found = append(found, Change{file.Path, Replaced})
		}
	}
	for _, entry := range there {
		if !listed[entry.Path] && entry.Brought && next.Kind == parcel.Whole {
			found = append(found, Change{entry.Path, Removed})
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Path < found[j].Path })
	return found
}
