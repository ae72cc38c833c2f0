package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ota/internal/api"
	"ota/internal/deposit/drop"
	"ota/internal/kit/hint"
)

func TestUploadsInTheWordsOfTheAPI(t *testing.T) {
	dir := t.TempDir()
	a := &agent{
		log:      slog.New(slog.DiscardHandler),
		arrivals: drop.New(drop.Options{Dir: filepath.Join(dir, "uploads"), Deposit: filepath.Join(dir, "deposit")}),
	}
	if a.arriving() != nil {
		t.Error("nothing is something")
	}
	begun, err := a.NewDrop(1, 5)
	if err != nil {
		t.Fatal(err)
	}
	file, err := a.NewArrival(begun.ID, "a/b", 5)
	if err != nil {
		t.Fatal(err)
	}
	if at, err := a.Append(t.Context(), file.ID, 0, strings.NewReader("hel")); at != 3 || err != nil {
		t.Fatal(at, err)
	}
	file.Offset = 3
	want := []api.Drop{{ID: begun.ID, Created: begun.Created, Expected: 1, Bytes: 5, Received: 3, Files: []api.Arrival{file}}}
	if diff := cmp.Diff(want, a.Drops()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(&api.Progress{Files: 1, Bytes: 5, Received: 3}, a.arriving()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := a.Append(t.Context(), file.ID, 3, strings.NewReader("lo")); err != nil {
		t.Error(err)
	}
	if files, err := a.CompleteDrop(begun.ID); files != 1 || err != nil {
		t.Error(files, err)
	}
}

func TestErrorsOfUploads(t *testing.T) {
	other := errors.New("another")
	for from, want := range map[error]error{
		&drop.Unknown{ID: "x"}:                        &api.NoDrop{ID: "x"},
		&drop.NoSpace{Need: 2, Free: 1}:               &api.NoSpace{Need: 2, Free: 1},
		&drop.Refused{Why: "no"}:                      &api.BadUpload{Why: "no"},
		&drop.WrongOffset{Offset: 3}:                  &api.WrongOffset{Offset: 3},
		fmt.Errorf("it failed: %w", drop.ErrBusy):     api.ErrUploading,
		errors.Join(drop.ErrTooMuch, errors.New("x")): api.ErrTooMuch,
		hint.With(other, "do that"):                   other,
	} {
		if got := dropError(from); got.Error() != want.Error() && !errors.Is(got, want) {
			t.Errorf("%v: %v, not %v", from, got, want)
		}
	}
	if dropError(nil) != nil {
		t.Error("nothing is an error")
	}
	if hint.Of(dropError(hint.With(other, "do that"))) != "do that" {
		t.Error("a hint is lost")
	}
}
