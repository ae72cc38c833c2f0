package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ota/internal/cli"
	"ota/internal/man"
	"ota/internal/service"
)

// tree is what a package holds: path to file.
type tree map[string]entry

type entry struct {
	text []byte
	mode fs.FileMode
}

func (t tree) add(path string, text []byte) { t[path] = entry{text, 0o644} }

// common is what all targets have.
type common struct {
	pages       []man.Page
	completions map[string][]byte // by shell
	docs        map[string][]byte // README.md and docs/
	changelog   []byte            // for Debian
}

func (j job) common() (common, error) {
	c := common{pages: man.Pages(cli.Commands(), j.version), completions: map[string][]byte{}, docs: map[string][]byte{}}
	for _, shell := range cli.Shells() {
		var script bytes.Buffer
		if err := cli.WriteCompletion(shell, &script); err != nil {
			return common{}, err
		}
		c.completions[shell] = script.Bytes()
	}
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		return common{}, err
	}
	for _, path := range append(docs, "README.md", "CHANGELOG.md", "LICENSE") {
		if c.docs[path], err = os.ReadFile(path); err != nil {
			return common{}, fmt.Errorf("%w: run it at the top of the tree", err)
		}
	}
	c.changelog, err = debianChangelog(string(c.docs["CHANGELOG.md"]), j.version, j.at)
	return c, err
}

// installed is what the .deb puts where.
func (j job) installed(common common, linked []module, binary []byte) tree {
	t := tree{"usr/bin/ota": {binary, 0o755}}
	t.add(strings.TrimPrefix(service.PackagedUnit, "/"), []byte(service.Template("/usr/bin/ota")))
	for _, page := range common.pages {
		t.add("usr/share/man/man"+page.Name[len(page.Name)-1:]+"/"+page.Name+".gz", gzipped([]byte(page.Text)))
	}
	for shell, script := range common.completions {
		t.add("usr/share/"+map[string]string{
			"bash": "bash-completion/completions/ota",
			"zsh":  "zsh/vendor-completions/_ota",
			"fish": "fish/vendor_completions.d/ota.fish",
		}[shell], script)
	}
	const doc = "usr/share/doc/ota/"
	for path, text := range common.docs {
		if strings.HasSuffix(path, ".md") && path != "CHANGELOG.md" {
			t.add(doc+path, text)
		}
	}
	t.add(doc+"changelog.gz", gzipped(common.changelog))
	t.add(doc+"copyright", []byte(copyright(linked, "/usr/share/common-licenses/Apache-2.0")))
	return t
}

// unpacked is what the .tar.gz holds, for any system.
func (j job) unpacked(target target, common common, linked []module, binary []byte) tree {
	name := "ota"
	if target.os == "windows" {
		name += ".exe"
	}
	t := tree{name: {binary, 0o755}}
	for _, page := range common.pages {
		t.add("man/man"+page.Name[len(page.Name)-1:]+"/"+page.Name, []byte(page.Text))
	}
	for shell, script := range common.completions {
		t.add("completions/"+map[string]string{"bash": "ota.bash", "zsh": "_ota", "fish": "ota.fish"}[shell], script)
	}
	for path, text := range common.docs {
		t.add(path, text)
	}
	t.add("COPYRIGHT", []byte(copyright(linked, "the file LICENSE")))
	t.add("INSTALL", []byte(hint[target.os]))
	if target.os == "linux" {
		t.add("systemd/ota@.service", []byte(service.Template("/usr/local/bin/ota")))
	}
	return t
}

// hint says how a system comes to have what was unpacked.
var hint = map[string]string{
	"linux": `For a first look, in an empty folder or in the one that your program is in:

    ./ota run FOLDER

To have it started with the device, and kept running:

    sudo ./ota install FOLDER

This copies ota to /usr/local/bin and makes a service; each thing that is done is
printed, "--dry-run" only prints it, and "ota uninstall FOLDER" takes it back.
(systemd/ota@.service is here to be read, and for images of a system: "ota
install" writes it by itself.)

The manual, and what makes the shells complete commands:

    sudo cp -r man/. /usr/local/share/man/
    sudo cp completions/ota.bash /etc/bash_completion.d/ota
    sudo cp completions/_ota /usr/local/share/zsh/site-functions/
    sudo cp completions/ota.fish /etc/fish/completions/
`,
	"darwin": `    ./ota run FOLDER

in an empty folder, or in the one that your program is in. To have it in your
PATH: sudo cp ota /usr/local/bin/, and the manual: sudo cp -r man/. /usr/local/share/man/
`,
	"windows": `    ota.exe run FOLDER

in an empty folder, or in the one that your program is in.
`,
}

// gzipped is the same for the same bytes: no name and no time are in it.
func gzipped(text []byte) []byte {
	var packed bytes.Buffer
	// Neither can fail: the level is one of the package's own, the writer memory.
	to, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	_, _ = to.Write(text)
	_ = to.Close()
	return packed.Bytes()
}

// writeSums writes what sha256sum -c reads.
func writeSums(to string, paths []string) error {
	var sums strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(text), filepath.Base(path))
	}
	return os.WriteFile(to, []byte(sums.String()), 0o644)
}
