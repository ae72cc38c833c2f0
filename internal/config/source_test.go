package config

import (
	"strings"
	"testing"
	"time"
)

func TestSource(t *testing.T) {
	for text, want := range map[string]Source{
		`url = "https://example.com/a.ota?x=1"`:                    {URL: "https://example.com/a.ota?x=1"},
		`git = "https://example.com/a.git"`:                        {Git: "https://example.com/a.git"},
		`git = "https://example.com/a.git#main"`:                   {Git: "https://example.com/a.git", Branch: "main"},
		`git = "git@example.com:a/b.git#release/v1:src/app"`:       {Git: "git@example.com:a/b.git", Branch: "release/v1", Folder: "src/app"},
		`git = "ssh://git@example.com/a.git#:src"`:                 {Git: "ssh://git@example.com/a.git", Folder: "src"},
		"git = \"file:///srv/a.git\"\nonly_signed_commits = true":  {Git: "file:///srv/a.git", OnlySigned: true},
		"url = \"https://a/b.ota\"\ntoken_file = \"source.token\"": {URL: "https://a/b.ota", TokenFile: "source.token"},
	} {
		got, err := parse([]byte("[source]\n" + text))
		want.Poll = 15 * time.Minute
		if err != nil || got.Source != want {
			t.Errorf("%s: %+v, %v", text, got.Source, err)
		}
	}
	for text, want := range map[string]string{
		`url = "ftp://a/b.ota"`:                                 "must begin with https:// or http://",
		`url = "https://anna:secret@a/b.ota"`:                   "can't hold a name or a password",
		`url = "nonsense"`:                                      "must be an address",
		`git = "https://anna:secret@a/b.git"`:                   "can't hold a name or a password",
		`git = "ext::sh -c x"`:                                  "must be an address",
		`git = "--upload-pack=x"`:                               "must be an address",
		`git = "git://a/b"`:                                     "must begin with https://, ssh:// or file://",
		`git = "https://a/b#-x"`:                                "names no branch or tag",
		`git = "https://a/b#x..y"`:                              "names no branch or tag",
		`git = "https://a/b#main:../x"`:                         "names no folder",
		"git = \"https://a/b\"\nurl = \"https://a/b.ota\"":      "can't both be set",
		"url = \"https://a/b.ota\"\nonly_signed_commits = true": "counts only with git",
		"url = \"http://a/b.ota\"\ntoken_file = \"x\"":          "token_file counts only with",
		`poll = "10s"`:                                          `must be at least "1m0s"`,
	} {
		_, err := parse([]byte("[source]\n" + text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestSourceIsOfTheDevice: no upload may say where the next one comes from.
func TestSourceIsOfTheDevice(t *testing.T) {
	if _, _, err := NoLayers().With("main/ota.toml", []byte("[source]\nurl = \"https://a/b.ota\"\n")); err == nil {
		t.Error("it was taken")
	}
}

func TestSourceIsMasked(t *testing.T) {
	got := Setting{Table: "source", Name: "url", Value: "https://a/b.ota?X-Signature=abc"}.Masked()
	if got.Value != "https://a/b.ota?"+hidden {
		t.Error(got.Value)
	}
}
