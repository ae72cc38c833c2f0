package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// nfpm's settings are YAML, of which JSON is a part; see
// https://nfpm.goreleaser.com/configuration/.
type settings struct {
	Name          string            `json:"name"`
	Arch          string            `json:"arch"`
	Platform      string            `json:"platform"`
	Version       string            `json:"version"`
	VersionSchema string            `json:"version_schema"`
	MTime         string            `json:"mtime"`
	Section       string            `json:"section"`
	Priority      string            `json:"priority"`
	Maintainer    string            `json:"maintainer"`
	Description   string            `json:"description"`
	Recommends    []string          `json:"recommends"`
	Suggests      []string          `json:"suggests"`
	Contents      []content         `json:"contents"`
	Scripts       map[string]string `json:"scripts"`
	Deb           debSettings       `json:"deb"`
}

type content struct {
	Source      string   `json:"src"`
	Destination string   `json:"dst"`
	Info        fileInfo `json:"file_info"`
}

type fileInfo struct {
	Mode  fs.FileMode `json:"mode"`
	Owner string      `json:"owner"`
	Group string      `json:"group"`
	MTime string      `json:"mtime"`
}

type debSettings struct {
	Compression string `json:"compression"`
}

const description = `keeps a program running and up to date
What is put into a folder, by FTP, SFTP, rsync, Samba or cp, becomes the next
release of the program, or stays there with the reason why not. A release that
fails goes away by itself, and the last good one is back.
.
"ota install FOLDER" makes a service of a folder; nothing is started before.`

// scripts are what a package does beside bringing files, by nfpm's names.
var scripts = map[string]string{"postinstall": "postinst", "preremove": "prerm", "postremove": "postrm"}

// writeDeb lays out the files of a .deb and lets nfpm pack them. It returns the
// path of the package.
func (j job) writeDeb(ctx context.Context, t target, common common, linked []module, binary []byte) (string, error) {
	stage, err := os.MkdirTemp("", "ota-deb-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(stage)
	top, err := filepath.Abs(".")
	if err != nil {
		return "", err
	}
	files := j.installed(common, linked, binary)
	overrides, err := os.ReadFile("packaging/deb/lintian-overrides")
	if err != nil {
		return "", err
	}
	files.add("usr/share/lintian/overrides/ota", overrides)
	at := j.at.Format("2006-01-02T15:04:05Z")
	s := settings{
		Name: "ota", Arch: t.debian, Platform: "linux",
		Version: debianVersion(j.version), VersionSchema: "none", MTime: at,
		Section: "admin", Priority: "optional", Maintainer: maintainer,
		Description: description,
		Recommends:  []string{"python3"}, Suggests: []string{"python3-venv"},
		Scripts: map[string]string{},
		Deb:     debSettings{Compression: "xz"},
	}
	for name, file := range scripts {
		s.Scripts[name] = filepath.Join(top, "packaging/deb", file)
	}
	for i, path := range slices.Sorted(maps.Keys(files)) {
		one := files[path]
		source := filepath.Join(stage, strconv.Itoa(i))
		if err := os.WriteFile(source, one.text, 0o600); err != nil {
			return "", err
		}
		s.Contents = append(s.Contents, content{source, "/" + path, fileInfo{one.mode, "root", "root", at}})
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return "", err
	}
	config := filepath.Join(stage, "nfpm.yaml")
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return "", err
	}
	deb, err := filepath.Abs(filepath.Join(j.to, fmt.Sprintf("ota_%s_%s.deb", debianVersion(j.version), t.debian)))
	if err != nil {
		return "", err
	}
	// A module of its own, so that ota's knows nothing of it.
	cmd := exec.CommandContext(ctx, "go", "-C", "packaging", "tool", "nfpm", "package", "--config", config, "--packager", "deb", "--target", deb)
	cmd.Env = append(os.Environ(), "GOOS=", "GOARCH=", "SOURCE_DATE_EPOCH="+strconv.FormatInt(j.at.Unix(), 10))
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("nfpm: %w\n%s", err, said)
	}
	return deb, nil
}
