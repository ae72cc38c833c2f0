package flock

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const holdVariable = "FLOCK_TEST_HOLD"

// TestMain makes this binary be somebody else who holds a lock.
func TestMain(m *testing.M) {
	if path := os.Getenv(holdVariable); path != "" {
		os.Exit(hold(path))
	}
	os.Exit(m.Run())
}

func hold(path string) int {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		err = Wait(file, Shared)
	}
	if err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		return 1
	}
	os.Stdout.WriteString("held\n")
	_, _ = io.ReadAll(os.Stdin) // until the test is done or gone
	return 0
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

func TestWhoExcludesWhom(t *testing.T) {
	for _, test := range []struct {
		first, second Kind
		want          error
	}{
		{Shared, Shared, nil},
		{Shared, Exclusive, ErrHeld},
		{Exclusive, Shared, ErrHeld},
		{Exclusive, Exclusive, ErrHeld},
	} {
		t.Run(string(test.first+" "+test.second), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "lock")
			first, second := open(t, path), open(t, path)
			if err := Try(first, test.first); err != nil {
				t.Fatal(err)
			}
			if err := Try(second, test.second); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			if err := Wait(second, test.second); err != nil {
				t.Errorf("after the first gave it back: %v", err)
			}
		})
	}
}

func TestWaitEndsWithTheOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, second := open(t, path), open(t, path)
	if err := Try(first, Exclusive); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() { got <- Wait(second, Shared) }()
	select {
	case err := <-got:
		t.Fatalf("no wait: %v", err)
	default:
	}
	first.Close()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestLockEndsWithItsProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	file := open(t, path)
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), holdVariable+"="+path)
	stdin, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "held\n" {
		t.Errorf("%q, %v", line, err)
	}
	if err := Try(file, Exclusive); !errors.Is(err, ErrHeld) {
		t.Errorf("beside another process: %v", err)
	}
	if err := Try(file, Shared); err != nil {
		t.Errorf("shared with another process: %v", err)
	}
	_ = other.Process.Kill()
	_ = other.Wait() // it was killed
	if err := Try(file, Exclusive); err != nil {
		t.Errorf("after the other was killed: %v", err)
	}
}

func TestClosedFile(t *testing.T) {
	file := open(t, filepath.Join(t.TempDir(), "lock"))
	file.Close()
	for what, err := range map[string]error{"Try": Try(file, Shared), "Wait": Wait(file, Shared)} {
		if err == nil || errors.Is(err, ErrHeld) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
