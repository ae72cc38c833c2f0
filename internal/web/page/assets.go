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

type asset struct {
	content   []byte
	kind, tag string
}

// assets are read once, when the first is asked for.
var assets = sync.OnceValue(func() map[string]asset {
	found := map[string]asset{}
	entries, err := embedded.ReadDir("assets")
	if err != nil {
		panic(err) // they are part of the program
	}
	for _, entry := range entries {
		content, err := embedded.ReadFile("assets/" + entry.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		found[entry.Name()] = asset{content, kinds[path.Ext(entry.Name())], `"` + hex.EncodeToString(sum[:8]) + `"`}
	}
	return found
})

// Asset is what the page loads from /page/NAME: its content, which nobody
// changes, its content type and its entity tag.
func Asset(name string) (content []byte, contentType, etag string, ok bool) {
	a, ok := assets()[name]
	return a.content, a.kind, a.tag, ok
}

// LoginAsset is what the login page loads from /login/NAME.
func LoginAsset(name string) (content []byte, contentType, etag string, ok bool) {
	if !ofLogin[name] {
		return nil, "", "", false
	}
	return Asset(name)
}
