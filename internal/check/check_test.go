package check

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPlausible(t *testing.T) {
	text := "print('a line of a program')\n"
	blocks := strings.Repeat("x", block-1)
	for name, test := range map[string]struct {
		before, after string // before: "-" for a file that is not in main/
		want          string // a part of the message
	}{
		"a new file":                       {"-", text, ""},
		"a changed file":                   {text, text + text, ""},
		"emptied":                          {text, "", "it is empty, but has 29 bytes in main/"},
		"empty before, too":                {"", "", ""},
		"new and empty":                    {"-", "", ""},
		"cut in a line":                    {text, text + "prin", "does not end with a newline, as it does in main/"},
		"never had a last newline":         {"text", "other text", ""},
		"binary before":                    {"\x00\x01\n", "text", ""},
		"binary now":                       {text, "\x00\x01\xff", ""},
		"a whole block":                    {"-", blocks + "y", "exactly 4096 bytes long"},
		"a whole block with its newline":   {"-", blocks + "\n", ""},
		"a binary of whole blocks":         {"-", "\x00" + blocks, ""},
		"cut in a character":               {text, text + "ü"[:1], ""}, // no longer text, so nothing is known
		"a character over the first block": {text, blocks + "ü", "does not end with a newline"},
	} {
		t.Run(name, func(t *testing.T) {
			main, copies := t.TempDir(), t.TempDir()
			if test.before != "-" {
				write(t, filepath.Join(main, "file"), test.before)
			}
			write(t, filepath.Join(copies, "copy"), test.after)
			doubts, err := Plausible(main, []Arrival{{Path: "file", File: filepath.Join(copies, "copy")}})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if len(doubts) > 0 {
				got = doubts[0].String()
			}
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestPlausibleLooksThroughNoLink(t *testing.T) {
	main, outside, copies := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, filepath.Join(outside, "file"), "text\n")
	write(t, filepath.Join(copies, "copy"), "te")
	if err := os.Symlink(outside, filepath.Join(main, "link")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	doubts, err := Plausible(main, []Arrival{{Path: "link/file", File: filepath.Join(copies, "copy")}})
	if err != nil || len(doubts) != 0 {
		t.Errorf("it compared with a file outside: %v, %v", doubts, err)
	}
}

func TestSpaceAddsUpWhatIsOnOneFileSystem(t *testing.T) {
	dir := t.TempDir()
	there, err := free(dir)
	if err != nil {
		t.Fatal(err)
	}
	if there.Bytes > 1<<60 {
		t.Skip("the free space is not known here")
	}
	half := Need{Dir: dir, Bytes: there.Bytes / 2}
	if err := Space(half); err != nil {
		t.Errorf("half of what is free is too much: %v", err)
	}
	var none *NoSpace
	if err := Space(half, half, Need{Dir: dir, Bytes: 8 << 20}); !errors.As(err, &none) {
		t.Fatalf("more than what is free fits: %v", err)
	}
	for _, figure := range []string{"needed", "free", dir} {
		if !strings.Contains(none.Error(), figure) {
			t.Errorf("%q is missing in %q", figure, none.Error())
		}
	}
}

func TestSpaceCountsBlocks(t *testing.T) {
	dir := t.TempDir()
	there, err := free(dir)
	if err != nil {
		t.Fatal(err)
	}
	if there.Bytes > 1<<60 {
		t.Skip("the free space is not known here")
	}
	var none *NoSpace
	err = Space(Need{Dir: dir, Files: there.Bytes / block})
	if !errors.As(err, &none) || none.Need.Bytes <= there.Bytes {
		t.Errorf("a file of a few bytes in every free block: %v", err)
	}
}

func TestSpaceCountsInodes(t *testing.T) {
	dir := t.TempDir()
	there, err := free(dir)
	if err != nil {
		t.Fatal(err)
	}
	if there.Files == inodesUnknown {
		t.Skip("this file system does not count inodes")
	}
	err = Space(Need{Dir: dir, Files: there.Files + 1<<30})
	if err == nil || !strings.Contains(err.Error(), "inodes") {
		t.Errorf("more files than inodes: %v", err)
	}
}

func FuzzIsText(f *testing.F) {
	f.Add([]byte("text ü"), true)
	f.Add([]byte{0xff}, false)
	f.Fuzz(func(t *testing.T, head []byte, more bool) {
		if isText(head, more) && bytes.IndexByte(head, 0) >= 0 {
			t.Error("a NUL in a text")
		}
	})
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
