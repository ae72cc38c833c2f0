package parcel

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func fileOf(path, content string) Entry {
	sum := sha256.Sum256([]byte(content))
	return Entry{Path: path, Mode: "0644", Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
}

func example() *Manifest {
	at := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	return &Manifest{
		Format: 1, Kind: Whole, App: "garden", Version: "v1.2.3", Serial: 7, RollbackTo: 3, Expires: &at,
		Message: "waters at night <&>\nand \"less\"", Needs: &Needs{Arch: []string{"arm", "arm64"}},
		Signers: "anna ssh-ed25519 AAAA\n", Threshold: 2, Removed: []string{"lib/old.py", "old.py"},
		Files: []Entry{
			{Path: "data", Kind: Folder},
			{Path: "latest", Kind: Link, Target: "lib/helper.py"},
			fileOf("lib/helper.py", "x = 1\n"),
			fileOf("main.py", "import lib.helper\n"),
		},
	}
}

func TestManifestComesBack(t *testing.T) {
	data, err := example().Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example(), again); diff != "" {
		t.Error(diff)
	}
}

// TestNothingHides changes the text of a manifest in ways that other readers of
// JSON take for nothing.
func TestNothingHides(t *testing.T) {
	data, err := example().Encode()
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for name, test := range map[string]struct{ changed, want string }{
		"a space":         {strings.Replace(text, ":", ": ", 1), "line 1 was changed"},
		"a key twice":     {strings.Replace(text, `"serial":7`, `"serial":9,"serial":7`, 1), "line 1 was changed"},
		"capitals":        {strings.Replace(text, `"serial"`, `"Serial"`, 1), "line 1 was changed"},
		"an unknown key":  {strings.Replace(text, `"serial"`, `"evil":1,"serial"`, 1), `unknown field "evil"`},
		"another order":   {strings.Replace(text, `"app":"garden","version":"v1.2.3"`, `"version":"v1.2.3","app":"garden"`, 1), "line 1 was changed"},
		"an escape":       {strings.Replace(text, "garden", `g\u0061rden`, 1), "line 1 was changed"},
		"half a rune":     {strings.Replace(text, "at night", `at \ud800`, 1), "control characters"},
		"no UTF-8":        {strings.Replace(text, "at night", "at \xff", 1), "UTF-8"},
		"carriage return": {strings.ReplaceAll(text, "\n", "\r\n"), "line 1 was changed"},
		"more behind it":  {text + "{}", "was changed"},
		"a file's key":    {strings.Replace(text, `"mode":"0644"`, `"mode":"0644","uid":0`, 1), `unknown field "uid"`},
		"another format":  {strings.Replace(text, `"format":1`, `"format":2`, 1), "format 2"},
		"null":            {"null", "format 0"},
		"a float":         {strings.Replace(text, `"serial":7`, `"serial":7.0`, 1), "it is no manifest"},
		"nothing":         {"", "cut off"},
	} {
		if _, err := Decode([]byte(test.changed)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	for short := range data {
		if _, err := Decode(data[:short]); err == nil {
			t.Errorf("cut off after %d bytes it is taken", short)
		}
	}
	if _, err := Decode(make([]byte, LongestManifest+1)); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Error(err)
	}
}

// TestBounds has each field out of its bounds.
func TestBounds(t *testing.T) {
	long := strings.Repeat("x", 5000)
	file := func(change func(*Entry)) func(*Manifest) {
		return func(m *Manifest) { change(&m.Files[3]) }
	}
	path := func(at string) func(*Manifest) {
		return func(m *Manifest) { m.Files = []Entry{fileOf(at, "")}; m.Removed = nil }
	}
	both := func(a, b Entry) func(*Manifest) {
		return func(m *Manifest) { m.Files = []Entry{a, b}; m.Removed = nil }
	}
	for want, changes := range map[string][]func(*Manifest){
		"format:":            {func(m *Manifest) { m.Format = 2 }},
		"kind:":              {func(m *Manifest) { m.Kind = "" }, func(m *Manifest) { m.Kind = "part" }},
		"app:":               {func(m *Manifest) { m.App = "a b" }, func(m *Manifest) { m.App = long }, func(m *Manifest) { m.App = "../x" }},
		"version:":           {func(m *Manifest) { m.Version = "v1\n" }},
		"serial:":            {func(m *Manifest) { m.Serial = 0 }, func(m *Manifest) { m.Serial = -1 }, func(m *Manifest) { m.Serial = 1 << 53 }},
		"allow_rollback_to:": {func(m *Manifest) { m.RollbackTo = 8 }, func(m *Manifest) { m.RollbackTo = -1 }},
		"expires:": {
			func(m *Manifest) { at := m.Expires.Add(1); m.Expires = &at },
			func(m *Manifest) { at := m.Expires.In(time.FixedZone("", 3600)); m.Expires = &at },
		},
		"message:":            {func(m *Manifest) { m.Message = long }, func(m *Manifest) { m.Message = "\x1b[2J" }},
		"allowed_signers:":    {func(m *Manifest) { m.Signers = "\x00" }, func(m *Manifest) { m.Signers = strings.Repeat(long, 14) }},
		"threshold:":          {func(m *Manifest) { m.Threshold = -1 }, func(m *Manifest) { m.Threshold = 17 }},
		"needs:":              {func(m *Manifest) { m.Needs = &Needs{} }, func(m *Manifest) { m.Needs.Arch = []string{""} }},
		"more than 30000":     {func(m *Manifest) { m.Files = make([]Entry, 30001) }, func(m *Manifest) { m.Removed = make([]string, 30001) }},
		"the mode":            {file(func(e *Entry) { e.Mode = "4755" }), file(func(e *Entry) { e.Mode = "" }), file(func(e *Entry) { e.Mode = "0777" })},
		"the size":            {file(func(e *Entry) { e.Size = -1 }), file(func(e *Entry) { e.Size = 1 << 41 })},
		"the SHA-256":         {file(func(e *Entry) { e.SHA256 = "" }), file(func(e *Entry) { e.SHA256 = strings.ToUpper(e.SHA256) }), file(func(e *Entry) { e.SHA256 += "00" })},
		"no target":           {file(func(e *Entry) { e.Target = "x" })},
		"no kind":             {file(func(e *Entry) { e.Kind = "device" })},
		"lacks its target":    {file(func(e *Entry) { e.Kind = Link }), func(m *Manifest) { m.Files[1].Target = "" }, func(m *Manifest) { m.Files[1].Size = 1 }},
		"leads out":           {func(m *Manifest) { m.Files[1].Target = "../x" }, func(m *Manifest) { m.Files[1].Target = "/etc/passwd" }, path("lib/../../x")},
		"listed twice":        {both(fileOf("a", ""), fileOf("a", "x")), both(fileOf("b", ""), fileOf("a", "x")), func(m *Manifest) { m.Removed = []string{"x", "x"} }},
		"differ in capitals":  {both(fileOf("A.py", ""), fileOf("a.py", "")), both(fileOf("LIB/x", ""), fileOf("lib/y", "")), both(fileOf("Ä", ""), fileOf("ä", ""))},
		"a file or an empty":  {both(fileOf("a", ""), fileOf("a/b", "")), both(Entry{Path: "a", Kind: Folder}, fileOf("a/b", "")), both(Entry{Path: "a", Kind: Link, Target: "c"}, fileOf("a/b", ""))},
		"one of the files":    {func(m *Manifest) { m.Removed = []string{"main.py"} }, func(m *Manifest) { m.Removed = []string{"lib"} }},
		"path is empty":       {path("")},
		"path is absolute":    {path("/etc/passwd")},
		"empty parts":         {path("a//b"), path("a/"), path("./a"), path("a/./b")},
		"out of the release":  {path("../a"), path("a/.."), path("..")},
		"backslash":           {path(`..\a`)},
		"path has control":    {path("a\x00b"), path("a\nb"), path("a\u0085b")},
		"path is no UTF-8":    {path("a\xff")},
		"longer than 1024":    {path(strings.Repeat("a/", 600) + "a")},
		"longer than 255":     {path(strings.Repeat("a", 256))},
		"ota's own":           {path(".ota/trust.json"), path("lib/.OTA/x"), path(".ota-x"), func(m *Manifest) { m.Removed = []string{".ota"} }},
		"for packed releases": {path(ManifestName), path(SignatureName), path("OTA-release.json"), path("x.ota"), path(".hold")},
	} {
		for i, change := range changes {
			m := example()
			change(m)
			if _, err := m.Encode(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %d: %v", want, i, err)
			}
		}
	}
}

// FuzzDecode: what is taken is written as it was, and safe.
func FuzzDecode(f *testing.F) {
	data, err := example().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format":1,"kind":"overlay","serial":1,"files":[` + "\n]}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			return
		}
		again, err := m.Encode()
		if err != nil || string(again) != string(data) {
			t.Fatalf("%q became %q: %v", data, again, err)
		}
		for _, file := range m.Files {
			if strings.HasPrefix(file.Path, "/") || strings.Contains("/"+file.Path+"/", "/../") {
				t.Fatalf("%q leads out", file.Path)
			}
		}
	})
}
