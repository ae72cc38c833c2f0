package reserve

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReserveIsThereUntilItIsSpent(t *testing.T) {
	file := New(filepath.Join(t.TempDir(), "reserve"), 5000)
	if file.Spend() {
		t.Error("nothing was spent")
	}
	for range 2 {
		if err := file.Fill(); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(file.path); err != nil || info.Size() != 5000 {
		t.Errorf("%v, %v", info, err)
	}
	if !file.Spend() || file.Spend() {
		t.Error("it is spent once")
	}
}

func TestReserveThatCannotBeKeptLeavesNothing(t *testing.T) {
	file := New(filepath.Join(t.TempDir(), "missing", "reserve"), 10)
	if err := file.Fill(); err == nil {
		t.Error("no error")
	}
	if _, err := os.Lstat(file.path); err == nil {
		t.Error("a part of it is left")
	}
}
