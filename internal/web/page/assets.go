package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"path"
	"strings"
	"sync"
)

// embedded are the files of assets/, compressed: a third of their size in the
// binary and on the way to a browser. A test writes them, with -update, and sees
// to it that both say the same.
//
//go:embed packed/*.gz
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
	entries, err := embedded.ReadDir("packed")
	if err != nil {
		panic(err) // they are part of the program
	}
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name(), ".gz")
		sum := sha256.Sum256(packedOf(name))
		found[name] = asset{kinds[path.Ext(name)], hex.EncodeToString(sum[:8])}
	}
	return found
})

// packedOf is a copy.
func packedOf(name string) []byte {
	content, err := embedded.ReadFile("packed/" + name + ".gz")
	if err != nil {
		panic(err) // it is in the list
	}
	return content
}

// Asset is what the page loads from /page/NAME: its content, compressed by gzip,
// its content type, and what tells its content from any other.
func Asset(name string) (packed []byte, contentType, tag string, ok bool) {
	a, ok := assets()[name]
	if !ok {
		return nil, "", "", false
	}
	return packedOf(name), a.kind, a.tag, true
}

// LoginAsset is what the login page loads from /login/NAME.
func LoginAsset(name string) (packed []byte, contentType, tag string, ok bool) {
	if !ofLogin[name] {
		return nil, "", "", false
	}
	return Asset(name)
}
