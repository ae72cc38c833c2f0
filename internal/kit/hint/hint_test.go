package hint_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"ota/internal/kit/hint"
)

// noPython is an error that brings its own hint.
type noPython struct{}

func (noPython) Error() string { return "no Python found" }
func (noPython) Hint() string  { return "sudo apt install python3" }

func TestOf(t *testing.T) {
	plain := errors.New("connection refused")
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"none", plain, ""},
		{"nil", nil, ""},
		{"given", hint.With(plain, "start it"), "start it"},
		{"wrapped", fmt.Errorf("cannot stop: %w", hint.With(plain, "start it")), "start it"},
		{"outermost", hint.With(hint.With(plain, "inner"), "outer"), "outer"},
		{"joined", errors.Join(plain, hint.With(plain, "start it")), "start it"},
		{"own", fmt.Errorf("cannot start: %w", noPython{}), "sudo apt install python3"},
		{"empty leaves the inner one", hint.With(hint.With(plain, "inner"), ""), "inner"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := hint.Of(test.err); got != test.want {
				t.Errorf("Of = %q, want %q", got, test.want)
			}
		})
	}
}

func TestWithKeepsTheError(t *testing.T) {
	err := hint.With(fmt.Errorf("cannot read: %w", fs.ErrNotExist), "make it")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("errors.Is does not see through the hint")
	}
	if got, want := err.Error(), "cannot read: file does not exist"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
	if hint.With(nil, "nothing failed") != nil {
		t.Error("a hint made an error of nil")
	}
}
