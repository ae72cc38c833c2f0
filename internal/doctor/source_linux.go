package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"ota/internal/kit/escape"
)

// lookAtSource looks at what [source] names. It asks nobody there: the ota of the
// folder does, and as its own user.
func (p *patient) lookAtSource(context.Context) []Finding {
	set := p.settings.Source
	if set.Git == "" && set.URL == "" {
		return fine("releases are fetched from nowhere")
	}
	var found []Finding
	if _, err := exec.LookPath("git"); set.Git != "" && err != nil {
		found = append(found, problem("source-git", "there is no git, by which [source] fetches releases", "sudo apt install git"))
	}
	if name := set.TokenFile; name != "" {
		if !filepath.IsAbs(name) {
			name = filepath.Join(p.Dir, name)
		}
		switch info, err := os.Stat(name); {
		case errors.Is(err, fs.ErrNotExist):
			found = append(found, problem("source-file", "there is no "+escape.Name(name)+", which [source] token_file names", "put it there, or name another one in "+shell(p.Dir+"/ota.toml")))
		case err == nil && info.Mode().Perm()&0o077 != 0:
			found = append(found, notice("source-secret", "others than its owner may read "+escape.Name(name)+", the token for [source]", "chmod 600 "+shell(name)))
		}
	}
	if p.Told.SourceProblem != "" {
		found = append(found, problem("source-away", "no new release comes from "+escape.Name(p.Told.Source)+": "+escape.Name(p.Told.SourceProblem),
			"see [source] in "+shell(p.Dir+"/ota.toml")+"; \"ota fetch\" looks at once"))
	}
	return otherwise(found, "releases are fetched from "+escape.Name(set.Git+set.Shown()))
}
