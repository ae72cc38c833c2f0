package logs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// smallDisk mounts a file system of half a megabyte, or skips the test.
func smallDisk(t *testing.T) (path string) {
	t.Helper()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=512k"); err != nil {
		t.Skip("a small disk needs the right to mount one: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return disk
}

// A disk without room: nothing stops, nothing is written by halves, and it goes
// on when there is room again.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t)
	synctest.Test(t, func(t *testing.T) {
		dir, console := filepath.Join(disk, "logs"), &lockedBuffer{}
		l := New(Options{Dir: dir, Console: console})
		stop := start(t, l)
		l.logger().Info("begin")
		synctest.Wait()
		ballast := filepath.Join(disk, "ballast")
		mustWrite(t, ballast, strings.Repeat("b", 400<<10))
		w := l.Stream(Main)
		for range 20 {
			write(t, w, strings.Repeat(strings.Repeat("x", 99)+"\n", 100))
			synctest.Wait()
		}
		if n := strings.Count(console.String(), "log file cannot be written"); n != 1 {
			t.Errorf("said %d times that the disk is full", n)
		}
		if n := strings.Count(console.String(), "] MAIN : x"); n != 2000 {
			t.Errorf("%d lines on the console, want 2,000", n)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		time.Sleep(longestRetry)
		l.logger().Info("end")
		if err := stop(); err != nil {
			t.Error(err)
		}
		text := fileText(t, dir)
		for line := range strings.Lines(text) {
			if strings.Contains(line, "MAIN") && !strings.HasSuffix(line, " : "+strings.Repeat("x", 99)+"\n") {
				t.Errorf("half a line: %q", line)
			}
		}
		if n := strings.Count(text, "] MAIN : x"); n != 2000 {
			t.Errorf("%d lines in the file, want 2,000", n)
		}
		if !strings.HasSuffix(text, "INFO : end\n") || strings.Count(text, "is written again") != 1 {
			t.Errorf("the end of the file: %q", text[max(0, len(text)-200):])
		}
	})
}

func TestDiskFullFromTheStart(t *testing.T) {
	disk := smallDisk(t)
	synctest.Test(t, func(t *testing.T) {
		ballast := filepath.Join(disk, "ballast")
		if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o644); !errors.Is(err, syscall.ENOSPC) {
			t.Fatal("the disk is not full: ", err)
		}
		dir := filepath.Join(disk, "logs")
		l := New(Options{Dir: dir})
		stop := start(t, l)
		l.logger().Info("begin")
		time.Sleep(time.Hour)
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		time.Sleep(longestRetry)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if files := names(t, dir); len(files) != 1 || readOrder(dir)[files[0]] != 1 {
			t.Errorf("files %q in the order %v", files, readOrder(dir))
		}
		if text := fileText(t, dir); !strings.Contains(text, "] INFO : begin\n") {
			t.Errorf("the file holds %q", text)
		}
	})
}
