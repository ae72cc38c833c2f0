package agent

import (
	"context"
	"errors"
	"io"

	"ota/internal/api"
	"ota/internal/deposit/drop"
	"ota/internal/kit/hint"
)

// Drops returns the uploads over the network that are on their way.
func (a *agent) Drops() []api.Drop {
	var drops []api.Drop
	for _, one := range a.arrivals.Drops() {
		drops = append(drops, dropShown(one))
	}
	return drops
}

// NewDrop begins an upload of several files.
func (a *agent) NewDrop(files int, bytes int64) (api.Drop, error) {
	one, err := a.arrivals.NewDrop(files, bytes)
	return dropShown(one), dropError(err)
}

// CompleteDrop puts its files into deposit/ and says that the upload is complete.
func (a *agent) CompleteDrop(id string) (files int, err error) {
	files, err = a.arrivals.CompleteDrop(id)
	if err == nil {
		a.log.Info("an upload has come over the network", "files", files)
	}
	return files, dropError(err)
}

// CancelDrop removes what has come of it.
func (a *agent) CancelDrop(id string) error { return dropError(a.arrivals.CancelDrop(id)) }

// NewArrival begins a file.
func (a *agent) NewArrival(drop, path string, size int64) (api.Arrival, error) {
	one, err := a.arrivals.NewArrival(drop, path, size)
	return arrivalShown(one), dropError(err)
}

// Arrival returns a file that has begun.
func (a *agent) Arrival(id string) (api.Arrival, error) {
	one, err := a.arrivals.Arrival(id)
	return arrivalShown(one), dropError(err)
}

// Append adds to a file at its offset.
func (a *agent) Append(ctx context.Context, id string, offset int64, from io.Reader) (int64, error) {
	at, err := a.arrivals.Append(ctx, id, offset, from)
	return at, dropError(err)
}

// CancelArrival removes what has come of a file.
func (a *agent) CancelArrival(id string) error { return dropError(a.arrivals.CancelArrival(id)) }

// arriving is how far what comes over the network has come.
func (a *agent) arriving() *api.Progress {
	all, ok := a.arrivals.Progress()
	if !ok {
		return nil
	}
	return &api.Progress{Files: all.Files, Done: all.Done, Bytes: all.Bytes, Received: all.Received}
}

func dropShown(one drop.Drop) api.Drop {
	shown := api.Drop{ID: one.ID, Created: one.Created, Expected: one.Expected, Bytes: one.Bytes, Received: one.Received}
	for _, file := range one.Files {
		shown.Files = append(shown.Files, arrivalShown(file))
	}
	return shown
}

func arrivalShown(one drop.Arrival) api.Arrival {
	shown := api.Arrival{ID: one.ID, Path: api.Path(one.Path), Size: one.Size, Offset: one.Offset}
	if one.Drop != "" {
		shown.Drop = &one.Drop
	}
	return shown
}

// dropError says what the room says in the words of the API.
func dropError(err error) error {
	if err == nil {
		return nil
	}
	if is, ok := errors.AsType[*drop.Unknown](err); ok {
		return &api.NoDrop{ID: is.ID}
	}
	if is, ok := errors.AsType[*drop.NoSpace](err); ok {
		return hint.With(&api.NoSpace{Need: is.Need, Free: is.Free}, "make room on the device, then try again")
	}
	if is, ok := errors.AsType[*drop.Refused](err); ok {
		return &api.BadUpload{Why: is.Why}
	}
	if is, ok := errors.AsType[*drop.WrongOffset](err); ok {
		return &api.WrongOffset{Offset: is.Offset}
	}
	switch {
	case errors.Is(err, drop.ErrBusy):
		return api.ErrUploading
	case errors.Is(err, drop.ErrTooMuch):
		return api.ErrTooMuch
	}
	return err
}
