package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"path"
	"sync"
)

//go:embed assets/*
var embedded embed.FS

// kinds are the content types of what the page loads.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// ofLogin is what somebody who is not logged in may load.
var ofLogin = map[string]bool{"base.css": true, "login.css": true, "login.js": true, "theme.js": true, "icon.svg": true}

// asset is what is known of a file. Its content is part of the binary, and would
// be in memory twice.
type asset struct {
	kind, tag string
}

// assets are looked at once, when the first is asked for.
var assets = sync.OnceValue(func() map[string]asset {
	found := map[string]asset{}
	entries, err := embedded.ReadDir("assets")
	if err != nil {
		panic(err) // they are part of the program
	}
	for _, entry := range entries {
		sum := sha256.Sum256(contentOf(entry.Name()))
		found[entry.Name()] = asset{kinds[path.Ext(entry.Name())], `"` + hex.EncodeToString(sum[:8]) + `"`}
	}
	return found
})

// contentOf is a copy.
func contentOf(name string) []byte {
	content, err := embedded.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // it is in the list
	}
	return content
}

// Asset is what the page loads from /page/NAME: its content, its content type and
// its entity tag.
func Asset(name string) (content []byte, contentType, etag string, ok bool) {
	a, ok := assets()[name]
	if !ok {
		return nil, "", "", false
	}
	return contentOf(name), a.kind, a.tag, true
}

// LoginAsset is what the login page loads from /login/NAME.
func LoginAsset(name string) (content []byte, contentType, etag string, ok bool) {
	if !ofLogin[name] {
		return nil, "", "", false
	}
	return Asset(name)
}
