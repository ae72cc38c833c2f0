package deposit

import (
	"path"
	"strings"
	"testing"
)

func TestClassify(t *testing.T) {
	for name, want := range map[string]class{
		"main.py": ordinary, "Makefile": ordinary, ".env": ordinary, ".streamlit/config.toml": ordinary,
		"a b": ordinary, "-rf": ordinary, "x\ny": ordinary, "\xff": ordinary, strings.Repeat("x", 255): ordinary,
		"partial": ordinary, "part": ordinary, "a.parts": ordinary, "~": leftover, "#": ordinary, "keep": ordinary,

		".keep": ignored, "a/.gitkeep": ignored, ".DS_Store": ignored, "Thumbs.db": ignored, "desktop.ini": ignored,
		".Keep": ordinary, "thumbs.db": ordinary, ".keep2": ordinary,

		".hold": holder, "a/.hold": ordinary, ".hold2": ordinary,

		"a.filepart": transfer, "a.partial": transfer, "a.part": transfer, "a.crdownload": transfer,
		".syncthing.a.tmp": transfer, "~syncthing~a.tmp": transfer, "a.tmp": ordinary,
		".giosaveX1": transfer, ".goutputstream-X1": transfer,
		"a___jb_tmp___": transfer, "a___jb_old___": transfer,
		".~lock.a#": transfer, "~$a.docx": transfer, ".#a": transfer, ".in.a": transfer, ".in.a.": transfer,
		".a.swp": transfer, "a.swp": transfer, ".a.swo": transfer, ".a.swx": transfer, ".a.swpx": ordinary,
		"game.swf": ordinary, "lib.swc": ordinary, ".game.swf": transfer, "a.swift": ordinary, "sw": ordinary,

		"#a#": leftover, "##": leftover, ".nfs0000012": leftover, "._a": leftover, "a~": leftover, "4913": leftover,
		"d/4913": leftover, "49130": ordinary,

		".big.bin.Ab12Cd": transfer, ".big.bin.000000": transfer, ".Makefile.aBcdef": transfer,
		"..env.Ab12Cd": transfer, ".main.py.backup": ordinary, ".env.stage2": ordinary, ".bashrc.backup": ordinary,
		".there.backup": transfer, ".big.bin.Ab12C": ordinary, ".big.bin.Ab12Cd7": ordinary, ".big.bin.Ab12C-": ordinary,
		"big.bin.Ab12Cd": ordinary, "..Ab12Cd": ordinary,

		"sedAb12Cd": transfer, "sed000000": transfer, "sedentary": ordinary, "sedAb12C": ordinary, "usedAb12Cd": ordinary,
	} {
		beside := func(name string) bool { return name == "there" }
		if got := classify(name, KindFile, beside); got != want {
			t.Errorf("classify(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestClassifyFolder(t *testing.T) {
	for name, want := range map[string]class{
		".~tmp~": transfer, "a/.rsync-partial": transfer, "a.part": ordinary, "backup~": ordinary,
		"4913": ordinary, "model.v1": ordinary, ".keep": ignored, ".~other": ordinary,
	} {
		if got := classify(name, KindFolder, func(string) bool { return false }); got != want {
			t.Errorf("classify(folder %q) = %s, want %s", name, got, want)
		}
	}
}

func FuzzClassify(f *testing.F) {
	for _, name := range []string{".a.b.Ab12Cd", "sedAb12Cd", ".sw", ".a.sw", "~", ".", "a/.hold"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, at string) {
		alone := func(string) bool { return false }
		beside := func(string) bool { return true }
		found := classify(at, KindFile, alone)
		if found == holder && at != HoldName {
			t.Errorf("%q holds the upload up", at)
		}
		if found.unfinished() && !classify(at, KindFile, beside).unfinished() {
			t.Errorf("%q is unfinished only while no other file is there", at)
		}
		if at != HoldName && path.Base(at) == at && classify("folder/"+at, KindFile, alone) != found {
			t.Errorf("%q is %s, but not in a folder", at, found)
		}
	})
}
