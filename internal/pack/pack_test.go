package pack

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/parcel"
	"ota/internal/sshsig"
)

// folder makes a folder of these files: a name that ends with / is an empty one.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			content = ""
			if err := os.MkdirAll(at, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func pathsOf(m *parcel.Manifest) string {
	var paths []string
	for _, file := range m.Files {
		paths = append(paths, file.Path)
	}
	return strings.Join(paths, " ")
}

func TestWhatIsPacked(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  string
		out   string // left out, and told
	}{
		"all of it":         {files: map[string]string{"main.py": "", "lib/a.py": "", "empty/": ""}, want: "empty lib/a.py main.py"},
		"git's own":         {files: map[string]string{"main.py": "", ".git/config": "", ".gitignore": "", "lib/.git": ""}, want: "main.py"},
		"bytecode":          {files: map[string]string{"main.py": "", "__pycache__/main.pyc": ""}, want: "main.py"},
		"a name":            {files: map[string]string{"main.py": "", "lib/a.log": "", ".gitignore": "# logs\n*.log \r\n"}, want: "main.py"},
		"an exception":      {files: map[string]string{"a.log": "", "keep.log": "", ".gitignore": "*.log\n!keep.log\n"}, want: "keep.log"},
		"a folder":          {files: map[string]string{"build/x/y": "", "src/build": "", ".gitignore": "build/\n"}, want: "src/build"},
		"not in a folder":   {files: map[string]string{"build/x": "", "a": "", ".gitignore": "build\n!build/x\n"}, want: "a"},
		"from the top":      {files: map[string]string{"a": "", "lib/a": "", ".gitignore": "/a\n"}, want: "lib/a"},
		"one further down":  {files: map[string]string{"a": "", "lib/a": "", "lib/b/a": "", "lib/.gitignore": "/a\n"}, want: "a lib/b/a"},
		"only for devices":  {files: map[string]string{"a": "", "tests/t.py": "", ".otaignore": "tests\n"}, want: "a"},
		"it overrules":      {files: map[string]string{"a": "", ".gitignore": "a\n", ".otaignore": "!a\n"}, want: "a"},
		"what is not taken": {files: map[string]string{"a": "", "b.part": "", ".ota/state.json": "", "x.ota": "", ".DS_Store": ""}, want: "a", out: ".ota b.part x.ota"},
		"a placeholder":     {files: map[string]string{"a": "", "data/.gitkeep": ""}, want: "a data"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			packed, err := Pack(context.Background(), Options{Source: folder(t, test.files), Out: out, Release: parcel.Manifest{Kind: parcel.Whole}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, pathsOf(packed.Release)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.out, strings.Join(packed.LeftOut, " ")); diff != "" {
				t.Error(diff)
			}
			if _, err := Inspect(out, "", sshsig.Clock{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPackAgain: the place of an earlier release is used again, and nothing of
// anybody else's is removed there. Serials go up, whatever the clock does.
func TestPackAgain(t *testing.T) {
	source := folder(t, map[string]string{"main.py": "1", "old/a.py": ""})
	options := Options{Source: source, Out: filepath.Join(t.TempDir(), "out"), Release: parcel.Manifest{Kind: parcel.Whole, Serial: 9_000_000_000}}
	if _, err := Pack(context.Background(), options); err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(filepath.Join(source, "old"))
	options.Release.Serial = 0
	packed, err := Pack(context.Background(), options)
	if err != nil || packed.Release.Serial != 9_000_000_001 {
		t.Fatal(packed.Release, err)
	}
	if _, err := os.Stat(filepath.Join(options.Out, "old")); !os.IsNotExist(err) {
		t.Error("what the earlier release had is there still", err)
	}
	mine := filepath.Join(options.Out, "mine.txt")
	if err := os.WriteFile(mine, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Pack(context.Background(), options); err == nil || !strings.Contains(err.Error(), "mine.txt lies there") {
		t.Error(err)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
}

func TestNextSerial(t *testing.T) {
	now := time.Unix(100, 0)
	if got := nextSerial(nil, now); got != 100 {
		t.Error(got)
	}
	if got := nextSerial(&parcel.Manifest{Serial: 100}, now); got != 101 {
		t.Error(got)
	}
	if got := nextSerial(&parcel.Manifest{Serial: 99}, now); got != 100 {
		t.Error(got)
	}
}

// TestNotADevice: what a device keeps is not packed by mistake.
func TestNotADevice(t *testing.T) {
	source := folder(t, map[string]string{"main/main.py": "", "deposit/": "", ".ota/state.json": ""})
	_, err := Pack(context.Background(), Options{Source: source, Out: filepath.Join(t.TempDir(), "out"), Release: parcel.Manifest{Kind: parcel.Whole}})
	if err == nil || !strings.Contains(err.Error(), "is a folder that ota run looks after") {
		t.Error(err)
	}
}

// TestLinksThatLeadOut are told before a device would.
func TestLinksThatLeadOut(t *testing.T) {
	source := folder(t, map[string]string{"main.py": ""})
	if err := os.Symlink("/etc/passwd", filepath.Join(source, "secrets")); err != nil {
		t.Skip(err)
	}
	_, err := Pack(context.Background(), Options{Source: source, Out: filepath.Join(t.TempDir(), "out"), Release: parcel.Manifest{Kind: parcel.Whole}})
	if err == nil || !strings.Contains(err.Error(), `"secrets": the link to "/etc/passwd" leads out`) {
		t.Error(err)
	}
}
