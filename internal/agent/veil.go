package agent

import (
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ota/internal/config"
	"ota/internal/release"
)

// veil knows what nobody may look into over the network: .env, what [web] hide
// names, and every file from which the program takes its secrets, in main/, in
// deposit/ and in releases alike.
type veil struct {
	web   config.Web
	names []string // of env_files, below main/
}

// hides tells whether a path below main/ or deposit/ must not be seen, for what
// it is or for what it is a copy of.
func (v *veil) hides(at string) bool {
	if v.isSecret(at) || isOwn(at) {
		return true
	}
	return slices.ContainsFunc(originalsOf(at), v.isSecret)
}

func (v *veil) isSecret(at string) bool {
	if v.web.Hidden(at) {
		return true
	}
	for _, name := range v.names {
		if len(at) >= len(name) && strings.EqualFold(at[:len(name)], name) && (len(at) == len(name) || at[len(name)] == '/') {
			return true
		}
	}
	return false
}

// dotEnv is followed where it is a link: what it leads to is as secret.
const dotEnv = ".env"

// veilOf is for what lies in main/ and deposit/ now. An upload may name its
// env_file in the ota.toml that it brings.
func veilOf(place folder, device config.Config) *veil {
	v := &veil{web: device.Web}
	roots := []string{place.main(), place.deposit()}
	names := []string{dotEnv}
	for _, root := range roots {
		names = append(names, envFilesOf(readSettings(root))...)
	}
	for _, name := range names {
		v.add(path.Clean(name))
		for _, root := range roots {
			v.follow(filepath.Join(root, filepath.FromSlash(name)), roots)
		}
	}
	if name := filepath.FromSlash(device.Program.EnvFile.Path); name != "" {
		if !filepath.IsAbs(name) {
			name = filepath.Join(place.dir, name)
		}
		v.below(name, roots)
		v.follow(name, roots)
	}
	return v
}

// with also hides what a release's own settings name.
func (v *veil) with(tree *release.Tree, settings []byte) *veil {
	more := &veil{web: v.web, names: append([]string(nil), v.names...)}
	for _, name := range append(envFilesOf(settings), dotEnv) {
		name = path.Clean(name)
		more.add(name)
		if entry, found, err := tree.Lookup(name); err == nil && found && entry.Kind == release.Link {
			more.add(path.Join(path.Dir(name), string(entry.Target)))
		}
	}
	return more
}

// follow hides what a name leads to.
func (v *veil) follow(name string, roots []string) {
	target, err := filepath.EvalSymlinks(name)
	if err != nil {
		return // it is not there
	}
	v.below(target, roots)
	for _, root := range roots {
		if real, err := filepath.EvalSymlinks(root); err == nil {
			v.below(target, []string{real})
		}
	}
}

func (v *veil) below(name string, roots []string) {
	for _, root := range roots {
		if below, err := filepath.Rel(root, name); err == nil {
			v.add(filepath.ToSlash(below))
		}
	}
}

func (v *veil) add(name string) {
	if name != "." && filepath.IsLocal(filepath.FromSlash(name)) {
		v.names = append(v.names, name)
	}
}

// envFilesOf returns what settings name as env_file, as far as they can be read:
// in those of an upload that is held something may be wrong.
func envFilesOf(settings []byte) []string {
	layers, _ := config.ParseLayers(settingsName, settings)
	if name := layers.Device().Program.EnvFile.Path; name != "" && !path.IsAbs(name) {
		return []string{name}
	}
	return nil
}

// settingsBytes is as large as settings may be.
const settingsBytes = 64 << 10

// readSettings reads the settings that lie in main/ or deposit/, none where that
// is not possible.
func readSettings(dir string) []byte {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil
	}
	defer root.Close()
	file, err := root.OpenFile(settingsName, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	settings, _ := io.ReadAll(io.LimitReader(file, settingsBytes))
	return settings
}
