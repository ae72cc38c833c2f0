package api

import (
	"errors"
	"net/http"

	"ota/internal/kit/hint"
)

// BadUpload is the error for what is never taken, however often it is tried.
type BadUpload struct {
	Why string
}

// Error says why.
func (b *BadUpload) Error() string { return b.Why }

// WrongOffset is the error for a piece of a file that does not begin where the
// one before has ended.
type WrongOffset struct {
	Offset int64 // where it has
}

// Error says what to do.
func (w *WrongOffset) Error() string { return "the file does not go on at this offset" }

var (
	// ErrUploading is the error for a file that another connection is sending.
	ErrUploading = errors.New("another connection is sending this file")
	// ErrTooMuch is the error for more bytes than were announced.
	ErrTooMuch = errors.New("there are more bytes than were announced")
)

// dropProblem gives the errors of [Drops] their status.
func dropProblem(err error) error {
	if err == nil {
		return nil
	}
	status := 0
	if _, ok := errors.AsType[*NoDrop](err); ok {
		status = http.StatusNotFound
	} else if _, ok := errors.AsType[*NoSpace](err); ok {
		status = http.StatusInsufficientStorage
	} else if _, ok := errors.AsType[*BadUpload](err); ok {
		status = http.StatusBadRequest
	} else if _, ok := errors.AsType[*WrongOffset](err); ok {
		status = http.StatusConflict
	}
	switch {
	case errors.Is(err, ErrUploading):
		status = http.StatusLocked
	case errors.Is(err, ErrTooMuch):
		status = http.StatusRequestEntityTooLarge
	}
	if status == 0 {
		return err
	}
	problem := newProblem(status, err.Error())
	problem.Advice = hint.Of(err)
	return problem
}

// dropAnswers answers what is asked of drops.
type dropAnswers struct{ drops Drops }

func (d dropAnswers) routes() []route {
	return []route{
		{http.MethodGet, prefix + "/drops", []Right{Read, Upload}, 0, d.list},
		{http.MethodPost, prefix + "/drops", uploading, jsonBytes, d.begin},
		{http.MethodPost, prefix + "/drops/{id}/complete", uploading, 0, d.complete},
		{http.MethodDelete, prefix + "/drops/{id}", uploading, 0, d.cancel},
	}
}

func (d dropAnswers) list(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, List[Drop](d.drops.Drops()))
}

func (d dropAnswers) begin(w http.ResponseWriter, r *http.Request) error {
	var announced struct {
		Files int   `json:"files"`
		Bytes int64 `json:"bytes"`
	}
	if err := readJSON(w, r, &announced); err != nil {
		return err
	}
	drop, err := d.drops.NewDrop(announced.Files, announced.Bytes)
	if err != nil {
		return dropProblem(err)
	}
	text, err := encode(drop)
	if err != nil {
		return newProblem(http.StatusInternalServerError, err.Error())
	}
	write(w, "application/json", http.StatusCreated, text)
	return nil
}

// dropped is the answer to the completion of a drop.
type dropped struct {
	Files int `json:"files"`
}

func (d dropAnswers) complete(w http.ResponseWriter, r *http.Request) error {
	takeTime(w)
	files, err := d.drops.CompleteDrop(r.PathValue("id"))
	if err != nil {
		return dropProblem(err)
	}
	return writeJSON(w, dropped{files})
}

func (d dropAnswers) cancel(w http.ResponseWriter, r *http.Request) error {
	takeTime(w)
	if err := d.drops.CancelDrop(r.PathValue("id")); err != nil {
		return dropProblem(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
