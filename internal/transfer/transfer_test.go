package transfer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// program is a tree as a small program is.
func program(t *testing.T) *memory {
	t.Helper()
	files := map[string]string{"main.py": text(1, 3000), "data/": "", "lib/current": "->v1/code.py", "empty": ""}
	for i := range 60 {
		files[fmt.Sprintf("app/part%d/module%02d.py", i%7, i)] = text(uint64(i+2), 4000+100*i)
	}
	return treeOf(files)
}

// edited is text with a line changed in the middle.
func edited(s string) string { return s[:len(s)/2] + "changed_here = 1\n" + s[len(s)/2:] }

func steps(base *memory) map[string]*memory {
	one := "app/part1/module08.py"
	content := string(base.contents[one])
	return map[string]*memory{
		"nothing":        base,
		"one line":       base.with(map[string]string{one: edited(content)}),
		"moved":          base.with(map[string]string{one: gone, "elsewhere/m.py": content}),
		"moved, changed": base.with(map[string]string{one: gone, "elsewhere/module08.py": edited(content)}),
		"copied":         base.with(map[string]string{"copy.py": content}),
		"same twice":     base.with(map[string]string{"x.py": text(900, 5000), "y.py": text(900, 5000)}),
		"removed":        base.with(map[string]string{one: gone, "data/": gone}),
		"empty folder":   base.with(map[string]string{"more/": "", "data/": gone, "data/file": "1"}),
		"file to folder": base.with(map[string]string{one: gone, one + "/": ""}),
		"link":           base.with(map[string]string{"lib/current": "->v2/code.py", one: "->../x"}),
		"emptied":        base.with(map[string]string{one: "", "main.py": ""}),
		"all new":        treeOf(map[string]string{"a": text(77, 40000), "b/c": noise(3, 9000)}),
		"all gone":       treeOf(nil),
		"binary":         base.with(map[string]string{"lib/code.so": builtFile(5, 1)}),
	}
}

func TestEveryKindOfStepArrives(t *testing.T) {
	base := program(t)
	for name, target := range steps(base) {
		for _, knows := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, known %v", name, knows), func(t *testing.T) {
				sender := unknown(t, target)
				if knows {
					sender = known(t, base, target)
				}
				o := both(sender, &Receiver{Device: base, Folder: t.TempDir()}, -1, -1)
				if o.sent != nil || o.err != nil {
					t.Fatal(o.sent, o.err)
				}
				holds(t, o.received, base, target)
				t.Logf("%d bytes down, %d up", o.down, o.up)
			})
		}
	}
}

func TestModesArrive(t *testing.T) {
	base := program(t)
	target := base.with(nil)
	for i := range target.listing {
		if target.listing[i].Path == "main.py" {
			target.listing[i].Mode = 0o755
		}
		if target.listing[i].Path == "data" {
			target.listing[i].Mode = 0o700
		}
	}
	for _, sender := range []*Sender{known(t, base, target), unknown(t, target)} {
		o := both(sender, &Receiver{Device: base, Folder: t.TempDir()}, -1, -1)
		if o.sent != nil || o.err != nil {
			t.Fatal(o.sent, o.err)
		}
		holds(t, o.received, base, target)
		files, err := os.ReadDir(o.received.Contents)
		if err != nil || len(files) > 0 {
			t.Errorf("contents came for a change of modes: %v %v", files, err)
		}
	}
}

// TestOnlyWhatIsLackingCrosses: a few hundred bytes for a line, next to nothing for
// what moved.
func TestOnlyWhatIsLackingCrosses(t *testing.T) {
	base := program(t)
	all := steps(base)
	for name, most := range map[string]int64{"nothing": 150, "one line": 300, "moved": 200, "copied": 200, "removed": 200, "moved, changed": 330} {
		o := both(known(t, base, all[name]), &Receiver{Device: base, Folder: t.TempDir()}, -1, -1)
		if o.err != nil || o.down+o.up > most {
			t.Errorf("%s: %d bytes, want at most %d (%v)", name, o.down+o.up, most, o.err)
		}
	}
	long := text(70, 60_000)
	base = base.with(map[string]string{"long.py": long})
	all["moved"] = base.with(map[string]string{"app/part1/module08.py": gone, "elsewhere/m.py": string(base.contents["app/part1/module08.py"])})
	for i := range 6 {
		long = long[:9000*i+4000] + "changed" + long[9000*i+4003:]
	}
	all["six places"] = base.with(map[string]string{"long.py": long})
	for name, most := range map[string]int64{"six places": 1500, "moved": 1200} {
		o := both(unknown(t, all[name]), &Receiver{Device: base, Folder: t.TempDir()}, -1, -1)
		t.Logf("%s, of an unknown base: %d bytes", name, o.down+o.up)
		if o.err != nil || o.down+o.up > most {
			t.Errorf("%s, of an unknown base: %d bytes, want at most %d (%v)", name, o.down+o.up, most, o.err)
		}
	}
}

// builtFile is like a program of a version: instructions with addresses that
// move when something is put in before them.
func builtFile(seed uint64, version int) string {
	random := rand.New(rand.NewPCG(seed, 3))
	var b bytes.Buffer
	b.WriteString("\x7fELF\x00\x00\x00\x00")
	shift := uint32(0)
	for i := range 40000 {
		if version > 1 && i%9973 == 5000 {
			b.WriteString(noise(uint64(i), 64))
			shift += 64
		}
		b.Write(binary.LittleEndian.AppendUint32(nil, random.Uint32N(1<<12)))
		for range 5 {
			b.Write(binary.LittleEndian.AppendUint32(nil, random.Uint32()))
		}
		b.Write(binary.LittleEndian.AppendUint32(nil, uint32(i*977%300000)+shift))
	}
	return b.String()
}

func TestExecutablesAreSentAsDifferences(t *testing.T) {
	base := treeOf(map[string]string{"program": builtFile(1, 1)})
	target := treeOf(map[string]string{"program": builtFile(1, 2)})
	o := both(known(t, base, target), &Receiver{Device: base, Folder: t.TempDir()}, -1, -1)
	if o.err != nil || o.sent != nil {
		t.Fatal(o.err, o.sent)
	}
	holds(t, o.received, base, target)
	frame := len(compress(target.contents["program"], base.contents["program"]))
	if int(o.down) > frame/3 {
		t.Errorf("%d bytes came, a frame has %d", o.down, frame)
	}
}

// TestCutAnywhere: the connection ends after a number of bytes, both sides start
// anew, and it goes on where it was.
func TestCutAnywhere(t *testing.T) {
	base := program(t)
	target := base.with(map[string]string{"new.bin": noise(4, 400_000), "main.py": edited(text(1, 3000))})
	for _, knows := range []bool{true, false} {
		sender := func() *Sender {
			if knows {
				return known(t, base, target) // with another folder: all is made again
			}
			return unknown(t, target)
		}
		whole := both(sender(), &Receiver{Device: base, Folder: t.TempDir()}, -1, -1)
		folder := t.TempDir()
		random := rand.New(rand.NewPCG(1, 2))
		cuts, total, last := 0, int64(0), outcome{err: errCut}
		kept := sender()
		for last.err != nil && cuts < 200 {
			if knows {
				kept = sender()
			}
			// Each connection brings about a hundredth, and the hello before it.
			last = both(kept, &Receiver{Device: base, Folder: folder}, 60+random.Int64N(8000), -1)
			cuts, total = cuts+1, total+last.down+last.up
		}
		if last.err != nil {
			t.Fatalf("known %v: not whole after %d connections: %v", knows, cuts, last.err)
		}
		holds(t, last.received, base, target)
		if most := whole.down + whole.up + int64(cuts)*140; total > most+8000 {
			t.Errorf("known %v: %d bytes in %d connections, %d in one", knows, total, cuts, whole.down+whole.up)
		}
		t.Logf("known %v: %d bytes in %d connections, %d in one", knows, total, cuts, whole.down+whole.up)
	}
}

func TestAHundredCutsCostTwoPercent(t *testing.T) {
	base := program(t)
	target := base.with(map[string]string{"new.bin": noise(4, 700_000)})
	whole := both(known(t, base, target), &Receiver{Device: base, Folder: t.TempDir()}, -1, -1)
	folder, total := t.TempDir(), int64(0)
	sender := known(t, base, target)
	for i := 0; ; i++ {
		limit := (whole.down + 99) / 100
		if i == 100 {
			limit = -1
		}
		o := both(sender, &Receiver{Device: base, Folder: folder}, limit, -1)
		total += o.down + o.up
		if o.err == nil {
			holds(t, o.received, base, target)
			break
		}
		if i == 100 {
			t.Fatal(o.err)
		}
	}
	if ratio := float64(total) / float64(whole.down+whole.up); ratio > 1.02 {
		t.Errorf("a hundred cuts cost %.4f of what one connection does", ratio)
	}
}

// TestAWrongByteIsNeverApplied: whichever byte is spoilt, the receiver says so, or
// what arrives is right; and the next connection ends well.
func TestAWrongByteIsNeverApplied(t *testing.T) {
	base := program(t)
	target := base.with(map[string]string{"main.py": edited(text(1, 3000)), "new": noise(8, 40000)})
	for _, knows := range []bool{true, false} {
		sender := func() *Sender {
			if knows {
				return known(t, base, target)
			}
			return unknown(t, target)
		}
		whole := both(sender(), &Receiver{Device: base, Folder: t.TempDir()}, -1, -1)
		for at := int64(0); at < whole.down; at += 1 + at/3 {
			folder := t.TempDir()
			kept := sender()
			o := both(kept, &Receiver{Device: base, Folder: folder}, -1, at)
			if o.err == nil {
				t.Fatalf("known %v: byte %d was spoilt, and nobody saw it", knows, at)
			}
			o = both(kept, &Receiver{Device: base, Folder: folder}, -1, -1)
			if o.err != nil || o.sent != nil {
				t.Fatalf("known %v: after byte %d was spoilt: %v, %v", knows, at, o.err, o.sent)
			}
			holds(t, o.received, base, target)
		}
	}
}

// TestADamagedSpoolIsSentAgain: what the disk spoilt while the device was off is
// cut off where it begins.
func TestADamagedSpoolIsSentAgain(t *testing.T) {
	base := program(t)
	target := base.with(map[string]string{"new": noise(8, 400_000)})
	folder := t.TempDir()
	both(known(t, base, target), &Receiver{Device: base, Folder: folder}, 300_000, -1)
	path := filepath.Join(folder, spoolStream)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[200_000] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	o := both(known(t, base, target), &Receiver{Device: base, Folder: folder}, -1, -1)
	if o.err != nil {
		t.Fatal(o.err)
	}
	holds(t, o.received, base, target)
	if o.down < 200_000 || o.down > 220_000 {
		t.Errorf("%d bytes came again, want those from the damage on", o.down)
	}
}

// TestAFileThatIsNotAsListed: the device's own file has changed under its listing.
// What is made of it is not taken; the device looks, and says what it really has.
func TestAFileThatIsNotAsListed(t *testing.T) {
	base := program(t)
	target := base.with(map[string]string{"main.py": edited(text(1, 3000))})
	for name, content := range map[string]string{"changed": strings.Replace(text(1, 3000), "self", "SELF", 3), "short": "x", "gone": gone} {
		device := base.with(nil)
		if device.contents["main.py"] = []byte(content); content == gone {
			delete(device.contents, "main.py")
		}
		for _, sender := range []*Sender{known(t, base, target), unknown(t, target)} {
			o := both(sender, &Receiver{Device: device, Folder: t.TempDir()}, -1, -1)
			if o.err != nil || o.sent != nil {
				t.Fatalf("%s: %v, %v", name, o.err, o.sent)
			}
			holds(t, o.received, base, target)
		}
	}
}

// TestAnotherReleaseMeanwhile: after a cut the sender has something else to send.
func TestAnotherReleaseMeanwhile(t *testing.T) {
	base := program(t)
	first := base.with(map[string]string{"new": noise(8, 100_000)})
	second := base.with(map[string]string{"new": noise(9, 100_000)})
	folder := t.TempDir()
	if o := both(known(t, base, first), &Receiver{Device: base, Folder: folder}, 50_000, -1); o.err == nil {
		t.Fatal("the cut did not cut")
	}
	o := both(known(t, base, second), &Receiver{Device: base, Folder: folder}, -1, -1)
	if o.err != nil {
		t.Fatal(o.err)
	}
	holds(t, o.received, base, second)
}

// TestTextInsteadOfMessages: a greeting of the shell is no message.
func TestTextInsteadOfMessages(t *testing.T) {
	_, _, err := newLine(bytes.NewBufferString("Welcome to Debian\n")).hear()
	if !errors.Is(err, ErrProtocol) {
		t.Errorf("got %v", err)
	}
}
