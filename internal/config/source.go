package config

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// Source says where releases are fetched from. At most one of Git and URL is set.
type Source struct {
	Git        string // the address of a repository; empty: none
	Branch     string // of it, or a tag; empty: the one that the repository names
	Folder     string // below its top; empty: all of it
	URL        string // of an archive; empty: none
	TokenFile  string // path as it was written
	Poll       time.Duration
	OnlySigned bool // whether commits have to be signed
}

// Shown is the URL without what may be a secret.
func (s Source) Shown() string {
	before, _, _ := strings.Cut(s.URL, "?")
	return before
}

// shortestPoll is how often somebody else's server may be asked.
const shortestPoll = time.Minute

var gitSchemes = []string{"https", "ssh", "file"}

func gitSource(c *Config, value any) error {
	const looks = `an address such as "https://example.com/garden.git#main"`
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("must be %s, not %s", looks, kind(value))
	}
	address, what, _ := strings.Cut(text, "#")
	branch, folder, hasFolder := strings.Cut(what, ":")
	scheme, rest, hasScheme := strings.Cut(address, "://")
	user, _, isShort := strings.Cut(address, ":")
	hasUser := hasScheme && strings.Contains(strings.SplitN(rest, "/", 2)[0], "@")
	switch {
	case hasUser && scheme != "ssh": // and is not shown: there may be a password in it
		return errors.New("can't hold a name or a password: a token belongs into token_file")
	case strings.HasPrefix(text, "-"), strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return fmt.Errorf("must be %s, not %s", looks, quote(text))
	case hasScheme && !slices.Contains(gitSchemes, scheme):
		return fmt.Errorf("must begin with https://, ssh:// or file://, not %s", quote(scheme+"://"))
	case !hasScheme && (!isShort || !strings.Contains(user, "@") || strings.Contains(user, "/")):
		return fmt.Errorf("must be %s, not %s", looks, quote(text))
	case hasScheme && rest == "":
		return fmt.Errorf("must be %s, not %s", looks, quote(text))
	case strings.HasPrefix(branch, "-"), strings.ContainsAny(branch, "^~?*[\\+"), strings.Contains(branch, ".."):
		return fmt.Errorf("names no branch or tag: %s", quote(branch))
	case hasFolder && (folder == "" || path.Clean(folder) != folder || strings.HasPrefix(folder, "/") || strings.HasPrefix(folder, "..")):
		return fmt.Errorf("names no folder of the repository: %s", quote(folder))
	}
	c.Source.Git, c.Source.Branch, c.Source.Folder = address, branch, folder
	return nil
}

func urlSource(c *Config, value any) error {
	const looks = `an address such as "https://example.com/garden.ota"`
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("must be %s, not %s", looks, kind(value))
	}
	parsed, err := url.Parse(text)
	if err != nil || !isHost(parsed.Hostname()) || parsed.Port() != "" && !isPort(parsed.Port()) || parsed.Fragment != "" {
		return fmt.Errorf("must be %s, not %s", looks, quote(hidden)) // what is there may be a secret
	}
	if parsed.User != nil {
		return errors.New("can't hold a name or a password: a token belongs into token_file")
	}
	if parsed.Scheme != "http" && parsed.Scheme != "https" {
		return fmt.Errorf("must begin with https:// or http://, not %s", quote(parsed.Scheme+"://"))
	}
	c.Source.URL = text
	return nil
}

// sourceTogether takes nothing that would be left out in silence.
func (r *reading) sourceTogether() {
	source := &r.config.Source
	if source.Git != "" && source.URL != "" {
		r.say(r.lineOf("source", "url"), "git and url can't both be set: releases come from one place", "")
		source.URL = ""
	}
	if source.OnlySigned && source.Git == "" {
		r.say(r.lineOf("source", "only_signed_commits"), "only_signed_commits counts only with git", "releases from a url are signed by \"ota pack --sign\"")
		source.OnlySigned = false
	}
	if source.TokenFile != "" && !strings.HasPrefix(source.Git+source.URL, "https://") {
		r.say(r.lineOf("source", "token_file"), "token_file counts only with a git or url that begins with https://", "")
		source.TokenFile = ""
	}
}

// withoutQuery hides what may be a secret in the address of a file: buckets put
// signatures there.
func withoutQuery(value any) any {
	text, _ := value.(string)
	if before, _, has := strings.Cut(text, "?"); has {
		return before + "?" + hidden
	}
	return value
}
